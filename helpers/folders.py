"""A folder of pictures, one sub-folder per class, becomes batches of arrays with one-hot labels.

Nothing is guessed in silence: files that are no pictures or cannot be read are named, skipped and counted; an empty
class, a missing level of folders or a level too many ends in a `FolderError` that says what to do. Pictures are decoded
batch by batch, so ten thousand of them need no more memory than ten.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from helpers.images import ImageError, ImageNote, read_image

SUFFIXES = {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jp2", ".avif"}
SUFFIXES |= {".heic", ".heif"}  # not read, but pictures: each is named with the remedy
# What file managers, zip programs and notebooks leave behind: neither pictures nor classes.
DEBRIS = {"thumbs.db", "desktop.ini", "__macosx", "__pycache__"}


class FolderError(ValueError):
    """A folder does not hold pictures in the expected layout; the message names it and the remedy."""


class Skipped(NamedTuple):
    """A file that was left out, and why."""

    file: str
    reason: str


def told(skipped: list[Skipped], at_most: int = 5) -> str:
    """The files left out in words, to go behind a count of those that were kept; empty when there are none."""
    if not skipped:
        return ""
    names = [f"{one.file} ({one.reason})" for one in skipped[:at_most]]
    more = [f"and {len(skipped) - at_most} more"] if len(skipped) > at_most else []
    count = "1 file" if len(skipped) == 1 else f"{len(skipped)} files"
    return f"; {count} skipped: {', '.join([*names, *more])}"


class Listing(NamedTuple):
    """Picture files in order, their class numbers (-1: unlabelled), the class names and the files left out."""

    files: list[Path]
    labels: np.ndarray
    class_names: list[str]
    skipped: list[Skipped]


def _visible(folder: Path) -> list[Path]:
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(entry for entry in entries if entry.name.casefold() not in DEBRIS)


def _files_below(folder: Path) -> Iterator[Path]:
    for entry in _visible(folder):
        if entry.is_dir():
            yield from _files_below(entry)
        else:
            yield entry


def _sort_files(files: Iterable[Path], base: Path) -> tuple[list[Path], list[Skipped]]:
    """Split files into pictures and others; only the header of each file is looked at, so this is quick."""
    good, skipped = [], []
    for file in files:
        name = file.relative_to(base).as_posix()
        if file.suffix.casefold() not in SUFFIXES:
            skipped.append(Skipped(name, "not a picture by its name"))
            continue
        try:
            with warnings.catch_warnings(action="ignore"), Image.open(file):
                good.append(file)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            skipped.append(Skipped(name, _reason(file)))
    return good, skipped


def _reason(file: Path) -> str:
    """Why a file that could not be opened is no picture, in the words of `read_image`."""
    try:
        file.stat()
        read_image(file)
    except FileNotFoundError:
        return "a link to a file that is not there"
    except PermissionError:
        return "it may not be read: its folder or the place it links to is closed to you"
    except ImageError as error:
        return str(error)
    return "no picture inside, or a damaged one"


def _existing(folder: str | Path) -> Path:
    path = Path(folder).expanduser()
    if not path.is_dir():
        kind = "is a file" if path.is_file() else "does not exist"
        raise FolderError(f"{path.name!r} {kind}: give a folder that holds one folder of pictures per class.")
    return path


def list_classes(folder: str | Path) -> Listing:
    """List a folder that holds one folder per class; class names are the folder names in alphabetical order.

    Pictures lying deeper inside a class folder belong to that class. Raises `FolderError` for a missing folder, no
    class folders, a class without any readable picture, or one level of folders too many (train/ and validation/).
    """
    path = _existing(folder)
    classes = [entry for entry in _visible(path) if entry.is_dir()]
    if not classes:
        raise FolderError(
            f"{path.name!r} holds no class folders: put the pictures of each class into a folder of its own, "
            f"such as {path.name}/cats and {path.name}/dogs."
        )
    _refuse_one_level_too_many(path, classes)
    files, labels, skipped = [], [], []
    loose = [Skipped(entry.name, "lies outside the class folders") for entry in _visible(path) if entry.is_file()]
    for number, entry in enumerate(classes):
        good, bad = _sort_files(_files_below(entry), path)
        if not good:
            tail = f" ({len(bad)} files there are no readable pictures)" if bad else " (it is empty)"
            raise FolderError(
                f"The class folder {path.name}/{entry.name} holds no readable picture{tail}: fill it or remove it."
            )
        files += good
        labels += [number] * len(good)
        skipped += bad
    return Listing(files, np.array(labels, int), [entry.name for entry in classes], skipped + loose)


def _refuse_one_level_too_many(path: Path, classes: list[Path]) -> None:
    inner = {entry.name: [e for e in _visible(entry) if e.is_dir()] for entry in classes}
    direct = any(e.is_file() and e.suffix.casefold() in SUFFIXES for entry in classes for e in _visible(entry))
    if not direct and all(len(folders) >= 2 for folders in inner.values()):
        choices = " or ".join(f"{path.name}/{name}" for name in list(inner)[:3])
        below = ", ".join(folder.name for folder in next(iter(inner.values()))[:3])
        raise FolderError(
            f"{path.name!r} is a folder of folders of folders: {choices} hold folders themselves ({below} ...). "
            f"Give one of them, {choices}, instead."
        )


def list_pictures(folder: str | Path) -> Listing:
    """List all pictures below a folder in alphabetical order, without labels (every label is -1).

    Raises `FolderError` when there is none.
    """
    path = _existing(folder)
    files, skipped = _sort_files(_files_below(path), path)
    if not files:
        raise FolderError(f"{path.name!r} holds no readable picture ({len(skipped)} other files): check the folder.")
    return Listing(files, np.full(len(files), -1), [], skipped)


def need_every_class(labels: np.ndarray, class_names: Sequence[str]) -> None:
    """Raise `FolderError` when a class has no picture left among those that could be read (their class numbers)."""
    for number, name in enumerate(class_names):
        if number not in labels:
            raise FolderError(f"No picture in the class folder {name} could be read: fill it or remove it.")


def one_hot(labels: Sequence[int] | np.ndarray, classes: int) -> np.ndarray:
    """Class numbers (n,) -> float32 (n, classes) with a single 1 per row."""
    return np.eye(classes, dtype=np.float32)[np.asarray(labels, int)]


def load_square(source: str | Path | np.ndarray, size: int = 224) -> np.ndarray:
    """A picture file or RGB array (h, w, 3) as float32 (size, size, 3), values 0..255, squashed to a square.

    Files of every mode become RGB. Arrays must hold 0..255; those of the right size pass through unchanged.
    Raises `ImageError` for an unreadable file, another shape, values that are not finite, negative, above 255 or
    already divided by 255.
    """
    if not isinstance(source, np.ndarray):
        return _resized(read_image(source), size)
    if source.ndim != 3 or source.shape[-1] != 3:
        raise ImageError(f"A picture is an array (height, width, 3) in RGB; this one has the shape {source.shape}.")
    if source.dtype == np.uint8:
        return _resized(source, size)
    values = source.astype(np.float32)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255:
        raise ImageError("Pictures go in raw, as RGB values from 0 to 255: do not subtract means or scale beforehand.")
    if 0 < values.max() <= 1:
        raise ImageError("These values lie between 0 and 1: multiply by 255, the network takes raw values 0 to 255.")
    return values if values.shape[:2] == (size, size) else _resized(np.rint(values).astype(np.uint8), size)


def _resized(rgb: np.ndarray, size: int) -> np.ndarray:
    if rgb.shape[:2] != (size, size):
        rgb = np.asarray(Image.fromarray(rgb).resize((size, size), Image.Resampling.BILINEAR, reducing_gap=3.0))
    return rgb.astype(np.float32)


def picture_key(source: str | Path | np.ndarray) -> str:
    """SHA-256 of a file's bytes, or of an array's values and shape: equal pictures have equal keys."""
    if isinstance(source, np.ndarray):
        head = f"{source.shape}{source.dtype}".encode()
        return sha256(head + np.ascontiguousarray(source).tobytes()).hexdigest()
    try:
        return sha256(Path(source).read_bytes()).hexdigest()
    except OSError as error:
        raise ImageError(f"{Path(source).name} cannot be read: {error.strerror or 'no such file'}.") from error


@dataclass
class Batches:
    """Pictures of one folder in batches; iterate over it once per epoch, as often as wanted.

    Each step gives float32 pictures (b, size, size, 3) in raw RGB 0..255 and one-hot labels (b, classes), or pictures
    alone when there are no classes. With `shuffle` every pass has another order, the same for the same `seed`.
    A file that fails while it is decoded is added to `skipped` and left out of its batch.
    """

    files: list[Path]
    labels: np.ndarray
    class_names: list[str]
    batch_size: int = 8
    shuffle: bool = True
    seed: int = 0
    size: int = 224
    skipped: list[Skipped] = field(default_factory=list)
    passes: int = 0

    @property
    def n(self) -> int:
        """Number of pictures."""
        return len(self.files)

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __str__(self) -> str:
        gone = {entry.file for entry in self.skipped}  # a file can fail late, when it is decoded
        labels = self.labels[[self._name(k) not in gone for k in range(self.n)]]
        counts = ", ".join(f"{name} {int(np.sum(labels == k))}" for k, name in enumerate(self.class_names))
        text = f"{len(labels)} pictures"
        return text + (f" of {len(self.class_names)} classes ({counts})" if counts else "") + told(self.skipped)

    def _name(self, index: int) -> str:
        return "/".join(self.files[index].parts[-2 if self.class_names else -1 :])

    def order(self) -> np.ndarray:
        """The order of the next pass as indices (n,)."""
        if not self.shuffle:
            return np.arange(self.n)
        return np.random.default_rng((self.seed, self.passes)).permutation(self.n)

    def some(self, count: int) -> Batches:
        """At most `count` of the pictures, the classes in turn, in the same order each time; for a quick look."""
        place = np.empty(self.n)
        for label in np.unique(self.labels):
            rows = np.flatnonzero(self.labels == label)
            place[rows] = np.random.default_rng((self.seed, int(label) + 1)).permutation(len(rows))
        keep = np.sort(np.lexsort((self.labels, place))[:count])
        return replace(self, files=[self.files[k] for k in keep], labels=self.labels[keep], skipped=[*self.skipped])

    def skip(self, index: int, reason: str) -> None:
        """Note once that file number `index` was left out."""
        entry = Skipped(self._name(index), reason)
        if entry not in self.skipped:
            self.skipped.append(entry)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray] | np.ndarray]:
        order = self.order()
        self.passes += 1
        for start in range(0, self.n, self.batch_size):
            pictures, labels = self._load(order[start : start + self.batch_size])
            if pictures:
                stack = np.stack(pictures)
                yield (stack, one_hot(labels, len(self.class_names))) if self.class_names else stack

    def _load(self, indices: np.ndarray) -> tuple[list[np.ndarray], list[int]]:
        pictures, labels = [], []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImageNote)
            for index in indices:
                try:
                    pictures.append(load_square(self.files[index], self.size))
                    labels.append(self.labels[index])
                except ImageError as error:
                    self.skip(index, str(error))
        return pictures, labels


def get_batches(
    folder: str | Path,
    batch_size: int = 8,
    shuffle: bool = True,
    seed: int = 0,
    class_mode: str | None = "categorical",
    size: int = 224,
) -> Batches:
    """Batches of a folder with one folder per class (`class_mode="categorical"`) or of an unlabelled one (None)."""
    if class_mode not in ("categorical", None):
        raise ValueError(f"class_mode is {class_mode!r}; choose 'categorical' (one-hot labels) or None (no labels).")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; it must be at least 1.")
    listing = list_classes(folder) if class_mode else list_pictures(folder)
    return Batches(listing.files, listing.labels, listing.class_names, batch_size, shuffle, seed, size, listing.skipped)


def train_and_validation(folder: str | Path) -> tuple[Path, Path | None]:
    """The part of a picture set to learn from and the part to be judged on, or the folder itself and None.

    Recognised are sub-folders named train and validation, valid, val or test (as in cats_and_dogs_filtered).
    """
    path = _existing(folder)
    inner = {entry.name.casefold(): entry for entry in _visible(path) if entry.is_dir()}
    others = [inner[name] for name in ("validation", "valid", "val", "test") if name in inner]
    return (inner["train"], others[0]) if "train" in inner and others else (path, None)
