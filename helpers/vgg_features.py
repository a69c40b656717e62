"""Features of pictures, computed once: a cache keyed by picture and network, and the pipeline around it.

The expensive part of transfer learning is one forward pass per picture (31 GFLOP for VGG16). Its result never changes,
so it is stored; decoding and resizing of the next pictures happens in threads while the network works.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import numpy as np

from helpers.folders import load_square, picture_key
from helpers.images import ImageError, ImageNote

Picture = str | Path | np.ndarray
Progress = bool | Callable[[int, int], None] | None


class Features(NamedTuple):
    """Feature vectors and what became of each picture.

    `values`: float32 (k, d), one row per readable picture in input order; `kept`: their positions in the input (k,);
    `failed`: (position, reason) of unreadable ones; `computed`: how many rows needed the network (the rest was cached).
    """

    values: np.ndarray
    kept: np.ndarray
    failed: list[tuple[int, str]]
    computed: int


class FeatureCache:
    """Feature vectors by key: in memory always, and in a folder (one small file each) when one is given.

    Files are written under another name and renamed, so a stopped run leaves no half file; a file that cannot be read
    or has the wrong length counts as absent.
    """

    def __init__(self, folder: str | Path | None, model: str, length: int) -> None:
        self.folder = None if folder is None else Path(folder).expanduser() / model
        self.length = length
        self._memory: dict[str, np.ndarray] = {}

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.npy"

    def get(self, key: str) -> np.ndarray | None:
        """The stored vector (d,) or None."""
        if key in self._memory or self.folder is None:
            return self._memory.get(key)
        try:
            values = np.load(self._file(key), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if values.shape != (self.length,) or not np.isfinite(values).all():
            return None
        return self._memory.setdefault(key, values.astype(np.float32))

    def put(self, key: str, values: np.ndarray) -> None:
        """Store a vector (d,)."""
        self._memory[key] = np.array(values, np.float32)
        if self.folder is not None:
            write_atomically(self._file(key), lambda stream: np.save(stream, self._memory[key]))

    def __len__(self) -> int:
        return len(self._memory)


def write_atomically(path: Path, write: Callable) -> None:
    """Call `write(binary stream)` on a temporary file beside `path`, then rename it: whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid4().hex[:12]}.part")
    try:
        with part.open("xb") as stream:
            write(stream)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class _Prepared(NamedTuple):
    position: int
    key: str = ""
    stored: np.ndarray | None = None
    pixels: np.ndarray | None = None
    error: str = ""


def _prepare(position: int, picture: Picture, cache: FeatureCache, size: int, mirror: bool) -> _Prepared:
    try:
        key = picture_key(picture) + ("-mirrored" if mirror else "")
        stored = cache.get(key)
        if stored is not None:
            return _Prepared(position, key, stored)
        pixels = load_square(picture, size)
        return _Prepared(position, key, pixels=pixels[:, ::-1] if mirror else pixels)
    except ImageError as error:
        return _Prepared(position, error=str(error))


def _prefetched(pictures: Sequence[Picture], task: Callable, ahead: int, workers: int) -> Iterator[_Prepared]:
    """Run `task(position, picture)` in threads, at most `ahead` pictures early: memory stays bounded."""
    with ThreadPoolExecutor(workers) as pool:
        queue: deque[Future] = deque()
        for position, picture in enumerate(pictures):
            queue.append(pool.submit(task, position, picture))
            if len(queue) >= ahead:
                yield queue.popleft().result()
        while queue:
            yield queue.popleft().result()


def reporter(progress: Progress, total: int, what: str) -> Callable[[int, int], None]:
    """`progress` as a function (done, total): a bar of tqdm for True, nothing for None, the caller's own otherwise."""
    if not progress:
        return lambda done, total: None
    if callable(progress):
        return progress
    from tqdm.auto import tqdm

    bar = tqdm(total=total, desc=what, unit="picture", leave=False)

    def advance(done: int, total: int) -> None:
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return advance


def extract(
    pictures: Sequence[Picture],
    forward: Callable[[np.ndarray], np.ndarray],
    cache: FeatureCache,
    *,
    size: int = 224,
    batch_size: int = 8,
    workers: int = 2,
    mirror: bool = False,
    progress: Progress = None,
) -> Features:
    """Features of `pictures` (files or RGB arrays); only those not in `cache` go through `forward`.

    `forward` maps float32 (b, size, size, 3), raw RGB 0..255, to (b, d). A picture that occurs twice is computed once.
    `mirror` flips left and right (its features are stored apart).
    """
    rows: dict[int, np.ndarray] = {}
    failed, computed = [], 0
    waiting: dict[str, tuple[np.ndarray, list[int]]] = {}
    report = reporter(progress, len(pictures), "features")

    def flush() -> None:
        values = forward(np.stack([pixels for pixels, _ in waiting.values()]))
        for (key, (_, positions)), row in zip(waiting.items(), np.asarray(values, np.float32)):
            cache.put(key, row)
            rows.update(dict.fromkeys(positions, cache.get(key)))
        waiting.clear()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImageNote)  # transparency and the like, not 10,000 times
        task = lambda position, picture: _prepare(position, picture, cache, size, mirror)  # noqa: E731
        for item in _prefetched(pictures, task, 2 * batch_size, workers):
            if item.error:
                failed.append((item.position, item.error))
            elif item.stored is not None:
                rows[item.position] = item.stored
            elif item.key in waiting:
                waiting[item.key][1].append(item.position)
            elif (known := cache.get(item.key)) is not None:  # computed after this picture had been decoded
                rows[item.position] = known
            else:
                waiting[item.key] = (item.pixels, [item.position])
                computed += 1
            if len(waiting) == batch_size:
                flush()
                report(item.position + 1, len(pictures))
        if waiting:
            flush()
        report(len(pictures), len(pictures))
    kept = np.array(sorted(rows), int)
    values = np.stack([rows[position] for position in kept]) if len(kept) else np.empty((0, cache.length), np.float32)
    return Features(values, kept, failed, computed)
