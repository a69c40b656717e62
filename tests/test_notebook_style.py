"""The style rules notice what they forbid, the normal form holds, and the three notebooks obey."""

from __future__ import annotations

import base64
import subprocess
import sys
from copy import deepcopy
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.exercises import all_answers
from tools.check_notebooks import describe, problems
from tools.normalise import normalise

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("0*.ipynb"))
ALT = "A curve that rises from nought to one."
ANSWERS = {"1.0", "1.1"}


def text(source: str, *tags: str) -> NotebookNode:
    return new_markdown_cell(source, metadata={"tags": sorted(tags)} if tags else {})


def stdout(words: str) -> NotebookNode:
    return new_output("stream", name="stdout", text=words)


def figure(data: bytes = b"picture", mime: str = "image/png", alt: str = ALT) -> NotebookNode:
    shown = {mime: base64.b64encode(data).decode(), "text/plain": f"<figure: {alt}>"}
    return new_output("display_data", data=shown, metadata={mime: {"alt": alt}})


def code(source: str, *tags: str, outputs: tuple[NotebookNode, ...] = ()) -> NotebookNode:
    metadata = {"tags": sorted(tags)} if tags else {}
    return new_code_cell(source, metadata=metadata, outputs=list(outputs), execution_count=1)


def section(number: str) -> list[NotebookNode]:
    return [
        text(f"## {number} A curve · core · 6 min\n\nText with a [link](#{number}-A-curve-·-core-·-6-min)."),
        code('show(fig, alt="...")', outputs=(figure(),)),
        code('check("it rises", True)', "check", "nbval-check-output", outputs=(stdout("✓ it rises\n"),)),
        text(f"**Exercise {number}.** How far?", "exercise"),
        code(f'check_answer("{number}", None)', "answer", outputs=(stdout("replace None by your answer"),)),
        text("<details><summary>Solution</summary>\n\nOne.\n\n</details>", "solution"),
        text("**With your own data.** The curve changes."),
    ]


def good() -> NotebookNode:
    """A notebook that keeps every rule, to be changed at will."""
    return deepcopy(_good())


@cache
def _good() -> NotebookNode:
    cells = [
        text("# 01 · Curves\n\nWords."),
        text("## What you will do\n\nA.\n\n## What you will learn\n\nB.\n\n## What you need\n\n10 minutes."),
        code("photo: str | None = None  # your own photograph", "parameters"),
        code("try:\n    import helpers\nexcept ModuleNotFoundError:\n    raise SystemExit('run make setup') from None"),
        code("print(versions())", "nbval-ignore-output", outputs=(stdout("numpy 2.4\n"),)),
        code('data_note("curve", "simulated", "a drawn curve")'),
        *section("1.0"),
        *section("1.1"),
        text("## Recap\n\nC."),
        text("## Sources\n\nViola, P. (2001), https://doi.org/10.1/2"),
        text("## Next\n\n[Notebook 02](02_next.ipynb)"),
    ]
    return normalise(nbformat.from_dict(new_notebook(cells=cells)))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "02_next.ipynb").write_text("{}", encoding="utf-8")
    return tmp_path / "01_curves.ipynb"


def found(notebook: NotebookNode, place: Path) -> list[str]:
    return [describe(place, problem) for problem in problems(notebook, place, ANSWERS)]


def test_the_good_notebook_has_no_problem(place):
    assert found(good(), place) == []


def at(notebook: NotebookNode, start: str) -> NotebookNode:
    """The first cell whose source begins with `start`."""
    return next(cell for cell in notebook.cells if cell.source.startswith(start))


def drop(notebook: NotebookNode, start: str) -> None:
    notebook.cells.remove(at(notebook, start))


def swap(old: str, new: str):
    def change(notebook: NotebookNode) -> None:
        cell = next(cell for cell in notebook.cells if old in cell.source)
        cell.source = cell.source.replace(old, new)

    return change


