"""The lists of packages agree with each other, and the lock files name no address."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
LOCKS = ("requirements.lock", "requirements-test.lock")


def requirements_of_notebooks() -> set[str]:
    extras = PROJECT["optional-dependencies"]
    return {str(Requirement(line)) for line in [*PROJECT["dependencies"], *extras["pacs"], *extras["cohort"]]}


def locked(lock: str) -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9_.\-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", (ROOT / lock).read_text("utf-8"), re.M
    ):
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def test_conda_file_lists_what_pyproject_lists():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    (pip_part,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert {str(Requirement(line)) for line in pip_part if line != "-e ."} == requirements_of_notebooks()
    assert f"python{PROJECT['requires-python']}" in environment["dependencies"]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_locked_inside_its_range(lock):
    versions = locked(lock)
    for line in requirements_of_notebooks():
        requirement = Requirement(line)
        found = versions.get(canonicalize_name(requirement.name), [])
        assert found, f"{requirement.name} is missing in {lock}"
        assert all(version in requirement.specifier for version in found), f"{lock}: {requirement} against {found}"


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_hold_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text("utf-8")
    assert "://" not in text and "index-url" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries), "each pinned version needs its hashes"


def test_the_two_locks_agree():
    small, large = locked("requirements.lock"), locked("requirements-test.lock")
    assert {name: large.get(name) for name in small} == small


def test_each_dependency_says_why_it_is_there():
    block = (ROOT / "pyproject.toml").read_text("utf-8").split("dependencies = [", 1)[1].split("\n]", 1)[0]
    lines = [line for line in block.splitlines() if line.strip()]
    assert all(re.search(r"#\s*(0[123]( 0[123])*|all): \S", line) for line in lines), (
        "name the notebooks and the reason"
    )


def test_opencv_is_the_headless_one_below_version_5():
    names = [Requirement(line).name for line in PROJECT["dependencies"]]
    assert "opencv-python" not in names and "opencv-python-headless" in names
    import cv2

    assert int(cv2.__version__.split(".")[0]) < 5 and hasattr(cv2, "CascadeClassifier")


@pytest.mark.parametrize("number", ["01", "02"])
def test_light_notebooks_do_not_import_tensorflow(number):
    """Notebooks 01 and 02 start in seconds: nothing they import loads TensorFlow or Keras."""
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    code = "\n".join(cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code")
    imports = re.findall(r"^(?:import|from) helpers[^\n(]*(?:\([^)]*\))?", code, re.M)
    assert imports
    told = "import sys; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*imports, told])], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
