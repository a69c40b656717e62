"""Make .venv with exactly the locked versions and `helpers` in it; needs only Python 3.11-3.13 with pip and venv.

    python tools/setup_environment.py            what the notebooks need
    python tools/setup_environment.py --test     and what the tests need

Nothing is done when the environment is already up to date.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
UV_VERSION = "0.13.9"  # installs in seconds what pip installs in minutes


def run(*command: object) -> None:
    """Run one step; its own output is shown, and a failure ends everything with the step's name."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run([str(part) for part in command], env=environment, check=False)
    if done.returncode:
        step = " ".join(Path(str(part)).name for part in command[:5])
        sys.exit(
            f"Setting up stopped at `{step} ...` (status {done.returncode}). The lines above say why; "
            "without network to the package index nothing can be installed. Mend it and run the same command again."
        )


def fingerprint(lock: Path) -> str:
    """What the environment was made from: the lock, the project's settings and the Python version."""
    content = lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    return f"{lock.name} {sys.version_info[:2]} {hashlib.sha256(content).hexdigest()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test", action="store_true", help="also install what the tests need")
    options = parser.parse_args()
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        sys.exit(
            f"This course needs Python 3.11, 3.12 or 3.13; this is {sys.version.split()[0]}. "
            "Name another one: `make setup PY=python3.12`, or start this script with it."
        )
    lock = ROOT / ("requirements-test.lock" if options.test else "requirements.lock")
    stamps = {name: VENV / f".made-from-{name}" for name in ("requirements.lock", "requirements-test.lock")}
    # The environment for tests holds everything the notebooks need as well.
    accepted = [lock.name] if options.test else list(stamps)
    if any(stamps[n].is_file() and stamps[n].read_text() == fingerprint(ROOT / n) for n in accepted):
        return
    started = time.perf_counter()
    print(f"Setting up {VENV.name} from {lock.name} (about 2.5 GB; a minute or two) ...", flush=True)
    if not PYTHON.is_file():
        venv.create(VENV, with_pip=True)
    run(PYTHON, "-m", "pip", "install", "--quiet", f"uv=={UV_VERSION}")
    uv = [PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON]
    run(*uv, "--require-hashes", "-r", lock)
    run(*uv, "--no-deps", "--no-build-isolation", "-e", ROOT)
    stamps[lock.name].write_text(fingerprint(lock))
    print(f"Environment ready after {time.perf_counter() - started:.0f} s.", flush=True)


if __name__ == "__main__":
    main()
