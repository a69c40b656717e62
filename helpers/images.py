"""A picture file becomes an RGB array, whatever kind of file it was.

The one rule of the course: an image is `uint8`, shape `(height, width, 3)`, channels in the order red, green, blue,
the first row at the top as a person would hold the picture. Files come in many other kinds (rotated by a camera flag,
grey, transparent, for print, 16 bits deep, animated); `read_image` brings them all to that one form. Where something
is lost on the way it says so with an `ImageNote`, a Python warning that names the file and the loss; `describe_image`
lists the same remarks without warning. What cannot be read is refused with an `ImageError` of one or two sentences,
never with an empty array.

    >>> rgb = read_image("holiday.jpg")           # doctest: +SKIP
    >>> describe_image("scan16.png").notes        # doctest: +SKIP
    ('16 bits per channel: ...',)

To silence the remarks in a long loop: `warnings.simplefilter("ignore", ImageNote)`.
"""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from helpers._picture_kinds import PILLOW_FORMATS, what_is_it

MAX_PIXELS = 178_956_970
"""Larger pictures are refused before any pixel is decoded: it is Pillow's own limit, 0.5 GB as RGB, 13,377 x 13,377."""


class ImageError(ValueError):
    """A picture file that cannot be read; the message names the file and the remedy."""


class ImageNote(UserWarning):
    """What was lost or chosen while a picture was read: 16 bits made 8, transparency filled, one frame of many."""


