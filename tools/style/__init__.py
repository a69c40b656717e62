"""The rules for notebooks, one question per module: structure, source, outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nbformat import NotebookNode


@dataclass(frozen=True)
class Problem:
    """One broken rule; `cell` counts from 1, 0 stands for the notebook as a whole."""

    cell: int
    rule: str


def tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def numbered(notebook: NotebookNode, kind: str | None = None) -> Iterator[tuple[int, NotebookNode]]:
    """The cells (of one kind: "code" or "markdown") with their numbers."""
    return ((n, cell) for n, cell in enumerate(notebook.cells, 1) if kind in (None, cell.cell_type))
