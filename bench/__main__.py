"""`make bench`: every speed claim of the README, as ratios measured in one run on this machine.

    python -m bench [NAME ...]        names: cohort, ct, faces, layers, pets, vgg; all of them by default

Milliseconds of different runs or machines must not be compared: these machines may be shared, so the load is printed.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path

NAMES = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))


def machine() -> str:
    """Processor count, load and versions: what a reader needs to judge the numbers."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} processors{load}, {system}"


def main() -> int:
    asked = sys.argv[1:] or NAMES
    unknown = [name for name in asked if name not in NAMES]
    if unknown:
        print(f"There is no bench named {', '.join(unknown)}; choose from {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    for name in asked:
        print(f"\n=== {name} === {machine()}", flush=True)
        importlib.import_module(f"bench.bench_{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
