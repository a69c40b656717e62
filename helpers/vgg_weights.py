"""Weight files of VGG16 and VGG19: where they lie, whether they are the right ones, and their numbers, layer by layer.

Two layouts are read: the public files of keras.applications (one HDF5 group per layer, named by an attribute
`layer_names`) and what `model.save_weights("x.weights.h5")` of Keras 3 writes. Nothing here needs Keras.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from helpers.vgg_plan import weight_shapes


class WeightsError(ValueError):
    """A weight file is missing, damaged, or belongs to another network. The message names the file and the remedy."""


class OfficialFile(NamedTuple):
    """A public weight file of keras.applications (ImageNet, converted from the authors' release, CC BY 4.0)."""

    file: str
    url: str
    md5: str
    megabytes: float


_HOST = "https://storage.googleapis.com/tensorflow/keras-applications/"
# Names and MD5 sums as published in the source of keras.applications (vgg16.py, vgg19.py, imagenet_utils.py).
_TABLE = {
    ("VGG16", True): ("vgg16_weights_tf_dim_ordering_tf_kernels.h5", "64373286793e3c8b2b4e3219cbf3544b", 553.5),
    ("VGG16", False): ("vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "6d6bbae143d832006294945121d1f1fc", 58.9),
    ("VGG19", True): ("vgg19_weights_tf_dim_ordering_tf_kernels.h5", "cbe5617147190e668d6c5d5026f83318", 574.7),
    ("VGG19", False): ("vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", "253f8cb515780f3b799900260a226db6", 80.1),
}
OFFICIAL = {
    key: OfficialFile(file, f"{_HOST}{key[0].lower()}/{file}", md5, megabytes)
    for key, (file, md5, megabytes) in _TABLE.items()
}
CLASS_INDEX = "imagenet_class_index.json"


def keras_cache() -> Path:
    """The folder in which Keras keeps downloaded models (KERAS_HOME or ~/.keras, then `models`)."""
    return Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"


def digest(path: Path, kind: str = "md5") -> str:
    """Checksum of a file's bytes as hexadecimal text; `kind` is a name known to hashlib."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def how_to_get(name: str, top: bool) -> str:
    """One sentence: size, address and folder of an official file, and the command that fetches it."""
    entry = OFFICIAL[name, top]
    return (
        f"{entry.file} ({entry.megabytes:g} MB, MD5 {entry.md5}) comes from {entry.url} and belongs into Keras' folder "
        f"~/.keras/models; {name.capitalize()}(weights='imagenet', top={top}, download=True) fetches and checks it."
    )


def check_file(path: Path, name: str, checksum: str | None = "auto") -> str:
    """Say what a weight file is ("ImageNet, official file" or "own file"), or raise WeightsError if it is a wrong one.

    `checksum`: an MD5 or SHA-256 in hexadecimal that must fit; "auto" checks a file that bears an official name against
    the published MD5 and takes any other file as the reader's own; None checks nothing.
    """
    if not path.is_file():
        raise WeightsError(f"There is no weight file {path.name}. {how_to_get(name, top=False)}")
    official = {entry.file: entry.md5 for entry in OFFICIAL.values()}
    if checksum == "auto":
        checksum = official.get(path.name)
    if checksum is None:
        return "own file"
    kind = "md5" if len(checksum) == 32 else "sha256"
    found = digest(path, kind)
    if found != checksum.lower():
        raise WeightsError(
            f"{path.name} has the {kind.upper()} {found}, expected was {checksum}: the file is damaged, unfinished or "
            "another one. Fetch it again, or rename it if these are weights of your own."
        )
    return "ImageNet, official file" if checksum.lower() in official.values() else "own file, checksum right"


def find_official(name: str, top: bool | None = None, download: bool = False) -> tuple[Path, bool]:
    """Path of an official file in Keras' cache, and whether it holds the dense layers.

    `top=None` takes the whole file if it is there, else the small one (which is also what `download` then fetches).
    Raises WeightsError with size, address and command when it is absent; nothing is downloaded unless asked.
    """
    wishes = (True, False) if top is None else (top,)
    for wish in wishes:
        path = keras_cache() / OFFICIAL[name, wish].file
        if path.is_file():
            return path, wish
    if not download:
        raise WeightsError(f"The ImageNet weights of {name} are not on this machine. {how_to_get(name, wishes[-1])}")
    return _download(OFFICIAL[name, wishes[-1]]), wishes[-1]


def _download(entry: OfficialFile) -> Path:
    import pooch

    try:  # pooch writes under another name, checks the sum and renames: half a file is never taken for a whole one
        return Path(pooch.retrieve(entry.url, f"md5:{entry.md5}", entry.file, keras_cache()))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{entry.file} could not be fetched ({type(error).__name__}). Fetch {entry.url} with a browser "
            "and give its path as `weights`."
        ) from error


@contextmanager
def open_weights(path: Path, name: str) -> Iterator[dict[str, tuple[h5py.Dataset, h5py.Dataset]]]:
    """Open a weight file as layer name -> (kernel, bias), checked against the plan of network `name`.

    Yields all 13 or 16 convolutions, and the three dense layers when the file holds all of them. The arrays are HDF5
    data sets: index with [()] to read one. Raises WeightsError for another network, another shape or a damaged file.
    """
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise WeightsError(f"{path.name} is no readable HDF5 file (unfinished download?). Fetch it again.") from error
    with file:
        yield _checked(_layers(file, path), path, name)


def _layers(file: h5py.File, path: Path) -> dict[str, tuple[h5py.Dataset, ...]]:
    group = file.get("model_weights", file)
    try:
        if "layer_names" in group.attrs:
            return dict(_legacy_layers(group))
        if "layers" in group:
            return dict(_keras3_layers(group["layers"]))
    except (KeyError, OSError, AttributeError) as error:
        raise WeightsError(f"{path.name} is damaged: a layer it lists cannot be read. Fetch it again.") from error
    raise WeightsError(f"{path.name} is an HDF5 file without Keras weights. Give a VGG weight file (.h5 of Keras).")


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _legacy_layers(group: h5py.Group) -> Iterator[tuple[str, tuple[h5py.Dataset, ...]]]:
    for name in map(_text, group.attrs["layer_names"]):
        weights = tuple(group[name][_text(weight)] for weight in group[name].attrs["weight_names"])
        if weights:
            yield name, weights


def _keras3_layers(group: h5py.Group) -> Iterator[tuple[str, tuple[h5py.Dataset, ...]]]:
    """Keras 3 numbers the layers of a kind (conv2d, conv2d_1 ...): hand them on as 'convolution 0', 'dense 2'."""
    for name in group:
        match = re.fullmatch(r"(conv2d|dense)(?:_(\d+))?", name)
        if match and "vars" in group[name] and len(group[name]["vars"]):
            kind = "convolution" if match[1] == "conv2d" else "dense"
            variables = group[name]["vars"]
            yield f"{kind} {int(match[2] or 0)}", tuple(variables[key] for key in sorted(variables))


def _checked(found: dict, path: Path, name: str) -> dict[str, tuple[h5py.Dataset, h5py.Dataset]]:
    wanted = weight_shapes(name, top=True)
    counts = {"convolution": 0, "dense": 0}
    named = {}
    for layer, (kernel, _bias) in wanted.items():
        kind = "convolution" if len(kernel) == 4 else "dense"
        weights = found.get(layer, found.get(f"{kind} {counts[kind]}"))
        counts[kind] += 1
        if weights is not None:
            named[layer] = weights
    convolutions = [layer for layer in wanted if layer.startswith("block")]
    foreign = [layer for layer in found if layer not in wanted and not re.match(r"(convolution|dense) \d", layer)]
    held = sum(len(weights[0].shape) == 4 for weights in found.values())
    if foreign or held != len(convolutions) or any(layer not in named for layer in convolutions):
        raise WeightsError(
            f"{path.name} holds {held} convolutions under other names or in another number than the "
            f"{len(convolutions)} of {name}: these are weights of another network."
        )
    for layer, weights in named.items():
        shapes = tuple(weight.shape for weight in weights)
        if shapes != wanted[layer]:
            raise WeightsError(
                f"{path.name}: layer {layer} has the shapes {shapes}, {name} needs {wanted[layer]}: "
                "these are weights of another network."
            )
    dense = [layer for layer in wanted if layer not in convolutions]
    if not all(layer in named for layer in dense):  # a head of the reader's own is not ImageNet's: convolutions only
        named = {layer: weights for layer, weights in named.items() if layer in convolutions}
    return named


def imagenet_names(path: Path | None = None) -> tuple[list[str], str]:
    """The 1000 class names in order and where they come from.

    Read from Keras' own index file (`imagenet_class_index.json` in its cache, or `path`). Without it the names are
    "class 0" ... "class 999", and the second value says so in a sentence.
    """
    path = path or keras_cache() / CLASS_INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        return [str(index[str(number)][1]).replace("_", " ") for number in range(1000)], "Keras' class index"
    except FileNotFoundError:
        note = "class numbers only: Keras' class index (imagenet_class_index.json, 35 kB) is not on this machine"
    except (ValueError, KeyError, IndexError, TypeError, UnicodeDecodeError):
        note = "class numbers only: Keras' class index (imagenet_class_index.json) is damaged: delete it"
    return [f"class {number}" for number in range(1000)], note


def fingerprint(arrays: Iterable[np.ndarray]) -> str:
    """Short name of some weights: equal weights, equal name (every array gives its shape and about 1000 values)."""
    sums = hashlib.sha256()
    for values in arrays:
        flat = np.ascontiguousarray(values).reshape(-1)
        sums.update(str(values.shape).encode())
        sums.update(np.ascontiguousarray(flat[:: max(1, flat.size // 1000)], np.float32).tobytes())
    return sums.hexdigest()[:16]
