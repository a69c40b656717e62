"""Shared fixtures: the folder with real data, which only development machines have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def real_data_folder() -> Path | None:
    """The folder named by MEDIMG_DATA, or None when the variable is unset or names no folder."""
    named = os.environ.get("MEDIMG_DATA")
    return Path(named) if named and Path(named).is_dir() else None


@pytest.fixture(scope="session")
def medimg_data() -> Path:
    """The folder with real series, pictures and tables; the test is skipped, and counted, where there is none."""
    folder = real_data_folder()
    if folder is None:
        pytest.skip("MEDIMG_DATA names no folder: this test needs the real data sets")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly when the tests on real data could not run."""
    if real_data_folder() is None:
        terminalreporter.section("REAL DATA NOT TESTED", sep="!")
        terminalreporter.line(
            "MEDIMG_DATA is not set: tests on real CT series, faces, pets and sonar rows were skipped."
        )
