"""Is the code of the cells short, plain and polite to the reader's machine?"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode

from tools.style import Problem, numbered, tags

MOST_LINES = 15
MOST_FUNCTION_LINES = 5
KNOWN_TAGS = {
    "parameters",
    "check",
    "exercise",
    "answer",
    "solution",
    "nbval-check-output",
    "nbval-ignore-output",
    "raises-exception",
}
FORBIDDEN = {
    r"\bsys\.path\b": "sys.path: install the package instead",
    r"^\s*[!%]": "a shell command or magic",
    r"\bget_ipython\b": "get_ipython",
    r"\bcv2\.imshow\b|\bcv2\.waitKey\b": "a window of cv2",
    r"\b(?:filterwarnings|simplefilter)\(\s*['\"]ignore": "a blanket filter of warnings",
    r"\bplt\.show\(": "plt.show: use show(fig, alt=...)",
    r"^\s*from\s+\S+\s+import\s+\*": "a star import",
    r"\b(?:requests\.\w+|import requests|urllib\.request|pooch)\b": "something that downloads",
    r"\binput\(": "input(), which stops a run without reader",
}
TRAILING_SEMICOLON = re.compile(r";\s*(?:#.*)?$", re.M)
#: Paths that exist on one machine only, in any text.
MACHINE_PATH = re.compile(
    r"(?<![\w./:~-])/(?:home|Users|root|tmp|work|private|var|mnt|media|opt|usr)/[\w.-]+|\b[A-Za-z]:\\+(?:Users|Documents|\w+\\)"
)
HEAVY = re.compile(r"^\s*(?:import|from)\s+(keras|tensorflow|torch|jax)\b", re.M)


def check_tags(notebook: NotebookNode) -> Iterator[Problem]:
    """Only known tags, on the kind of cell they belong to."""
    for number, cell in numbered(notebook):
        for tag in tags(cell):
            if tag not in KNOWN_TAGS:
                yield Problem(number, f"unknown tag '{tag}'")
        kind = {"exercise": "markdown", "solution": "markdown"}
        wrong = [tag for tag in tags(cell) if tag in KNOWN_TAGS and kind.get(tag, "code") != cell.cell_type]
        if wrong:
            yield Problem(number, f"tag '{wrong[0]}' on a {cell.cell_type} cell")
        if "check" in tags(cell) and "nbval-check-output" not in tags(cell):
            yield Problem(number, "a cell tagged 'check' is not tagged 'nbval-check-output'")


def check_code(notebook: NotebookNode, chapter: int) -> Iterator[Problem]:
    """Length of cells and functions, and what a notebook of the course does not do."""
    for number, cell in numbered(notebook, "code"):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        if len(lines) > MOST_LINES:
            yield Problem(number, f"{len(lines)} lines of code, more than {MOST_LINES}: move some to helpers")
        if not lines:
            yield Problem(number, "an empty code cell")
        for pattern, what in FORBIDDEN.items():
            if re.search(pattern, cell.source, re.M):
                yield Problem(number, f"not allowed: {what}")
        yield from _check_tree(number, cell.source)
        if chapter in (1, 2) and HEAVY.search(cell.source):
            yield Problem(number, f"notebook {chapter:02d} must not import {HEAVY.search(cell.source)[1]}")


def _check_tree(number: int, source: str) -> Iterator[Problem]:
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        yield Problem(number, f"not plain Python (line {error.lineno})")
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            length = node.end_lineno - node.lineno + 1
            if length > MOST_FUNCTION_LINES:
                yield Problem(number, f"'{node.name}' has {length} lines, more than {MOST_FUNCTION_LINES}: move it")
    ends = {node.end_lineno for node in tree.body}
    lines = source.splitlines()
    if any(TRAILING_SEMICOLON.search(lines[end - 1]) for end in ends):
        yield Problem(number, "a line ends with ';'")


def check_texts(notebook: NotebookNode) -> Iterator[Problem]:
    """No path of one machine in text or code; no empty cell; no metadata but tags."""
    for number, cell in numbered(notebook):
        match = MACHINE_PATH.search(cell.source)
        if match:
            yield Problem(number, f"a path of one machine: {match[0]}")
        if cell.cell_type == "markdown" and not cell.source.strip():
            yield Problem(number, "an empty text cell")
        extra = sorted(set(cell.metadata) - {"tags"})
        if extra:
            yield Problem(number, f"metadata other than tags: {', '.join(extra)}")
    ids = [cell.get("id") for cell in notebook.cells]
    if len(set(ids)) != len(ids):
        yield Problem(0, "two cells have the same id")
