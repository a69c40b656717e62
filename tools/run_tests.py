"""Run everything CI runs, two jobs at a time, and end with a table; exit status 1 when anything failed.

python tools/run_tests.py [--only NAME ...]     names: lint, data, ct, networks, rest, nbval-01 ..., other-data
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from tools.run_notebooks import KERNEL_ENVIRONMENT, NOTEBOOKS, OFFLINE  # noqa: E402

PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
JOBS_AT_ONCE = 2

# Tests by how long they take, so that two jobs fill two processors; `rest` takes whatever no other group names.
GROUPS = {
    "ct": [
        "test_dicom*.py",
        "test_hounsfield*.py",
        "test_volume*.py",
        "test_phantom*.py",
        "test_lungs*.py",
        "test_ct_*.py",
    ],
    "networks": ["test_vgg*.py", "test_pets*.py", "test_unet*.py", "test_nodules*.py", "test_backends*.py"],
    "archive": ["test_pacs*.py", "test_orthanc*.py", "test_cohort*.py"],
    "other-data": ["notebooks/test_*.py"],
}


@dataclass
class Job:
    name: str
    commands: list[list[str]]
    offline: bool = False
    output: str = ""
    seconds: float = 0.0
    passed: bool = False


def notebooks() -> list[Path]:
    return sorted(NOTEBOOKS.glob("0*.ipynb"))


def lint_job() -> Job:
    names = [str(path.relative_to(ROOT)) for path in notebooks()]
    python = sys.executable
    return Job(
        "lint",
        [
            [python, "-m", "ruff", "check", "."],
            [python, "-m", "ruff", "format", "--check", "."],
            [python, "tools/normalise.py", "--check", *names],
            [python, "tools/check_notebooks.py", *names],
        ],
    )


def all_jobs() -> list[Job]:
    """Longest first, so that no long one is left alone at the end."""
    tests = ROOT / "tests"
    named = {
        group: sorted({str(p.relative_to(ROOT)) for g in globs for p in tests.glob(g)})
        for group, globs in GROUPS.items()
    }
    taken = {path for paths in named.values() for path in paths}
    named["rest"] = sorted(
        str(p.relative_to(ROOT)) for p in tests.glob("test_*.py") if str(p.relative_to(ROOT)) not in taken
    )
    nbval = [
        Job(
            f"nbval-{path.stem[:2]}",
            [[*PYTEST, "--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=600", str(path.relative_to(ROOT))]],
            offline=True,
        )
        for path in notebooks()
    ]
    groups = [Job(name, [[*PYTEST, *paths]]) for name, paths in named.items() if paths]
    order = ["other-data", "nbval-03", "networks", "ct", "nbval-02", "archive", "rest", "nbval-01", "lint"]
    return sorted([*nbval, *groups, lint_job()], key=lambda job: order.index(job.name))


def run(job: Job) -> Job:
    """Run the job's commands to the end, all of them, and keep what they print."""
    environment = {**os.environ, **KERNEL_ENVIRONMENT, "MPLBACKEND": os.environ.get("MPLBACKEND", "agg")}
    if job.offline:
        environment["PYTHONPATH"] = str(OFFLINE)
        environment.pop("MPLBACKEND")  # kernels choose their own
    started = time.perf_counter()
    statuses = []
    for command in job.commands:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            text=True,
            encoding="utf-8",
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        statuses.append(done.returncode)
        job.output += done.stdout
    job.seconds, job.passed = time.perf_counter() - started, not any(statuses)
    print(
        f"\n===== {job.name}: {'passed' if job.passed else 'FAILED'} after {job.seconds:.0f} s =====\n{job.output}",
        flush=True,
    )
    return job


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these jobs")
    options = parser.parse_args()
    jobs = [job for job in all_jobs() if not options.only or job.name in options.only]
    print(f"Running {', '.join(job.name for job in jobs)}; each is shown when it ends.", flush=True)
    started = time.perf_counter()
    with ThreadPoolExecutor(JOBS_AT_ONCE) as pool:
        done = list(pool.map(run, jobs))
    print(f"\n{'job':<14}{'seconds':>8}  result")
    for job in done:
        last = job.output.strip().splitlines()[-1] if job.output.strip() else ""
        print(f"{job.name:<14}{job.seconds:>8.0f}  {'passed' if job.passed else 'FAILED'}  {last[:80]}")
    everything = all(job.passed for job in done)
    print(f"{'together':<14}{time.perf_counter() - started:>8.0f}  {'passed' if everything else 'FAILED'}")
    return 0 if everything else 1


if __name__ == "__main__":
    sys.exit(main())
