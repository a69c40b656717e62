"""Cat or dog? The shipped small network on pictures and on folders of pictures.

    >>> dog_probability(["milou.jpg", "garfield.jpg"])           # doctest: +SKIP
    array([0.98, 0.03])

A picture goes in whole: it is squashed to 96 x 96 pixels as the training pictures were, never cropped. The network sees
it and its mirror image and the two answers are averaged. It knows cats and dogs only and will call a cup of coffee one
of them: `neither` says which pictures are unlike everything it was trained on.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from helpers.folders import FolderError, Skipped, list_classes, list_pictures, need_every_class, told
from helpers.images import ImageError, ImageNote, read_image
from helpers.pets_neither import strangeness
from helpers.pets_network import SIDE, WIDTHS, forward, shipped

Picture = str | os.PathLike | np.ndarray
BATCH = 32


class Answer(NamedTuple):
    """What the network says of n pictures, in input order.

    `dog`: probability of dog (n,), 0..1, that of cat is the rest; `strangeness` (n,): how unlike the cats and dogs it
    was trained on, above 1 is "neither"; `features` (n, WIDTHS[-1]).
    """

    dog: np.ndarray
    strangeness: np.ndarray
    features: np.ndarray


def squash(picture: Picture) -> np.ndarray:
    """A picture file or RGB array (h, w, 3) as uint8 (96, 96, 3): the whole picture, areas averaged.

    Arrays hold 0..255. Raises ImageError for an unreadable file, another shape, or values that are not finite, out of
    range or already divided by 255.
    """
    rgb = picture if isinstance(picture, np.ndarray) else read_image(picture)
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.size == 0:
        raise ImageError(f"A picture is an array (height, width, 3) in RGB; this one has the shape {rgb.shape}.")
    if rgb.dtype != np.uint8:
        values = rgb.astype(np.float32)
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 255 or 0 < values.max() <= 1:
            raise ImageError("Pictures go in raw, as RGB values from 0 to 255; multiply by 255 if yours end at 1.")
        rgb = np.rint(values).astype(np.uint8)
    if rgb.shape[:2] == (SIDE, SIDE):
        return rgb
    return cv2.resize(np.ascontiguousarray(rgb), (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def ask(paths_or_images: Picture | Sequence[Picture]) -> Answer:
    """The network's full answer on files or RGB arrays; one picture counts as a list of one.

    Pictures are read and answered in batches, so ten thousand files need no more memory than a hundred (their features
    take 1.3 kB each). Raises ImageError for the first picture that cannot be read.
    """
    parts = [_answer(np.stack(batch)) for batch in batches(_as_list(paths_or_images))]
    if not parts:
        return Answer(np.empty(0), np.empty(0), np.empty((0, WIDTHS[-1])))
    return Answer(*(np.concatenate(column) for column in zip(*parts)))


def dog_probability(paths_or_images: Picture | Sequence[Picture]) -> np.ndarray:
    """Probability of dog for each picture, float (n,) in input order; below 0.5 is cat.

    Takes one path or RGB array or a sequence of them. Calibrated: of pictures given 0.9 about nine in ten are dogs.
    It answers for any picture; see `neither`. Raises ImageError for a file that cannot be read.
    """
    return ask(paths_or_images).dog


def neither(paths_or_images: Picture | Sequence[Picture]) -> np.ndarray:
    """Which pictures look like neither cat nor dog to the network, bool (n,).

    How it decides is told in `helpers.pets_neither`. The limit lets 95 % of cats and dogs pass that were never trained
    on: so one real pet in twenty is refused, while pictures with faces or fur pass often. A safety net with holes, not
    a third class; what it catches stands on the card beside the weights.
    """
    return ask(paths_or_images).strangeness > 1


@dataclass(frozen=True)
class FolderAnswer:
    """The network's answer on a folder: one entry per readable picture, in the order of `files`.

    `labels` 0 cat, 1 dog (-1 in a folder without classes); `dog` and `neither` as of the functions; `skipped` names
    the files left out and why.
    """

    files: list[Path]
    labels: np.ndarray
    dog: np.ndarray
    neither: np.ndarray
    features: np.ndarray
    skipped: list[Skipped]

    def __str__(self) -> str:
        text = f"{len(self.files)} pictures ({np.sum(self.labels == 0)} cats, {np.sum(self.labels == 1)} dogs)"
        if (self.labels < 0).any():
            text = f"{len(self.files)} pictures without classes"
        return text + told(self.skipped)

    @property
    def accuracy(self) -> float:
        """Share of right answers at 0.5."""
        return float(np.mean((self.dog > 0.5) == (self.labels == 1)))


def ask_folder(folder: str | os.PathLike, labelled: bool = True) -> FolderAnswer:
    """The answer on a folder with one folder for cats and one for dogs, or (`labelled=False`) on any folder.

    The class folders' names begin with cat or dog in any case (cats, Dog, dogs_2024). Unreadable files are named,
    skipped and counted. Raises FolderError for a missing or empty folder, other classes, or a single one.
    """
    listing = list_classes(folder) if labelled else list_pictures(folder)
    labels = _cats_and_dogs(listing.class_names, listing.labels, Path(folder)) if labelled else listing.labels
    skipped, kept, parts = list(listing.skipped), [], []
    for batch in batches(listing.files, skipped, kept):
        parts.append(_answer(np.stack(batch)))
    if not parts:
        raise FolderError(f"No picture in {Path(folder).name!r} could be read; the first: {skipped[0].reason}")
    need_every_class(listing.labels[kept], listing.class_names)
    dog, strangeness, features = (np.concatenate(column) for column in zip(*parts))
    return FolderAnswer([listing.files[i] for i in kept], labels[kept], dog, strangeness > 1, features, skipped)


def _cats_and_dogs(names: list[str], labels: np.ndarray, folder: Path) -> np.ndarray:
    kinds = [[k for k, word in enumerate(("cat", "dog")) if name.casefold().startswith(word)] for name in names]
    if any(len(kind) != 1 for kind in kinds):
        raise FolderError(
            f"The folders of {folder.name!r} are {', '.join(names)}: this network knows cats and dogs only. Name the "
            "two folders cats and dogs, or train a new last layer for your classes (helpers.pets_head.fit_head)."
        )
    numbers = np.array([kind[0] for kind in kinds])[labels]
    if len(set(numbers)) < 2:
        raise FolderError(f"{folder.name!r} holds {names[0]} only: put the other animal beside it, in a second folder.")
    return numbers


class Extremes(NamedTuple):
    """Indices of pictures, the most extreme first."""

    right: np.ndarray
    wrong: np.ndarray
    uncertain: np.ndarray


def extremes(dog: np.ndarray, labels: np.ndarray, count: int = 4) -> Extremes:
    """The pictures that are most right, most wrong and most uncertain: at most `count` indices each.

    `dog` (n,) are probabilities, `labels` (n,) 0 cat or 1 dog. Wrong ones may be fewer than `count`, or none.
    """
    dog, labels = np.asarray(dog, float), np.asarray(labels)
    given_to_truth = np.where(labels == 1, dog, 1 - dog)
    right, wrong = (np.flatnonzero(mask) for mask in (given_to_truth > 0.5, given_to_truth <= 0.5))
    return Extremes(
        right[np.argsort(-given_to_truth[right], kind="stable")][:count],
        wrong[np.argsort(given_to_truth[wrong], kind="stable")][:count],
        np.argsort(np.abs(dog - 0.5), kind="stable")[:count],
    )


def _as_list(pictures: Picture | Sequence[Picture]) -> Sequence[Picture]:
    if isinstance(pictures, (str, os.PathLike)) or (isinstance(pictures, np.ndarray) and pictures.ndim == 3):
        return [pictures]
    return pictures if isinstance(pictures, np.ndarray) else list(pictures)


def _answer(pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """uint8 (b, 96, 96, 3) -> dog, strangeness, features; picture and mirror image averaged."""
    stored = shipped()
    seen = [forward()(side) for side in (pictures, np.ascontiguousarray(pictures[:, :, ::-1]))]
    texture, features, logits = (np.mean(pair, axis=0) for pair in zip(*seen))
    dog = 1 / (1 + np.exp((logits[:, 0] - logits[:, 1]).astype(float) / stored.temperature))
    return dog, strangeness(texture, features, logits, stored.reference), features


def batches(
    pictures: Sequence[Picture], skipped: list[Skipped] | None = None, kept: list[int] | None = None
) -> Iterator[list[np.ndarray]]:
    """Squashed pictures in batches; the next batch is decoded while the caller works on this one.

    With `skipped` a file that cannot be read is noted there and left out; `kept` collects the indices of the others.
    """

    def read(picture: Picture) -> np.ndarray | ImageError:
        try:
            return squash(picture)
        except ImageError as error:
            return error

    with warnings.catch_warnings(), ThreadPoolExecutor(2) as pool:
        warnings.simplefilter("ignore", ImageNote)  # transparency and the like, not 10,000 times
        starts = range(0, len(pictures), BATCH)
        chunks = ([pool.submit(read, picture) for picture in pictures[start : start + BATCH]] for start in starts)
        following = next(chunks, None)
        for start in starts:
            current, following = following, next(chunks, None)
            batch = []
            for index, future in enumerate(current, start):
                result = future.result()
                if isinstance(result, np.ndarray):
                    batch.append(result)
                    if kept is not None:
                        kept.append(index)
                elif skipped is None:
                    pool.shutdown(cancel_futures=True)
                    raise result
                else:
                    skipped.append(Skipped("/".join(Path(pictures[index]).parts[-2:]), str(result)))
            if batch:
                yield batch
