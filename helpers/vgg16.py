"""VGG16 and VGG19 as a tool: predict, fine-tune on folders of pictures, test, save and load.

    vgg = Vgg16(weights="path/to/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5")
    batches = vgg.get_batches("pets/train")
    vgg.finetune(batches)
    vgg.fit(batches, vgg.get_batches("pets/validation"), epochs=5)
    vgg.predict(["my_cat.jpg"])

Pictures go in raw (files, or RGB arrays with values 0..255, any size): resizing, the change to BGR and the subtraction
of the ImageNet means belong to the network. Everything below the last layer is frozen, so its output for a picture (the
features) is computed once and kept; training a new last layer then takes seconds.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from helpers import vgg_weights
from helpers.folders import Batches, FolderError, Skipped, get_batches, need_every_class, one_hot
from helpers.images import ImageError
from helpers.vgg_features import FeatureCache, Features, Picture, Progress, extract, write_atomically
from helpers.vgg_network import build_body, build_head, compiled, has_bfloat16
from helpers.vgg_plan import SIZE
from helpers.vgg_weights import WeightsError


class Prediction(NamedTuple):
    """Most probable classes first: probabilities and class numbers (n, k), names (n x k); `table` (n, classes): all."""

    probabilities: np.ndarray
    classes: np.ndarray
    names: list[list[str]]
    table: np.ndarray | None = None


class FolderPrediction(NamedTuple):
    """Files in order, their probabilities (n, classes), the most probable names, and the files left out."""

    files: list[Path]
    probabilities: np.ndarray
    names: list[str]
    skipped: list[Skipped]


class Vgg16:
    """VGG16 with the interface of a well-known lesson: predict, get_batches, finetune, fit, fit_data, test, save, load.

    `weights`: "imagenet" (the official file in Keras' cache, fetched only with `download=True`), the path of a weight
    file, or None (random numbers from `seed`: for trying things out, its predictions mean nothing). `top`: with the
    three dense layers; None takes what the file has. `checksum`: MD5 or SHA-256 the file must have ("auto": files with
    an official name are checked). `cache`: a folder that keeps features between sessions. `precision`: "float32",
    "bfloat16" (twice as fast on processors that have it, features differ by about 1 %) or "auto".

    Attributes: `model` raw RGB -> probabilities, `class_names`, `names_note`, `weights_source`, `top`.
    """

    name = "VGG16"

    def __init__(
        self,
        weights: str | Path | None = "imagenet",
        *,
        top: bool | None = None,
        download: bool = False,
        checksum: str | None = "auto",
        cache: str | Path | None = None,
        precision: str = "float32",
        seed: int = 0,
    ) -> None:
        if precision not in ("float32", "bfloat16", "auto"):
            raise ValueError(f"precision is {precision!r}; choose 'float32', 'bfloat16' or 'auto'.")
        policy = "mixed_bfloat16" if precision == "bfloat16" or (precision == "auto" and has_bfloat16()) else "float32"
        self.seed, self.precision = seed, policy.removeprefix("mixed_")
        if weights is None:
            self.top = top is not False
            self.weights_source = "random numbers"
            self.body = build_body(self.name, self.top, policy, seed)
            self.head = build_head(4096, 1000, seed=seed) if self.top else None
            state = f"random-{seed}"
        else:
            path, top = self._find(weights, top, download)
            self.weights_source = vgg_weights.check_file(path, self.name, checksum)
            state = self._read(path, top, policy)
        self.class_names, self.names_note = vgg_weights.imagenet_names() if self.top else ([], "no classes yet")
        self._state = f"{self.name}-{'fc2' if self.top else 'mean'}-{state}"
        self._cache = FeatureCache(cache, f"{self._state}-{self.precision}", self.body.output_shape[-1])
        self._forward = compiled(self.body)
        self._assemble()

    def _find(self, weights: str | Path, top: bool | None, download: bool) -> tuple[Path, bool | None]:
        if weights == "imagenet":
            return vgg_weights.find_official(self.name, top, download)
        return Path(weights).expanduser(), top

    def _read(self, path: Path, top: bool | None, policy: str) -> str:
        with vgg_weights.open_weights(path, self.name) as found:
            if top and "fc1" not in found:
                raise WeightsError(f"{path.name} has no dense layers: use top=False, or the file that has them.")
            self.top = "fc1" in found if top is None else top
            self.body = build_body(self.name, self.top, policy, seed=None)
            self.head = build_head(4096, 1000) if self.top else None
            parts = {layer.name: layer for layer in [*self.body.layers, *(self.head.layers if self.head else [])]}
            read = {}
            for label in (label for label in found if label in parts):
                values = [np.asarray(weight[()], np.float32) for weight in found[label]]
                if not all(np.isfinite(value).all() for value in values):
                    raise WeightsError(f"{path.name}: layer {label} holds values that are not finite. Fetch it again.")
                parts[label].set_weights(values)
                read[label] = vgg_weights.fingerprint(values)
        body = "".join(f"{label}{print_}" for label, print_ in read.items() if label != "predictions")
        return sha256(body.encode()).hexdigest()[:16]

    def _assemble(self) -> None:
        outputs = self.head(self.body.output) if self.head else self.body.output
        self.model = keras.Model(self.body.input, outputs, name=self.name.lower())

    # ------------------------------------------------------------------ using the network

    def features(
        self,
        pictures: Sequence[Picture] | np.ndarray | Batches,
        *,
        batch_size: int = 8,
        mirror: bool = False,
        progress: Progress = None,
    ) -> Features:
        """What the frozen part says about each picture: (n, 4096), or (n, 512) without dense layers; cached."""
        items = pictures.files if isinstance(pictures, Batches) else as_list(pictures)
        run = {"batch_size": batch_size, "mirror": mirror, "progress": progress}
        return extract(items, self._forward, self._cache, size=SIZE, **run)

    def predict(
        self,
        pictures: Sequence[Picture] | np.ndarray,
        details: bool = False,
        *,
        top: int = 1,
        batch_size: int = 8,
        progress: Progress = None,
    ) -> Prediction:
        """The `top` most probable classes of each picture, with names; `details` adds the table of all probabilities.

        `pictures`: array (n, h, w, 3) or (h, w, 3), or a list of files and arrays of any sizes; RGB, values 0..255.
        Raises ImageError for an unreadable or wrongly scaled picture, WeightsError when there is no last layer yet.
        """
        if self.head is None:
            raise WeightsError(f"This {self.name} has no last layer: its weight file holds none. Call finetune first.")
        found = self.features(pictures, batch_size=batch_size, progress=progress)
        if found.failed:
            raise ImageError(found.failed[0][1])
        table = self._probabilities(found.values)
        order = np.argsort(-table, axis=1, kind="stable")[:, : max(1, min(top, table.shape[1]))]
        names = [[self.class_names[k] for k in row] for row in order]
        return Prediction(np.take_along_axis(table, order, 1), order, names, table if details else None)

    def _probabilities(self, features: np.ndarray) -> np.ndarray:
        if not len(features):
            return np.empty((0, self.head.output_shape[-1]), np.float32)
        parts = np.array_split(features, -(-len(features) // 1024))
        return np.concatenate([keras.ops.convert_to_numpy(self.head(part, training=False)) for part in parts])

    def get_batches(
        self,
        folder: str | Path,
        batch_size: int = 8,
        shuffle: bool = True,
        seed: int = 0,
        class_mode: str | None = "categorical",
    ) -> Batches:
        """Batches of 224 x 224 pictures from one folder per class, with one-hot labels (`helpers.folders`)."""
        return get_batches(folder, batch_size, shuffle, seed, class_mode, SIZE)

    def test(self, folder: str | Path, batch_size: int = 8, progress: Progress = None) -> FolderPrediction:
        """Probabilities for all pictures of an unlabelled folder, in alphabetical order; unreadable ones are named."""
        if self.head is None:
            raise WeightsError(f"This {self.name} has no last layer yet: call finetune or load first.")
        batches = get_batches(folder, batch_size, False, 0, None, SIZE)
        found = self.features(batches, batch_size=batch_size, progress=progress)
        for position, reason in found.failed:
            batches.skip(position, reason)
        table = self._probabilities(found.values)
        names = [self.class_names[k] for k in table.argmax(1)] if len(table) else []
        return FolderPrediction([batches.files[k] for k in found.kept], table, names, batches.skipped)

    # ------------------------------------------------------------------ training a new last layer

    def finetune(self, batches: Batches | Sequence[str]) -> None:
        """Replace the last layer by one for the classes of `batches` (or the names given), freeze the rest, compile."""
        names = list(batches.class_names if isinstance(batches, Batches) else batches)
        if len(names) < 2:
            raise FolderError(f"Only {len(names)} class ({', '.join(names)}): a classifier needs at least two folders.")
        self.head = build_head(self.body.output_shape[-1], len(names), "new_predictions", self.seed)
        self.class_names, self.names_note = names, "names of the class folders"
        self._assemble()
        self.compile()

    def compile(self, lr: float = 0.001) -> None:
        """Adam with learning rate `lr`, categorical cross-entropy, accuracy; for the last layer."""
        if self.head is None:
            raise WeightsError(f"This {self.name} has no last layer yet: call finetune or load first.")
        self.head.compile(keras.optimizers.Adam(lr), "categorical_crossentropy", metrics=["accuracy"])

    def fit(
        self,
        batches: Batches,
        validation: Batches | None = None,
        epochs: int = 1,
        *,
        mirror: bool = False,
        progress: Progress = None,
    ) -> dict[str, list[float]]:
        """Train the last layer on a folder's pictures and judge it on another's after each epoch.

        `mirror` adds every training picture with left and right exchanged. Unreadable files are added to
        `batches.skipped`. Returns one list per measure: loss, accuracy and, with `validation`, val_loss, val_accuracy.
        """
        sets = [self._labelled(batches, progress)]
        if mirror:
            flipped = self.features(batches, batch_size=batches.batch_size, mirror=True, progress=progress)
            sets.append((flipped.values, batches.labels[flipped.kept]))
        x, y = (np.concatenate(part) for part in zip(*sets))
        valid = None if validation is None else self._labelled(validation, progress)
        return self._fit_head(x, y, valid, epochs, batches.batch_size, batches.shuffle, batches.seed)

    def fit_data(
        self,
        pictures: Sequence[Picture] | np.ndarray,
        labels: np.ndarray,
        val_pictures: Sequence[Picture] | np.ndarray | None = None,
        val_labels: np.ndarray | None = None,
        epochs: int = 1,
        batch_size: int = 64,
        progress: Progress = None,
    ) -> dict[str, list[float]]:
        """The same from arrays or lists of files; labels are class numbers (n,) or one-hot rows (n, classes)."""
        sets = []
        for some, truth in ((pictures, labels), (val_pictures, val_labels)):
            if some is None:
                continue
            found = self.features(some, progress=progress)
            if found.failed:
                raise ImageError(found.failed[0][1])
            sets.append((found.values, self._numbers(truth, len(found.values))))
        return self._fit_head(*sets[0], sets[1] if len(sets) > 1 else None, epochs, batch_size, True, self.seed)

    def _numbers(self, labels: np.ndarray, count: int) -> np.ndarray:
        labels = np.asarray(labels)
        numbers = labels.argmax(1) if labels.ndim == 2 else labels.astype(int)
        classes = len(self.class_names)
        if len(numbers) != count or (labels.ndim == 2 and labels.shape[1] != classes):
            raise ValueError(f"{count} pictures of {classes} classes need as many labels; these are {labels.shape}.")
        if count and not (numbers.min() >= 0 and numbers.max() < classes):
            raise ValueError(f"Class numbers run from 0 to {classes - 1}; not {numbers.min()} to {numbers.max()}.")
        return numbers

    def _labelled(self, batches: Batches, progress: Progress) -> tuple[np.ndarray, np.ndarray]:
        if batches.class_names != self.class_names:
            raise FolderError(
                f"The folders are named {', '.join(batches.class_names)}, the last layer knows "
                f"{', '.join(self.class_names[:4])}{' ...' if len(self.class_names) > 4 else ''}: "
                "call finetune with these batches first, or rename the folders."
            )
        found = self.features(batches, batch_size=batches.batch_size, progress=progress)
        for position, reason in found.failed:
            batches.skip(position, reason)
        labels = batches.labels[found.kept]
        need_every_class(labels, batches.class_names)
        return found.values, labels

    def _fit_head(self, x, y, valid, epochs, batch_size, shuffle, seed) -> dict[str, list[float]]:
        if self.head is None or self.head.optimizer is None:
            raise WeightsError("There is no last layer to train yet: call finetune first.")
        if not len(x):
            raise FolderError("There is no readable picture to train on.")
        truth, history = one_hot(y, len(self.class_names)), {}
        order = np.random.default_rng(seed)
        for _ in range(epochs):
            turn = order.permutation(len(x)) if shuffle else np.arange(len(x))
            self.head.reset_metrics()
            for some in np.array_split(turn, -(-len(turn) // batch_size)):
                done = self.head.train_on_batch(x[some], truth[some], return_dict=True)  # means since reset_metrics
            if valid is not None:
                done |= self._judge(*valid)
            for key, value in done.items():
                history.setdefault(key, []).append(float(value))
        return history

    def _judge(self, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
        table = self._probabilities(x)
        right = np.clip(table[np.arange(len(y)), y], 1e-7, 1)
        return {"val_loss": float(-np.log(right).mean()), "val_accuracy": float((table.argmax(1) == y).mean())}

    # ------------------------------------------------------------------ keeping the result

    def save(self, path: str | Path) -> Path:
        """Store the last layer and the class names as one .npz file, whole or not at all; returns its path."""
        if self.head is None:
            raise WeightsError("There is no last layer to save yet: call finetune first.")
        path = Path(path).expanduser()
        path = path if path.suffix == ".npz" else path.with_name(path.name + ".npz")
        kernel, bias = self.head.get_weights()
        content = {"kernel": kernel, "bias": bias, "class_names": np.array(self.class_names, str)}
        write_atomically(path, lambda stream: np.savez(stream, body=np.array(self._state), **content))
        return path

    def load(self, path: str | Path) -> None:
        """Take over a last layer and class names saved by `save`.

        Raises WeightsError when the file is damaged, or was trained on features of another network or other weights.
        """
        path = Path(path).expanduser()
        try:
            with np.load(path, allow_pickle=False) as file:
                kernel, bias, names, body = (file[key] for key in ("kernel", "bias", "class_names", "body"))
        except FileNotFoundError:
            raise WeightsError(f"There is no file {path.name}: save a fine-tuned network first.") from None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise WeightsError(f"{path.name} is damaged or was not written by {self.name}.save.") from error
        if str(body) != self._state:
            raise WeightsError(
                f"{path.name} was trained on features of {body}, this network is {self._state}: "
                "load it into a network with the same weights, or fine-tune again."
            )
        if kernel.shape != (self.body.output_shape[-1], len(names)) or bias.shape != (len(names),):
            raise WeightsError(f"{path.name} is damaged: {kernel.shape} weights do not fit {len(names)} class names.")
        self.finetune([str(name) for name in names])
        self.head.set_weights([kernel, bias])


class Vgg19(Vgg16):
    """VGG19: three more convolutions, otherwise as `Vgg16`."""

    name = "VGG19"


def as_list(pictures: Sequence[Picture] | np.ndarray | str | Path) -> list[Picture]:
    """One picture or many, as a list: arrays (h, w, 3) and (n, h, w, 3), a path, or a list of either."""
    if isinstance(pictures, (str, Path)):
        return [pictures]
    if isinstance(pictures, np.ndarray) and pictures.ndim == 3:
        return [pictures]
    return list(pictures)
