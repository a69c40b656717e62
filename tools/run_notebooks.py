"""Run the notebooks in order, on the built-in data or on yours, and write them with their results to build/.

    python tools/run_notebooks.py [--photo FILE] [--series FOLDER] [--sonar-csv FILE] [--pets FOLDER] ... [NOTEBOOK ...]

The notebooks in git are never changed (except by --store, with which their maintainers renew the stored outputs).
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
OFFLINE = ROOT / "tools" / "offline"
CELL_TIMEOUT = 600

# Kernels inherit these. TensorFlow reads its two before it starts: no log lines, and the same rounding everywhere.
KERNEL_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "PYTHONHASHSEED": "0",
}

#: Parameter of the notebooks -> (what it is for, what kind of path `helpers.datasets.resolve` shall expect).
PARAMETERS = {
    "photo": ("your own photograph for notebook 01", "photo"),
    "faces": ("a folder of photographs with annotations.csv for notebook 01", "faces"),
    "series": ("a folder or zip with your own CT series for notebooks 02 and 03", "series"),
    "sonar_csv": ("your own table with a label column for notebook 03", "sonar"),
    "pets": ("a folder of pictures, one folder per class, for notebook 03", "pets"),
    "vgg16_weights": ("the VGG16 weights file for notebook 03", "vgg16_weights"),
}


@dataclass
class Report:
    """What one run of one notebook came to."""

    name: str
    seconds: float = 0.0
    checks: int = 0
    data: list[tuple[str, str]] = field(default_factory=list)
    error: str | None = None


def prepare_environment(offline: bool = True) -> None:
    """Set the variables that kernels inherit; with `offline`, forbid them any connection beyond this machine."""
    os.environ.update(KERNEL_ENVIRONMENT)
    if offline:
        paths = [str(OFFLINE), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)


def declared_parameters(notebook) -> set[str]:
    """Names assigned in the cell tagged `parameters`."""
    source = next((c.source for c in notebook.cells if "parameters" in c.metadata.get("tags", [])), "")
    targets = [
        n.target if isinstance(n, ast.AnnAssign) else n.targets[0]
        for n in ast.parse(source).body
        if isinstance(n, ast.AnnAssign | ast.Assign)
    ]
    return {t.id for t in targets if isinstance(t, ast.Name)}


def with_parameters(notebook, values: dict[str, str]):
    """A copy of the notebook with papermill's cell of injected parameters, for those that it declares."""
    from papermill.parameterize import parameterize_notebook

    wanted = {name: value for name, value in values.items() if name in declared_parameters(notebook)}
    if not wanted:
        return notebook
    notebook.metadata.setdefault("papermill", {})  # papermill looks there without asking
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
    return parameterize_notebook(notebook, wanted)