@dataclass(frozen=True)
class ImageInfo:
    """What a picture file holds and what `read_image` does to it.

    `height` and `width` are those of the array that `read_image` returns (after the camera's rotation flag), in
    pixels; `mode` is Pillow's name of the stored pixel kind ("L" grey, "P" palette, "CMYK", "I;16" ...), `bits` the
    stored bits per channel, `frames` the number of pictures in the file, `orientation` the EXIF flag 1..8 (1: stored
    upright), `notes` the remarks as sentences.
    """

    name: str
    format: str
    height: int
    width: int
    mode: str
    bits: int
    frames: int
    orientation: int
    notes: tuple[str, ...]


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Read a picture file as `uint8` array (height, width, 3), channels red, green, blue.

    Reads JPEG, PNG, GIF, TIFF, WebP, BMP, PPM, JPEG 2000 and AVIF. Turns the picture upright by its EXIF orientation
    flag (Exif 2.32, tag 0x0112); repeats grey in three channels; expands palettes; converts CMYK and other colour
    kinds without a colour profile. These emit an `ImageNote`: 16 bits per channel (only the upper 8 are kept), 32-bit
    and floating-point grey levels (rescaled), transparency (laid on white), several frames or pages (the first is
    taken).

    Raises `ImageError` for a file that is missing, a folder, empty, no picture, damaged, or larger than `MAX_PIXELS`.
    """
    rgb, info = _read(path)
    for note in info.notes:
        warnings.warn(f"{info.name}: {note}", ImageNote, stacklevel=2)
    return rgb


def describe_image(path: str | os.PathLike) -> ImageInfo:
    """What the picture file holds, and in `.notes` what `read_image` would say about it. It may raise `ImageError`."""
    return _read(path)[1]


def shrink(rgb: np.ndarray, longest: int = 1024) -> np.ndarray:
    """The `uint8` picture with its longer side at most `longest` pixels; areas are averaged, nothing is enlarged."""
    height, width = rgb.shape[:2]
    if max(height, width) <= longest:
        return rgb
    scale = longest / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BOX))


def _read(path: str | os.PathLike) -> tuple[np.ndarray, ImageInfo]:
    path = _checked(path)
    with path.open("rb") as file:
        picture = _open(file, path.name)
        mode, bits, frames = picture.mode, _bits(picture, file), getattr(picture, "n_frames", 1)
        flag = _orientation(picture)
        _load(picture, path.name)
        flag = max(flag, _orientation(picture))  # some PNG files carry the flag behind the pixels
        notes = _frame_notes(picture, frames)
        rgb, more = _to_rgb(picture, path.name, bits)
    height, width = rgb.shape[:2]
    info = ImageInfo(path.name, picture.format, height, width, mode, bits, frames, flag, (*notes, *more))
    return rgb, info


def _checked(path: str | os.PathLike) -> Path:
    if not isinstance(path, (str, os.PathLike)):
        raise ImageError(f"read_image wants the path of a file, not {type(path).__name__}.")
    if str(path).lower().startswith(("http://", "https://")):
        raise ImageError("This is an address on the web; save the picture and give the path of the saved file.")
    path = Path(path).expanduser()
    try:
        if path.is_dir():
            raise ImageError(f"'{path.name}' is a folder; give the path of one picture in it.")
        if not path.exists():
            raise ImageError(f"There is no file '{path}'. Check the spelling and the folder you started from.")
        if not path.is_file():
            raise ImageError(f"'{path.name}' is no ordinary file; give the path of a picture.")
        if path.stat().st_size == 0:
            raise ImageError(f"'{path.name}' is empty (0 bytes); copy or download it again.")
        with path.open("rb"):
            return path
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        if isinstance(error, ImageError):
            raise
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise ImageError(
            f"'{path.name}' cannot be opened ({reason}); check the path and the file's permissions."
        ) from None


def _open(file, name: str) -> Image.Image:
    """Read the header only, and look at the size before any pixel is decoded."""
    other = what_is_it(file.read(512), name)
    if other:
        raise ImageError(f"'{name}' is {other}")
    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit follows below
            Image.init()
            picture = Image.open(file, formats=[kind for kind in PILLOW_FORMATS if kind in Image.OPEN])
    except Image.DecompressionBombError:
        raise ImageError(_too_large(name)) from None
    except Image.UnidentifiedImageError:
        raise ImageError(
            f"'{name}' is not a picture that can be read here, or its beginning is damaged; "
            "open it in a picture viewer and save it as PNG or JPEG."
        ) from None
    except Exception as error:
        raise ImageError(_damaged(name, error)) from None
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise ImageError(_too_large(name, width, height))
    if not width or not height:
        raise ImageError(f"'{name}' states a size of {width} x {height} pixels; the file is damaged.")
    return picture


def _load(picture: Image.Image, name: str) -> None:
    try:
        picture.load()
    except (
        Exception
    ) as error:  # decoders raise many kinds: OSError, SyntaxError, struct.error, EOFError, ValueError ...
        raise ImageError(_damaged(name, error)) from None


def _damaged(name: str, error: Exception) -> str:
    reason = str(error).strip().rstrip(".").split("\n")[0] or type(error).__name__
    return f"'{name}' is damaged or cut short ({reason}); copy or download it again."


def _too_large(name: str, width: int | None = None, height: int | None = None) -> str:
    size = f"claims {width} x {height} pixels, more than" if width else "claims far more than"
    limit = f"{MAX_PIXELS / 1e6:.0f} million"
    return f"'{name}' {size} the {limit} that are read here; make it smaller with a picture viewer first."


def _bits(picture: Image.Image, file) -> int:
    """Stored bits per channel. Pillow hands 16-bit colour out as 8 bits without a word, so the file itself is asked."""
    if picture.format == "PNG":
        place = file.tell()
        file.seek(24)
        bits = file.read(1)[0]
        file.seek(place)
        return bits
    if picture.format == "TIFF":
        stated = picture.tag_v2.get(258, 1)
        return int(max(stated) if isinstance(stated, tuple) else stated)
    if picture.format == "PPM" and picture.mode == "I":
        return 16  # Pillow stretches any depth over 8 bits to 0..65535
    return {"1": 1, "I": 32, "F": 32}.get(picture.mode, 16 if picture.mode.startswith("I;16") else 8)


def _orientation(picture: Image.Image) -> int:
    try:
        flag = int(picture.getexif().get(0x0112, 1))
    except Exception:  # a damaged EXIF block must not cost the reader the picture
        return 1
    return flag if 1 <= flag <= 8 else 1


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        return picture


def _frame_notes(picture: Image.Image, frames: int) -> tuple[str, ...]:
    if frames < 2 or picture.format == "MPO":  # MPO: a camera's JPEG with a preview or depth map behind it
        return ()
    kind = "pages" if picture.format == "TIFF" else "frames of an animation"
    return (f"holds {frames} {kind}; only the first is read.",)


def _to_rgb(picture: Image.Image, name: str, bits: int) -> tuple[np.ndarray, tuple[str, ...]]:
    picture = _upright(picture)
    if picture.mode == "F" or picture.mode == "I" or picture.mode.startswith("I;16"):
        grey, note = _deep_grey(np.asarray(picture), name, bits)
        return np.repeat(grey[..., None], 3, axis=2), (note,)
    notes = ()
    if bits == 16:
        notes += ("16 bits per channel: the upper 8 are kept, 256 steps of the 65,536.",)
    if bits == 32:
        raise ImageError(f"'{name}' has 32 bits per channel; save it with 8 or 16 bits per channel.")
    try:
        if picture.has_transparency_data:
            rgba = picture.convert("RGBA")
            if rgba.getchannel("A").getextrema()[0] < 255:
                notes += ("has transparent parts: they are laid on white.",)
            picture = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
        return np.array(picture.convert("RGB")), notes
    except (ValueError, OSError, KeyError):
        raise ImageError(f"'{name}' has the colour kind {picture.mode}; save it as RGB or grey.") from None


def _deep_grey(values: np.ndarray, name: str, bits: int) -> tuple[np.ndarray, str]:
    """Grey levels of 16 or 32 bits or floating point -> `uint8` of the same shape, and the sentence that says how."""
    if values.dtype.kind == "f":
        return _float_grey(values, name)
    low, high = int(values.min()), int(values.max())
    if bits == 16 and low >= 0 and high <= 65535:
        note = "16 bits per grey level: the upper 8 are kept, 256 steps of the 65,536."
        if 0 < high < 4096:
            note += f" Its largest value is only {high}, so the picture comes out almost black."
        return (values.astype(np.int64) >> 8).astype(np.uint8), note
    note = f"{bits} bits per grey level: {low}..{high} was rescaled to 0..255."
    return _stretch(values.astype(float), low, high), note


def _float_grey(values: np.ndarray, name: str) -> tuple[np.ndarray, str]:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise ImageError(f"'{name}' holds no finite grey level; nothing can be shown of it.")
    low, high = float(finite.min()), float(finite.max())
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0  # the convention of floating-point pictures
    lost = values.size - finite.size
    hole = f" {lost} pixels without a finite value became black." if lost else ""
    values = np.nan_to_num(values.astype(float), nan=low, posinf=low, neginf=low)
    return _stretch(values, low, high), f"floating-point grey levels: {low:g}..{high:g} was rescaled to 0..255.{hole}"


def _stretch(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.rint((values - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
