"""Remove what can be made again: build/, caches of tools. The environment and fetched data stay."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("__pycache__", ".ipynb_checkpoints", ".pytest_cache", ".ruff_cache", ".hypothesis")

if __name__ == "__main__":
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    for folder in ("", "helpers", "tests", "tools", "bench", "training", "notebooks"):
        for name in NAMES:
            for found in (ROOT / folder).glob(f"**/{name}" if folder else name):
                shutil.rmtree(found, ignore_errors=True)
