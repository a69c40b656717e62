"""Is everything there, in its place: opening, parameters, sections with their parts, closing, links?"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

from nbformat import NotebookNode

from tools.style import Problem, numbered, tags

OPENING = ["What you will do", "What you will learn", "What you need"]
CLOSING = ["Recap", "Sources", "Next"]
SECTION = re.compile(r"(\d+)\.(\d+) (\S.*) · (core|optional) · (\d+) min")
HEADING = re.compile(r"^(#{1,6}) +(.+?) *$", re.M)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(<?([^)\s>]+)>?\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)]*)\)")
FENCE = re.compile(r"```.*?```", re.S)
EXERCISE = re.compile(r"\*\*Exercise (\d+\.\d+[a-z]?)\.\*\*")
ANSWER = re.compile(r"""check_answer\(\s*["'](\d+\.\d+[a-z]?)["'],\s*None\s*\)""")


def headings(notebook: NotebookNode) -> list[tuple[int, int, str]]:
    """(cell, level, text) of every heading outside of fenced code."""
    found = []
    for number, cell in numbered(notebook, "markdown"):
        found += [(number, len(m[1]), m[2]) for m in HEADING.finditer(FENCE.sub("", cell.source))]
    return found


def check_frame(notebook: NotebookNode, chapter: int) -> Iterator[Problem]:
    """The title, the opening and closing headings, and no other chapter-level heading than numbered sections."""
    found = headings(notebook)
    if not found or not re.fullmatch(rf"{chapter:02d} · \S.*", found[0][2]) or found[0][:2] != (1, 1):
        yield Problem(1, f"the first line is not the title '# {chapter:02d} · Title'")
    second = [(cell, text) for cell, level, text in found if level == 2]
    names = [text for _, text in second]
    if names[:3] != OPENING:
        yield Problem(0, f"the first headings of level 2 are not {', '.join(OPENING)}")
    if names[-3:] != CLOSING:
        yield Problem(0, f"the last headings of level 2 are not {', '.join(CLOSING)}")
    for cell, level, text in found[1:]:
        if level == 1:
            yield Problem(cell, f"a second title: '{text}'")
    for cell, text in second:
        if text not in OPENING + CLOSING and not SECTION.fullmatch(text):
            yield Problem(cell, f"'## {text}' is not of the form '## {chapter}.1 Title · core · 6 min'")
        elif SECTION.fullmatch(text) and not notebook.cells[cell - 1].source.startswith(f"## {text}"):
            yield Problem(cell, f"the heading '## {text}' does not begin its cell")
    yield from _check_opening(notebook, second)
    yield from _check_closing(notebook, second)


def _under(notebook: NotebookNode, name: str) -> str:
    """All text from the heading of that name to the next heading of level 2."""
    text = "\n".join(cell.source for _, cell in numbered(notebook, "markdown"))
    match = re.search(rf"^## {re.escape(name)} *$(.*?)(?=^## |\Z)", text, re.M | re.S)
    return match[1] if match else ""


def _check_opening(notebook: NotebookNode, second: list[tuple[int, str]]) -> Iterator[Problem]:
    need = _under(notebook, "What you need")
    if need and len(re.findall(r"\bminutes?\b|\bmin\b", need)) < 1:
        yield Problem(0, "'What you need' does not say how many minutes reading, exercises and running take")
    starts = [cell for cell, text in second if SECTION.fullmatch(text)]
    first, following = (*starts, *[len(notebook.cells) + 1] * 2)[:2]
    opening = [cell for n, cell in numbered(notebook, "code") if n < following]
    setup = [cell for n, cell in numbered(notebook, "code") if n < first]
    if not any("import helpers" in cell.source and "except" in cell.source for cell in setup):
        yield Problem(0, "no cell of the opening says in a sentence what to do when 'helpers' is missing")
    if not any("version" in cell.source and "nbval-ignore-output" in tags(cell) for cell in opening):
        yield Problem(0, "no cell up to the end of the first section prints versions (tag nbval-ignore-output)")


def _check_closing(notebook: NotebookNode, second: list[tuple[int, str]]) -> Iterator[Problem]:
    sources = _under(notebook, "Sources")
    if not re.search(r"\b(19|20)\d\d\b", sources) or not re.search(r"https?://|doi", sources, re.I):
        yield Problem(0, "'Sources' holds no year or no DOI or address")
    if ".ipynb" not in _under(notebook, "Next"):
        yield Problem(0, "'Next' links to no other notebook")


def check_parameters(notebook: NotebookNode) -> Iterator[Problem]:
    """One cell tagged `parameters`, each line an annotated name with a plain default and a comment that explains it."""
    found = [(n, cell) for n, cell in numbered(notebook) if "parameters" in tags(cell)]
    if len(found) != 1:
        yield Problem(0, f"{len(found)} cells are tagged 'parameters' instead of one")
    for number, cell in found:
        comments = {
            token.start[0]
            for token in tokenize.generate_tokens(io.StringIO(cell.source).readline)
            if token.type == tokenize.COMMENT
        }
        for statement in ast.parse(cell.source).body:
            if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.value, ast.Constant):
                yield Problem(number, f"line {statement.lineno} is not 'name: type = default  # help'")
            elif statement.lineno not in comments:
                yield Problem(number, f"parameter '{ast.unparse(statement.target)}' has no comment that explains it")


def sections(notebook: NotebookNode) -> list[tuple[str, int, int]]:
    """(number such as "1.3", first cell, last cell) of every numbered section."""
    second = [(cell, text) for cell, level, text in headings(notebook) if level == 2]
    ends = [cell for cell, _ in second[1:]] + [len(notebook.cells) + 1]
    matches = [(SECTION.fullmatch(text), cell, end) for (cell, text), end in zip(second, ends)]
    return [(f"{match[1]}.{match[2]}", cell, end - 1) for match, cell, end in matches if match]


def check_sections(notebook: NotebookNode, chapter: int, answers: set[str]) -> Iterator[Problem]:
    """Sections count up; each has a figure, a check, an exercise with answer and solution, and words on own data."""
    found = sections(notebook)
    if not found:
        yield Problem(0, "there is no numbered section")
    numbers = [int(name.split(".")[1]) for name, _, _ in found]
    if any(int(name.split(".")[0]) != chapter for name, _, _ in found) or numbers != [
        *range(numbers[0] if numbers else 0, (numbers[0] if numbers else 0) + len(numbers))
    ]:
        yield Problem(0, f"the sections do not count up: {', '.join(name for name, _, _ in found)}")
    for name, first, last in found:
        cells = [(n, cell) for n, cell in numbered(notebook) if first <= n <= last]
        yield from _check_parts(name, first, cells)
        yield from _check_exercises(name, first, cells, answers)


def _check_parts(name: str, first: int, cells: list[tuple[int, NotebookNode]]) -> Iterator[Problem]:
    outputs = [output for _, cell in cells if cell.cell_type == "code" for output in cell.outputs]
    if not any(mime.startswith("image/") for output in outputs for mime in output.get("data", {})):
        yield Problem(first, f"section {name} has no figure")
    checks = [cell for _, cell in cells if "check" in tags(cell)]
    if not any(re.search(r"\bcheck\(", cell.source) for cell in checks):
        yield Problem(first, f"section {name} has no cell tagged 'check' that calls check()")
    texts = [cell.source for _, cell in cells if cell.cell_type == "markdown"]
    if not any(re.search(r"^\*\*With your own data\.\*\*", text, re.M) for text in texts):
        yield Problem(first, f"section {name} has no paragraph '**With your own data.**'")


def _check_exercises(name: str, first: int, cells: list, answers: set[str]) -> Iterator[Problem]:
    """exercise (text), answer (code) and solution (text) follow each other and bear the number of the section."""
    asked = [index for index, (_, cell) in enumerate(cells) if "exercise" in tags(cell)]
    if not asked:
        yield Problem(first, f"section {name} has no exercise")
    for index in asked:
        number, cell = cells[index]
        match = EXERCISE.match(cell.source)
        if cell.cell_type != "markdown" or not match or match[1].rstrip("abcdefgh") != name:
            yield Problem(number, f"the exercise does not begin with '**Exercise {name}.**'")
            continue
        reply = cells[index + 1][1] if index + 1 < len(cells) else None
        given = ANSWER.search(reply.source) if reply is not None and "answer" in tags(reply) else None
        if not given or given[1] != match[1]:
            yield Problem(number, f'no cell tagged "answer" with check_answer("{match[1]}", None) follows the exercise')
        if match[1] not in answers:
            yield Problem(number, f"helpers.exercises knows no answer to exercise {match[1]}")
        solution = cells[index + 2][1] if index + 2 < len(cells) else None
        if solution is None or "solution" not in tags(solution) or not _is_folded(solution.source):
            yield Problem(number, "no folded solution (<details><summary>Solution</summary>) follows the answer")


def _is_folded(text: str) -> bool:
    return bool(re.match(r"<details>\s*<summary>Solution</summary>.*</details>\s*\Z", text, re.S))


def check_links(notebook: NotebookNode, path: Path) -> Iterator[Problem]:
    """Relative links lead to files that exist, anchors to headings; pictures in text have words and no address."""
    for number, cell in numbered(notebook, "markdown"):
        text = FENCE.sub("", cell.source)
        for target in LINK.findall(text):
            problem = _link_problem(unquote(target), notebook, path)
            if problem:
                yield Problem(number, problem)
        for words, target in PICTURE.findall(text):
            if len(words.strip()) < 20:
                yield Problem(number, "a picture in the text has no alternative text")
            if target.startswith(("http:", "https:")):
                yield Problem(number, f"a picture is fetched from the network: {target}")


def _link_problem(target: str, notebook: NotebookNode, path: Path) -> str | None:
    if re.match(r"[a-z]+:", target):
        return None if target.startswith(("https:", "http:", "mailto:")) else f"the link {target} is of an unusual kind"
    place, _, anchor = target.partition("#")
    if place and not (path.parent / place).exists():
        return f"the link to {place} leads nowhere"
    if not place and anchor and anchor not in {text.replace(" ", "-") for _, _, text in headings(notebook)}:
        return f"there is no heading for the link #{anchor}"
    return None
