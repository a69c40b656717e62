"""`python -m bench` can call every measurement, and says which there are; nothing is timed here."""

import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import NAMES, machine


@pytest.mark.parametrize("name", NAMES)
def test_every_bench_can_be_called_without_arguments(name):
    pytest.importorskip("resource", reason="no such module on Windows") if name == "vgg" else None
    main = importlib.import_module(f"bench.bench_{name}").main
    inspect.signature(main).bind()


def test_an_unknown_name_is_answered_with_the_list():
    command, root = [sys.executable, "-m", "bench", "nonsense"], Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    assert done.returncode == 2 and all(name in done.stderr for name in NAMES)


def test_the_machine_is_described():
    assert "processors" in machine() and "Python" in machine()
