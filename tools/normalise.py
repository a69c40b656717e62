"""Bring notebooks into the form kept in git: no time stamps, widget state, machine paths or run noise.

python tools/normalise.py notebooks/*.ipynb            rewrite them
python tools/normalise.py --check notebooks/*.ipynb    exit status 1 and a list when one would change
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"


def normalise(notebook: NotebookNode) -> NotebookNode:
    """The notebook with only what a reader or a test needs; changes `notebook` in place and returns it."""
    notebook.metadata = NotebookNode({"kernelspec": NotebookNode(KERNEL), "language_info": NotebookNode(LANGUAGE)})
    notebook.nbformat_minor = 5
    count = 0
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = NotebookNode({"tags": sorted(tags)} if tags else {})
        cell.source = "\n".join(line.rstrip() for line in cell.source.rstrip().splitlines())
        if cell.cell_type != "code":
            continue
        cell.outputs = _joined([kept for output in cell.outputs if (kept := _normalise_output(output)) is not None])
        ran = cell.outputs or cell.execution_count is not None
        count += bool(ran)
        cell.execution_count = count if ran else None
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count
    return notebook


def _normalise_output(output: NotebookNode) -> NotebookNode | None:
    """Drop what differs between runs: widget views (random ids), and stderr, which no stored output may hold."""
    if output.output_type == "stream" and output.name == "stderr":
        return None
    if "data" in output:
        if WIDGET_MIME in output.data:
            return None
        output.data = NotebookNode({mime: output.data[mime] for mime in sorted(output.data)})
    return output


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Make one output of printed text that arrived in pieces; where it is cut depends on the speed of the machine."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream":
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit status 1 when a notebook would change"
    )
    options = parser.parse_args()
    changed = []
    for path in options.notebooks:
        before = path.read_text("utf-8")
        after = nbformat.writes(normalise(nbformat.reads(before, as_version=4))) + "\n"
        if after != before:
            changed.append(path)
            if not options.check:
                path.write_text(after, "utf-8", newline="\n")
    for path in changed:
        print(f"{path}: {'is not in normal form; run `make normalise`' if options.check else 'normalised'}")
    return 1 if changed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
