"""An executed notebook -> one readable HTML page that asks no other address for anything.

nbconvert's own page fetches MathJax and RequireJS from the network. Here formulas become MathML, which browsers draw
by themselves, and the scripts for widgets are left out (a page without kernel has no live widgets).
"""

from __future__ import annotations

import re

from latex2mathml.converter import convert as to_mathml
from nbconvert import HTMLExporter
from nbformat import NotebookNode, from_dict
from traitlets.config import Config

FORMULA = re.compile(r"\$\$(?P<block>.+?)\$\$|(?<![\\$\w])\$(?P<inline>[^\s$](?:[^$\n]*[^\s$])?)\$(?![\w$])", re.S)
CODE = re.compile(r"(```.*?```|`[^`\n]*`)", re.S)
OUTSIDE = re.compile(
    r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)\s*=\s*["'](?:https?:)?//[^"']*["'][^>]*>(?:</script>)?"""
)
LINK_TO_NOTEBOOK = re.compile(r"\]\((?!https?:)([\w./-]+)\.ipynb(#[^)]*)?\)")


def to_html(notebook: NotebookNode, title: str) -> str:
    """The notebook as one page with its pictures inside; links between the notebooks lead to the pages beside it."""
    # No `embed_images`: it parses each tag of the Markdown alone, and formulas and folded solutions fall apart.
    page = from_dict({**notebook, "cells": [_readable(cell) for cell in notebook.cells]})
    exporter = HTMLExporter(
        config=Config(
            {
                "HTMLExporter": {
                    "template_name": "lab",
                    "mathjax_url": "",
                    "require_js_url": "",
                    "jquery_url": "",
                    "widget_renderer_url": "",
                    "mermaid_js_url": "",
                }
            }
        )
    )
    body, _ = exporter.from_notebook_node(page, resources={"metadata": {"name": title}})
    return _without_outside(body)


def _readable(cell: NotebookNode) -> dict:
    if cell.cell_type != "markdown":
        return cell
    parts = CODE.split(cell.source)  # odd parts are code, in which a dollar is a dollar
    parts[::2] = [FORMULA.sub(_mathml, LINK_TO_NOTEBOOK.sub(r"](\1.html\2)", text)) for text in parts[::2]]
    return {**cell, "source": "".join(parts)}


def _mathml(match: re.Match) -> str:
    block = match["block"]
    return to_mathml(block or match["inline"], display="block" if block else "inline")


def _without_outside(body: str) -> str:
    body = OUTSIDE.sub("", body)
    return re.sub(
        r"<script[^>]*>(?:(?!</script>).)*?(?:mathjax|MathJax|require\.min|mermaid)(?:(?!</script>).)*?</script>",
        "",
        body,
        flags=re.S,
    )