def output_of(start: str, *outputs: NotebookNode):
    def change(notebook: NotebookNode) -> None:
        at(notebook, start).outputs = [nbformat.from_dict(output) for output in outputs]

    return change


def add(source: str, *tags: str):
    def change(notebook: NotebookNode) -> None:
        notebook.cells.insert(7, code(source, *tags))

    return change


def tagged(start: str, *tags: str):
    def change(notebook: NotebookNode) -> None:
        at(notebook, start).metadata = NotebookNode({"tags": list(tags)})

    return change


def widget_state(notebook: NotebookNode) -> None:
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {}}


def cell_metadata(notebook: NotebookNode) -> None:
    notebook.cells[5].metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00"}


def not_run(notebook: NotebookNode) -> None:
    notebook.cells[5].execution_count = None


def same_id(notebook: NotebookNode) -> None:
    notebook.cells[5].id = notebook.cells[4].id


def big(notebook: NotebookNode) -> None:
    for cell in notebook.cells[:12]:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.from_dict(figure(bytes(190_000))) for _ in range(3)]


PRINT = "print(versions())"
SHOW = "show(fig"
CHECK = "check("
WIDGET = new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {"model_id": "a1"}})
BROKEN = [
    # structure
    (swap("# 01 · Curves", "# Curves"), "not the title '# 01"),
    (swap("## What you will learn", "### What you will learn"), "first headings"),
    (swap("10 minutes", "time"), "how many minutes"),
    (swap("import helpers", "import numpy"), "when 'helpers' is missing"),
    (lambda notebook: drop(notebook, PRINT), "prints versions"),
    (lambda notebook: drop(notebook, "## Recap"), "last headings"),
    (swap("(2001), https://doi.org/10.1/2", ""), "'Sources' holds no year"),
    (swap("[Notebook 02](02_next.ipynb)", "Nothing"), "'Next' links to no other"),
    (swap("02_next.ipynb", "02_gone.ipynb"), "leads nowhere"),
    (swap("(#1.0-A", "(#1.0-B"), "no heading for the link"),
    (swap("## 1.0 A curve · core · 6 min", "## 1.0 A curve"), "is not of the form"),
    (swap("## 1.0 A curve", "Before.\n\n## 1.0 A curve"), "does not begin its cell"),
    (swap("## 1.1 A curve", "## 1.3 A curve"), "do not count up: 1.0, 1.3"),
    (swap("# 01 · Curves", "# 01 · Curves\n\n# Again"), "a second title"),
    (lambda notebook: drop(notebook, SHOW), "section 1.0 has no figure"),
    (lambda notebook: drop(notebook, CHECK), "section 1.0 has no cell tagged 'check'"),
    (lambda notebook: drop(notebook, "**With your"), "section 1.0 has no paragraph"),
    (lambda notebook: drop(notebook, "**Exercise"), "section 1.0 has no exercise"),
    (lambda notebook: drop(notebook, "check_answer"), 'no cell tagged "answer"'),
    (lambda notebook: drop(notebook, "<details>"), "no folded solution"),
    (swap("</details>", ""), "no folded solution"),
    (swap("**Exercise 1.0.**", "**Exercise 1.1.**"), "does not begin with '**Exercise 1.0.**'"),
    (swap("**Exercise 1.0.**", "**Exercise 1.0b.**"), "no answer to exercise 1.0b"),
    (swap('"1.0", None', '"1.0", 3'), 'no cell tagged "answer"'),
    (swap("Words.", "Words. ![](a.png)"), "no alternative text"),
    (swap("Words.", "Words. ![A picture with many words](https://x.org/a.png)"), "fetched from the network"),
    (lambda notebook: drop(notebook, "data_note"), "no part says which data"),
    # parameters
    (lambda notebook: drop(notebook, "photo:"), "0 cells are tagged 'parameters'"),
    (add("size: int = 3  # size", "parameters"), "2 cells are tagged 'parameters'"),
    (swap("  # your own photograph", ""), "parameter 'photo' has no comment"),
    (swap("photo: str | None = None", "photo = None"), "is not 'name: type = default"),
    (swap("None = None  # your", "None = find()  # your"), "is not 'name: type = default"),
    # source
    (tagged(PRINT, "nbval-skip", "nbval-ignore-output"), "unknown tag 'nbval-skip'"),
    (tagged("## Recap", "check"), "tag 'check' on a markdown cell"),
    (tagged(CHECK, "check"), "not tagged 'nbval-check-output'"),
    (add("\n".join(f"a{n} = {n}" for n in range(16))), "16 lines of code"),
    (add("def f(x):\n    a = x\n    b = a\n    c = b\n    d = c\n    return d"), "'f' has 6 lines"),
    (add("import sys\nsys.path.append('x')"), "sys.path"),
    (add("!pip install numpy"), "shell command"),
    (add("%pip install numpy"), "shell command"),
    (add("cv2.imshow('a', b)"), "window of cv2"),
    (add("warnings.filterwarnings('ignore')"), "blanket filter"),
    (add("from helpers.layers import *"), "star import"),
    (add("plt.plot(x)\nplt.show()"), "plt.show"),
    (add("import requests"), "downloads"),
    (add("ax.axis('off');"), "ends with ';'"),
    (add("ax.axis('off');  # no axes"), "ends with ';'"),
    (add("import tensorflow as tf"), "must not import tensorflow"),
    (add("from keras import layers"), "must not import keras"),
    (add("read('/home/anna/scan')"), "a path of one machine"),
    (add("read('C:\\\\Users\\\\anna')"), "a path of one machine"),
    (add("x ="), "not plain Python"),
    (cell_metadata, "metadata other than tags: execution"),
    (same_id, "the same id"),
    # outputs
    (not_run, "not run"),
    (output_of(PRINT, stdout("seen at 2026-11-22 15:20")), "a time stamp"),
    (output_of(PRINT, stdout("<Thing at 0x7f0a1b2c3d4e>")), "a memory address"),
    (output_of(PRINT, stdout("from /home/anna/venv/lib")), "a path of one machine"),
    (output_of(PRINT, stdout("from D:\\work\\x")), "a path of one machine"),
    (output_of(PRINT, stdout("50%|█████     | 5/10")), "a progress bar"),
    (output_of(PRINT, stdout("UserWarning: beware")), "a warning"),
    (output_of(PRINT, new_output("stream", name="stderr", text="hm")), "written to stderr"),
    (output_of(PRINT, new_output("error", ename="KeyError", evalue="", traceback=["x"])), "a stored error: KeyError"),
    (output_of(PRINT, WIDGET), "a widget's view"),
    (output_of(PRINT, new_output("display_data", data={"text/plain": "<Figure size 640x480>"})), "figure's name"),
    (output_of(PRINT, new_output("display_data", data={"text/html": "<img src='data:x'>"})), "picture in HTML"),
    (output_of(PRINT, new_output("display_data", data={"text/html": "<script>1</script>"})), "HTML with a script"),
    (output_of(PRINT, new_output("display_data", data={"text/html": "<p>/Users/anna/x</p>"})), "one machine"),
    (output_of(SHOW, figure(alt="A curve")), "a picture has no alternative text"),
    (output_of(SHOW, figure(bytes(200_001))), "a picture of 200 kB"),
    (output_of(SHOW, figure(mime="image/svg+xml")), "kind image/svg+xml"),
    (output_of(SHOW, new_output("execute_result", data=figure().data, metadata=figure().metadata)), "through show()"),
    (output_of(CHECK, stdout("fine")), "shows no ✓"),
    (output_of("check_answer", stdout("Exercise 1.0: right.")), "has been answered"),
    (widget_state, "state of widgets"),
    (big, "MB, more than 3 MB"),
    (swap("Words.", "Words.   "), "not in normal form"),
]


