"""The three pictures of README.md, taken from the stored outputs of the notebooks: python tools/cards.py"""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 420

#: Notebook -> a phrase in the alternative text of the figure that stands for it.
FIGURES = {"01": "boxes round the eyes", "02": "outlines of both lungs", "03": "Twenty dots for each"}


def stored_figures(notebook: Path) -> list[tuple[str, bytes]]:
    """(alternative text, picture bytes) of all figures stored in a notebook."""
    outputs = [output for cell in nbformat.read(notebook, 4).cells for output in cell.get("outputs", [])]
    return [
        (output.metadata[mime]["alt"], base64.b64decode(data))
        for output in outputs
        for mime, data in output.get("data", {}).items()
        if mime.startswith("image/")
    ]


def main() -> None:
    folder = ROOT / "docs" / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    for number, phrase in FIGURES.items():
        (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
        data = next((data for alt, data in stored_figures(path) if phrase in alt), None)
        if data is None:
            raise SystemExit(f"{path.name} holds no figure whose alternative text says {phrase!r}; see FIGURES here.")
        picture = Image.open(BytesIO(data)).convert("RGB")
        picture.thumbnail((WIDTH, WIDTH))
        picture.save(folder / f"{number}.jpg", quality=88, optimize=True)


if __name__ == "__main__":
    main()
