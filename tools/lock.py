"""Renew the two lock files from pyproject.toml: exact versions and hashes for all platforms, without any address."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMON = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-annotate"]


def compile_lock(name: str, *extra: str) -> None:
    uv = [sys.executable, "-m", "uv", "pip", "compile", *COMMON, "--no-header", "--quiet"]
    subprocess.run([*uv, *extra, "pyproject.toml", "-o", name], cwd=ROOT, check=True)


if __name__ == "__main__":
    compile_lock("requirements.lock", "--extra", "pacs", "--extra", "cohort", "--upgrade")
    compile_lock("requirements-test.lock", "--extra", "test", "-c", "requirements.lock")