@pytest.mark.filterwarnings("ignore::nbformat.validator.DuplicateCellId")
@pytest.mark.parametrize(("change", "says"), BROKEN, ids=[f"{n}: {says}" for n, (_, says) in enumerate(BROKEN)])
def test_each_broken_rule_is_noticed(place, change, says):
    notebook = good()
    change(notebook)
    assert any(says in line for line in found(notebook, place)), found(notebook, place)


@pytest.mark.parametrize(
    "source",
    ["print('a; b')", "url = 'https://x.org/home/a'", "x = {'a:': 1}\nx['a:'] /= 2", "open('~/scan')", "d = 3  # a; b"],
)
def test_what_only_looks_forbidden_is_allowed(place, source):
    notebook = good()
    add(source)(notebook)
    assert found(normalise(notebook), place) == []


def test_an_expected_error_is_allowed_without_paths(place):
    error = new_output("error", ename="ValueError", evalue="no", traceback=["\x1b[31mValueError\x1b[0m: no"])
    notebook = good()
    add("int('a')", "raises-exception")(notebook)
    at(notebook, "int").outputs = [nbformat.from_dict(error)]
    assert found(normalise(notebook), place) == []
    at(notebook, "int").outputs[0].traceback = ["File /home/anna/x.py:1"]
    assert any("one machine" in line for line in found(notebook, place))