def execute(notebook, report: Report, on_cell: Callable[[int, int], None]) -> None:
    """Run all cells in a fresh kernel in the notebooks' folder; a failing cell is told in `report.error`."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    total = len(notebook.cells)
    for cell in notebook.cells:  # what is stored in git must not be counted when a run stops early
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=40"],  # no notice about TCP on the loopback
        resources={"metadata": {"path": str(NOTEBOOKS)}},
        on_cell_start=lambda cell, cell_index: on_cell(cell_index + 1, total),
    )
    started = time.perf_counter()
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        report.error = describe_failure(notebook, error)
    report.seconds = time.perf_counter() - started
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stdout":
                report.checks += sum(line.startswith("✓") for line in output.text.splitlines())
            note = output.get("metadata", {}).get("medimg")
            if note:
                report.data.append((note["part"], note["kind"]))


def describe_failure(notebook, error: Exception) -> str:
    """The failing cell and its error in a few lines, without the frames of libraries."""
    for number, cell in enumerate(notebook.cells, start=1):
        failed = [o for o in cell.get("outputs", []) if o.output_type == "error"]
        if failed and "raises-exception" not in cell.metadata.get("tags", []):
            source = "\n".join(f"    {line}" for line in cell.source.splitlines())
            return f"cell {number} of {len(notebook.cells)} failed:\n{source}\n{failed[0].ename}: {failed[0].evalue}"
    return f"{type(error).__name__}: {error}"


def write_results(notebook, path: Path, out: Path) -> None:
    """Write the executed notebook and a readable page beside it."""
    import nbformat

    from tools.pages import to_html

    out.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, out / path.name)
    (out / path.with_suffix(".html").name).write_text(to_html(notebook, path.stem), "utf-8", newline="\n")


def progress_line(name: str) -> Callable[[int, int], None]:
    """A function that shows "cell k of n": in place on a terminal, a line per quarter elsewhere (logs)."""
    started, told = time.perf_counter(), set()

    def show(k: int, n: int) -> None:
        line = f"{name}: cell {k} of {n}, {time.perf_counter() - started:.0f} s"
        if sys.stdout.isatty():
            print(f"\r{line:<78}", end="\n" if k == n else "", flush=True)
        elif k == n or (k * 4 // n) not in told:
            told.add(k * 4 // n)
            print(line, flush=True)

    return show


def print_table(reports: list[Report]) -> None:
    """The closing table: notebook, seconds, checks passed, data of each part."""
    print(f"\n{'notebook':<44}{'seconds':>8}{'checks passed':>15}   data used")
    for report in reports:
        by_kind: dict[str, list[str]] = {}
        for part, kind in report.data:
            by_kind.setdefault(kind, []).append(part)
        lines = [f"{kind}: {', '.join(dict.fromkeys(parts))}" for kind, parts in by_kind.items()] or ["-"]
        checks = "FAILED" if report.error else str(report.checks)
        print(f"{report.name:<44}{report.seconds:>8.0f}{checks:>15}   {lines[0]}")
        for line in lines[1:]:
            print(f"{'':<70}{line}")
    print(f"{'together':<44}{sum(r.seconds for r in reports):>8.0f}{sum(r.checks for r in reports):>15}")


def resolve_parameters(options: argparse.Namespace) -> dict[str, str]:
    """The reader's values, each checked now: a wrong path ends here, in one sentence.

    Paths become absolute, because kernels start elsewhere; names of data sets stay names.
    """
    from helpers.datasets import DatasetError, names, resolve

    values = {"gaps": options.gaps} if options.gaps else {}
    for name, (_, expects) in PARAMETERS.items():
        given = getattr(options, name)
        if not given:
            continue
        try:
            path = resolve(given, expects=expects)
            values[name] = given if given in names() else str(Path(path).resolve())
        except DatasetError as error:
            raise SystemExit(f"{name}: {error}") from None
    return values


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all three, in order")
    for name, (purpose, _) in PARAMETERS.items():
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, metavar="PATH", help=purpose)
    from helpers.dicom.series import GAPS

    parser.add_argument("--gaps", choices=GAPS, help="what to do when slices of the series are missing")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder of the results (default: build/)")
    parser.add_argument("--no-fetch", action="store_true", help="do not try to fetch the 88 kB sonar table first")
    parser.add_argument("--store", action="store_true", help="maintainers: renew the outputs stored in the notebooks")
    options = parser.parse_args(arguments)
    for path in options.notebooks:
        if not path.is_file():
            parser.error(f"{path} is no file; give notebooks as {NOTEBOOKS.name}/01_... or none for all three.")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    import nbformat

    from tools.normalise import normalise

    values = resolve_parameters(options)
    if not options.no_fetch:
        from helpers.datasets import fetch_sonar_quietly

        print(fetch_sonar_quietly(), flush=True)
    prepare_environment()
    reports = []
    for path in options.notebooks or sorted(NOTEBOOKS.glob("0*.ipynb")):
        notebook = with_parameters(nbformat.read(path, as_version=4), values)
        report = Report(path.stem)
        reports.append(report)
        execute(notebook, report, progress_line(path.stem))
        if report.error:
            write_results(notebook, path, options.out)
            print_table(reports)
            print(
                f"\n{path.name}: {report.error}\nThe notebook up to this cell is in {options.out.name}/.",
                file=sys.stderr,
            )
            return 1
        if options.store:
            path.write_text(nbformat.writes(normalise(notebook)) + "\n", "utf-8", newline="\n")
        write_results(notebook, path, options.out)
    print_table(reports)
    print(f"\nRead them: {options.out.name}/*.html, or open the notebooks with `make lab`.")
    return 0


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main())
