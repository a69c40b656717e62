"""The runner: results, table, a failing cell, a wrong path, no network, and git's copies left alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.normalise import KERNEL
from tools.pages import to_html

ROOT = Path(__file__).resolve().parents[1]


def write_notebook(path: Path, *sources: str) -> Path:
    cells = [new_markdown_cell("# A lesson\n\nWith a formula $a^2 + b^2$ and `a $dollar$ in code`.")]
    cells += [new_code_cell("photo: str | None = None  # your own photograph", metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source) for source in sources]
    nbformat.write(
        new_notebook(cells=cells, metadata={"kernelspec": dict(KERNEL), "language_info": {"name": "python"}}), path
    )
    return path


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "tools" / "run_notebooks.py", "--no-fetch", *arguments]
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


def test_a_good_run_ends_with_a_table_and_leaves_the_source_alone(tmp_path):
    path = write_notebook(
        tmp_path / "09_lesson.ipynb",
        "from helpers.course import check, data_note\ndata_note('shapes', 'simulated', 'drawn shapes')",
        "check('one is one', 1 == 1)\ncheck('two is two', 2 == 2)",
    )
    before = path.read_bytes()
    done = run(path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if re.match(r"09_lesson\s+\d+\s+\d+\s", line))
    assert row.split()[2] == "2" and "simulated: shapes" in row
    assert "cell 4 of 4" in done.stdout
    assert path.read_bytes() == before
    assert nbformat.read(tmp_path / "out" / path.name, 4).cells[-1].outputs[0].text.count("✓") == 2


def test_a_failing_cell_ends_the_run_with_the_cell_and_its_error(tmp_path):
    first = write_notebook(tmp_path / "08_broken.ipynb", "a = 1", "numbers = [1, 2]\nnumbers[5]")
    second = write_notebook(tmp_path / "09_never.ipynb", "print('not reached')")
    done = run(first, second, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "cell 4 of 4 failed" in done.stderr and "numbers[5]" in done.stderr
    assert "IndexError: list index out of range" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out" / second.name).exists()


def test_a_wrong_path_is_one_sentence(tmp_path):
    path = write_notebook(tmp_path / "09_lesson.ipynb", "photo")
    done = run(path, "--photo", tmp_path / "nowhere" / "me.jpg", "--out", tmp_path / "out")
    assert done.returncode != 0
    assert "me.jpg" in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_own_data_reach_the_cells(tmp_path):
    photo = tmp_path / "mé.png"
    from PIL import Image

    Image.new("RGB", (4, 3)).save(photo)
    path = write_notebook(tmp_path / "09_lesson.ipynb", "from pathlib import Path\nprint('given', Path(photo).name)")
    assert run(path, "--photo", photo, "--out", tmp_path / "out").returncode == 0
    outputs = nbformat.read(tmp_path / "out" / path.name, 4).cells[-1].outputs
    assert outputs[0].text.strip() == "given mé.png"


@pytest.mark.parametrize(
    "call", ["socket.create_connection(('192.0.2.1', 80), 2)", "socket.getaddrinfo('example.org', 80)"]
)
def test_notebooks_cannot_reach_the_network(tmp_path, call):
    done = run(write_notebook(tmp_path / "09_lesson.ipynb", f"import socket\n{call}"), "--out", tmp_path / "out")
    assert done.returncode == 1 and "No network in this run" in done.stderr


def test_notebooks_can_reach_this_machine(tmp_path):
    source = (
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\nsocket.create_connection(s.getsockname()).close()"
    )
    assert run(write_notebook(tmp_path / "09_lesson.ipynb", source), "--out", tmp_path / "out").returncode == 0


def test_the_page_asks_no_other_address_and_draws_formulas(tmp_path):
    notebook = nbformat.read(write_notebook(tmp_path / "09_lesson.ipynb", "1"), 4)
    notebook.cells.append(new_markdown_cell("[next](02_dicom.ipynb) ![x](https://example.org/x.png)"))
    page = to_html(notebook, "lesson")
    assert not re.search(r"<(?:script|link|img|iframe)\b[^>]*(?:src|href)=[\"'](?:https?:)?//", page)
    assert not re.search(r"import\s*\(?[\"']https?:|@import\s+(?:url\()?[\"']?https?:", page)
    assert "<math" in page and "a $dollar$ in code" in page
    assert 'href="02_dicom.html"' in page


def test_the_page_nests_formulas_and_folds_solutions(tmp_path):
    notebook = nbformat.read(write_notebook(tmp_path / "09_lesson.ipynb", "1"), 4)
    notebook.cells.append(new_markdown_cell("so $x^2$"))
    notebook.cells.append(new_markdown_cell("<details><summary>Solution</summary>\n\nforty-two\n\n</details>"))
    page = to_html(notebook, "lesson")
    assert re.search(r"<msup>\s*<mi>x</mi>\s*<mn>2</mn>\s*</msup>", page)
    assert re.search(r"<details>\s*<summary>Solution</summary>\s*<p>forty-two</p>\s*</details>", page)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("0*.ipynb")), ids=lambda path: path.stem[:2])
def test_papermill_explains_every_parameter(path):
    """`papermill --help-notebook` must understand the parameters cell: it reads annotations without `|` only."""
    import papermill

    from tools.run_notebooks import declared_parameters

    explained = papermill.inspect_notebook(str(path))
    assert set(explained) == declared_parameters(nbformat.read(path, 4))
    assert all(p["inferred_type_name"] == "str" and len(p["help"]) > 15 for p in explained.values())