# --- the normal form --------------------------------------------------------------------------------------------------


def test_normal_form_drops_what_differs_between_runs_and_keeps_the_rest():
    notebook = good()
    kept = nbformat.writes(notebook)
    widget_state(notebook)
    cell_metadata(notebook)
    notebook.metadata["language_info"] = {"name": "python", "version": "3.13.1"}
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.execution_count = 40 + number
    print_cell = at(notebook, PRINT)
    print_cell.outputs += [WIDGET, new_output("stream", name="stderr", text="I tensorflow")]
    print_cell.metadata["collapsed"] = True
    assert nbformat.writes(normalise(notebook)) == kept


def test_normal_form_joins_text_that_a_slow_run_stores_in_pieces():
    notebook = good()
    whole = nbformat.writes(notebook)
    at(notebook, PRINT).outputs = [stdout("num"), stdout("py 2.4\n")]
    assert nbformat.writes(normalise(notebook)) == whole


def test_normal_form_is_a_fixed_point_and_check_mode_changes_nothing(tmp_path):
    path = tmp_path / "01 a.ipynb"
    notebook = good()
    cell_metadata(notebook)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")
    before = path.read_bytes()
    tool = [sys.executable, str(ROOT / "tools" / "normalise.py")]
    check = subprocess.run([*tool, "--check", str(path)], capture_output=True, text=True)
    assert check.returncode == 1 and "01 a.ipynb" in check.stdout and path.read_bytes() == before
    assert subprocess.run([*tool, str(path)]).returncode == 0
    assert subprocess.run([*tool, "--check", str(path)]).returncode == 0 and path.read_bytes() != before


def test_the_command_prints_a_line_per_problem_and_ends_with_status_1(place):
    notebook = good()
    add("import sys\nsys.path.append('x')")(notebook)
    nbformat.write(normalise(notebook), place)
    tool = [sys.executable, str(ROOT / "tools" / "check_notebooks.py"), str(place)]
    run = subprocess.run(tool, capture_output=True, text=True, encoding="utf-8", env=None)
    assert run.returncode == 1 and "01_curves.ipynb: cell 8: not allowed: sys.path" in run.stdout


# --- the three notebooks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_the_notebooks_of_the_course_obey(path):
    notebook = nbformat.read(path, as_version=4)
    lines = [describe(path, problem) for problem in problems(notebook, path, set(all_answers()))]
    assert not lines, "\n".join(lines)
