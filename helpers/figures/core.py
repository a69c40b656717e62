"""How every figure reaches the reader: one style, one size of file, and always an alternative text."""

from __future__ import annotations

from importlib.resources import files
from io import BytesIO

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure
from PIL import Image

#: Colours that stay apart for colour-blind readers (Okabe & Ito 2008), in the order in which lines use them.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442"]


def style() -> None:
    """Apply the look of the course to all figures made from now on (importing this module does it once)."""
    plt.style.use(str(files("helpers.figures") / "course.mplstyle"))


def show(figure: Figure, alt: str, kind: str = "png") -> None:
    """Put a figure into the notebook with its alternative text, then forget the figure.

    `alt` says in a sentence or two what is to be seen, for readers who cannot see it. `kind` is "png" for plots or
    "jpeg" for photographs (five times smaller). The bytes hold no time stamp: the same figure gives the same file.
    """
    mime, data = encode(figure, kind)
    present(data, mime, alt)
    plt.close(figure)


def encode(figure: Figure, kind: str = "png") -> tuple[str, bytes]:
    """The figure as (MIME type, bytes); PNG with a palette of 256 colours, enough for a plot."""
    if kind not in ("png", "jpeg"):
        raise ValueError(f"kind is {kind!r}; choose 'png' for plots or 'jpeg' for photographs.")
    canvas = BytesIO()
    figure.savefig(canvas, format="png", metadata={"Software": None})
    picture = Image.open(canvas).convert("RGB")
    out = BytesIO()
    if kind == "jpeg":
        picture.save(out, format="jpeg", quality=85, optimize=True)
    else:
        picture.quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
            out, "png", optimize=True
        )
    return f"image/{kind}", out.getvalue()


def present(data: bytes, mime: str, alt: str) -> None:
    """Display encoded picture bytes (PNG, JPEG, GIF) with alternative text in the output's metadata."""
    if len(alt.strip()) < 20:
        raise ValueError("A figure needs an alternative text: a sentence that tells what is to be seen.")
    display({mime: data, "text/plain": f"<figure: {alt}>"}, metadata={mime: {"alt": alt}}, raw=True)


style()
