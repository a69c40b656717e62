"""Check notebooks against the rules in CONTRIBUTING.md.

python tools/check_notebooks.py notebooks/*.ipynb      exit status 1 and a line "notebook: cell k: rule" per problem
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from helpers.exercises import all_answers  # noqa: E402
from tools.normalise import normalise  # noqa: E402
from tools.style import Problem, outputs, source, structure  # noqa: E402


def problems(notebook: NotebookNode, path: Path, answers: set[str]) -> list[Problem]:
    """Every broken rule of a notebook, in the order of its cells; `path` gives the chapter and the place for links."""
    chapter = int(path.name[:2]) if path.name[:2].isdigit() else 0
    found = [
        *structure.check_frame(notebook, chapter),
        *structure.check_parameters(notebook),
        *structure.check_sections(notebook, chapter, answers),
        *structure.check_links(notebook, path),
        *source.check_tags(notebook),
        *source.check_code(notebook, chapter),
        *source.check_texts(notebook),
        *outputs.check_outputs(notebook),
        *outputs.check_size(notebook),
    ]
    text = nbformat.writes(notebook)
    if nbformat.writes(normalise(nbformat.reads(text, as_version=4))) != text:
        found.append(Problem(0, "not in normal form: run `make normalise`"))
    if not any("data_note(" in cell.source for cell in notebook.cells if cell.cell_type == "code"):
        found.append(Problem(0, "no part says which data it uses (data_note)"))
    return sorted(found, key=lambda problem: problem.cell)


def describe(path: Path, problem: Problem) -> str:
    place = f"cell {problem.cell}" if problem.cell else "whole"
    return f"{path.name}: {place}: {problem.rule}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # consoles of Windows without all signs
    answers = set(all_answers())
    count = 0
    for path in parser.parse_args(arguments).notebooks:
        for problem in problems(nbformat.read(path, as_version=4), path, answers):
            print(describe(path, problem))
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
