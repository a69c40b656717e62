"""Are the stored outputs whole, small, the same on every machine, and readable for people who cannot see?"""

from __future__ import annotations

import os
import re
from base64 import b64decode
from collections.abc import Iterator

import nbformat
from nbformat import NotebookNode

from tools.style import Problem, numbered, tags
from tools.style.source import MACHINE_PATH

MOST_PICTURE_BYTES = 200_000
MOST_NOTEBOOK_BYTES = 3_000_000
SHORTEST_ALT = 20
PICTURES = {"image/png", "image/jpeg", "image/gif"}
IMG = re.compile(r"<img\b[^>]*>", re.I)

#: What differs between runs or machines, or is noise.
NOISE = {
    r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d|\b\d\d:\d\d:\d\d\b": "a time stamp",
    r"\bat 0x[0-9a-f]{6,}": "a memory address",
    r"site-packages": "a path of one machine",
    r"[█▏▎▍▌▋▊▉]{2,}|\d%\|| \d+(?:\.\d+)?(?:it|s)/(?:s|it)\b": "a progress bar",
    r"\b\w*Warning:": "a warning",
    r"<(?:Figure size|Axes:|matplotlib\.|AxesImage)|\[<matplotlib": "a figure's name instead of the figure",
}


def check_outputs(notebook: NotebookNode) -> Iterator[Problem]:
    """Every code cell was run without error; what it left is free of noise, small, and has alternative texts."""
    for number, cell in numbered(notebook, "code"):
        if cell.execution_count is None:
            yield Problem(number, "not run: no stored outputs")
        for output in cell.outputs:
            yield from _check_output(number, cell, output)
        if "check" in tags(cell) and not any(line.startswith("✓") for line in _lines(cell)):
            yield Problem(number, "a cell tagged 'check' shows no ✓")
        text = _lines(cell)
        if "answer" in tags(cell) and not any("replace None" in line for line in text):
            yield Problem(number, "the stored answer cell has been answered: it must ask for an answer")


def _lines(cell: NotebookNode) -> list[str]:
    streams = [output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout"]
    return "".join(streams).splitlines()


def _check_output(number: int, cell: NotebookNode, output: NotebookNode) -> Iterator[Problem]:
    if output.output_type == "error":
        if "raises-exception" not in tags(cell):
            yield Problem(number, f"a stored error: {output.ename}")
        if len(output.traceback) > 15:
            yield Problem(number, "a long traceback: print the sentence instead")
    if output.output_type == "stream" and output.name == "stderr":
        yield Problem(number, "something was written to stderr")
    if output.output_type == "execute_result" and any(mime.startswith("image/") for mime in output.data):
        yield Problem(number, "a picture that did not come through show()")
    for text in _texts(output):
        yield from _check_text(number, text)
    for mime, data in output.get("data", {}).items():
        yield from _check_data(number, output, mime, data)


def _texts(output: NotebookNode) -> list[str]:
    if output.output_type == "stream":
        return [output.text]
    if output.output_type == "error":
        return [re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output.traceback))]
    texts = [data for mime, data in output.data.items() if mime.startswith("text/")]
    return [*texts, *(str(entry) for entry in output.metadata.values())]


def _check_text(number: int, text: str) -> Iterator[Problem]:
    for pattern, what in NOISE.items():
        if re.search(pattern, text):
            yield Problem(number, f"{what} in the output")
    match = MACHINE_PATH.search(text)
    if match:
        yield Problem(number, f"a path of one machine in the output: {match[0]}")
    user = os.environ.get("USER") or os.environ.get("USERNAME") or ""
    if len(user) > 4 and re.search(rf"\b{re.escape(user)}\b", text):
        yield Problem(number, "your user name in the output")


def _check_data(number: int, output: NotebookNode, mime: str, data: object) -> Iterator[Problem]:
    if "widget" in mime:
        yield Problem(number, "a widget's view, which has a random name, is stored")
    elif mime.startswith("image/"):
        yield from _check_picture(number, output, mime, data)
    elif mime == "text/html":
        if any(len(_alt(tag)) < SHORTEST_ALT for tag in IMG.findall(data)):
            yield Problem(number, "a picture in HTML has no alternative text")
        if re.search(r"""<script|\bsrc=["']?(?:https?:)?//|@import|url\(\s*["']?https?:""", data, re.I):
            yield Problem(number, "HTML with a script or something from the network")
    elif mime == "application/javascript":
        yield Problem(number, "a script is stored")


def _alt(tag: str) -> str:
    match = re.search(r"""\balt=(["'])(.*?)\1""", tag, re.S)
    return match[2].strip() if match else ""


def _check_picture(number: int, output: NotebookNode, mime: str, data: str) -> Iterator[Problem]:
    if mime not in PICTURES:
        yield Problem(number, f"a picture of kind {mime}: use PNG, JPEG or GIF")
        return
    alt = output.metadata.get(mime, {}).get("alt", "")
    if len(alt.strip()) < SHORTEST_ALT:
        yield Problem(number, "a picture has no alternative text")
    size = len(b64decode(data))
    if size > MOST_PICTURE_BYTES:
        yield Problem(number, f"a picture of {size / 1000:.0f} kB, more than {MOST_PICTURE_BYTES / 1000:.0f} kB")


def check_size(notebook: NotebookNode) -> Iterator[Problem]:
    """The whole notebook stays light, and holds no widget state."""
    size = len(nbformat.writes(notebook).encode())
    if size > MOST_NOTEBOOK_BYTES:
        yield Problem(0, f"{size / 1e6:.1f} MB, more than {MOST_NOTEBOOK_BYTES / 1e6:.0f} MB")
    if "widgets" in notebook.metadata:
        yield Problem(0, "the state of widgets is stored")
