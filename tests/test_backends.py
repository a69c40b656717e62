"""The comparisons by hand, and the sonar networks, on the other engine: JAX, in a process of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TESTS = ["test_layers.py", "test_activations.py", "test_frameworks.py"]
SONAR = "test_sonar.py::test_many_networks_take_the_very_steps_keras_takes"


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="the extra 'jax' is not installed")
@pytest.mark.skipif(os.environ.get("KERAS_BACKEND") == "jax", reason="this is that process already")
def test_everything_by_hand_equals_keras_on_jax():
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, SONAR]
    done = subprocess.run(command, cwd=ROOT / "tests", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert " passed" in done.stdout


def test_notebooks_one_and_two_never_import_an_engine():
    light = "helpers.images, helpers.hounsfield, helpers.volume, helpers.dicom, helpers.lungs, helpers.course"
    code = f"import sys, {light}; print([m for m in ('tensorflow', 'keras', 'jax') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
