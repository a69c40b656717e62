"""A small 2-D U-Net that finds lungs in CT slices, and the way from Hounsfield units to its input and back.

The network sees every slice on the same canvas: 128 x 128 pixels of 3 mm, the middle of the picture in the middle, so
that a lung has the same size whatever the scanner's field of view. Source: Ronneberger, Fischer, Brox, "U-Net:
convolutional networks for biomedical image segmentation", MICCAI 2015 (arXiv 1505.04597), here with fewer and narrower
layers and padded convolutions.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from helpers.frameworks import keras
from helpers.vgg_features import write_atomically
from helpers.vgg_network import run

SIDE, PIXEL = 128, 3.0
LOW, HIGH = -1000.0, 400.0  # HU between which the input keeps its contrast; filler below and metal above are clipped
WIDTHS = (12, 24, 48, 72)
WEIGHTS = Path(__file__).parents[1] / "data" / "weights" / "unet.npz"


class UnetError(ValueError):
    """Slices, spacing or a weight file do not fit; the message says what was expected."""


def _coordinates(shape: tuple[int, int], spacing: tuple[float, float], side: int, pixel: float) -> list[np.ndarray]:
    """Row and column, in the original slice, of every canvas pixel."""
    middle = (side - 1) / 2
    axes = [((np.arange(side) - middle) * pixel / s) + (n - 1) / 2 for n, s in zip(shape, spacing)]
    return np.meshgrid(*axes, indexing="ij")


def to_canvas(hu: np.ndarray, spacing: tuple[float, float], side: int = SIDE, pixel: float = PIXEL) -> np.ndarray:
    """Slices (n, rows, columns) in HU with (dy, dx) in mm -> network input float32 (n, side, side, 1), values 0..1.

    -1000 HU and below become 0, +400 HU and above 1; outside the slice is air. Fine slices are averaged, not sampled,
    which keeps their noise from turning into grain. Raises UnetError for another shape or an impossible spacing.
    """
    hu = np.asarray(hu)
    if hu.ndim != 3 or min(hu.shape) < 1:
        raise UnetError(f"Slices must be an array (slices, rows, columns); this one has the shape {hu.shape}.")
    if len(spacing) != 2 or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise UnetError(f"The pixel spacing must be two positive numbers in mm (dy, dx), not {tuple(spacing)}.")
    where = _coordinates(hu.shape[1:], spacing, side, pixel)
    blur = [max(0.0, 0.4 * pixel / s - 0.4) for s in spacing]
    out = np.empty((len(hu), side, side, 1), np.float32)
    for picture, target in zip(hu, out):
        scaled = np.clip((np.nan_to_num(picture.astype(np.float32), nan=LOW) - LOW) / (HIGH - LOW), 0, 1)
        smooth = ndimage.gaussian_filter(scaled, blur) if max(blur) > 0 else scaled
        target[..., 0] = ndimage.map_coordinates(smooth, where, order=1, mode="constant", cval=0.0)
    return out


def mask_to_canvas(
    mask: np.ndarray, spacing: tuple[float, float], side: int = SIDE, pixel: float = PIXEL
) -> np.ndarray:
    """Masks (n, rows, columns) -> float32 0 or 1 (n, side, side, 1) on the same canvas, nearest neighbour."""
    where = _coordinates(mask.shape[1:], spacing, side, pixel)
    planes = [ndimage.map_coordinates(m.astype(np.float32), where, order=1, mode="constant") for m in mask]
    return (np.stack(planes) >= 0.5).astype(np.float32)[..., None]


def from_canvas(
    probability: np.ndarray, shape: tuple[int, int], spacing: tuple[float, float], pixel: float = PIXEL
) -> np.ndarray:
    """Network output (n, side, side, 1) -> probabilities float32 (n, rows, columns) on the original grid."""
    side = probability.shape[1]
    axes = [(np.arange(n) - (n - 1) / 2) * s / pixel + (side - 1) / 2 for n, s in zip(shape, spacing)]
    where = np.meshgrid(*axes, indexing="ij")
    planes = [ndimage.map_coordinates(p[..., 0], where, order=1, mode="constant") for p in probability]
    return np.stack(planes).astype(np.float32)


def build_unet(widths: Sequence[int] = WIDTHS, side: int = SIDE, seed: int = 0) -> keras.Model:
    """An untrained U-Net: (b, side, side, 1) -> lung probability (b, side, side, 1); one level per width.

    Each level has two 3 x 3 convolutions with batch normalisation; down by pooling, up by nearest neighbour, with the
    picture of the same size handed across. Raises UnetError if `side` cannot be halved often enough.
    """
    layers = keras.layers
    if side % 2 ** (len(widths) - 1):
        raise UnetError(f"A side of {side} cannot be halved {len(widths) - 1} times; use a multiple of a power of two.")
    count = iter(range(1000))

    def twice(x, width):
        for _ in range(2):
            start = keras.initializers.HeNormal(seed=seed * 1000 + next(count))
            x = layers.Conv2D(width, 3, padding="same", use_bias=False, kernel_initializer=start)(x)
            x = layers.Activation("relu")(layers.BatchNormalization(momentum=0.9)(x))
        return x

    inputs = x = keras.Input((side, side, 1))
    across = []
    for width in widths[:-1]:
        x = twice(x, width)
        across.append(x)
        x = layers.MaxPooling2D()(x)
    x = twice(x, widths[-1])
    for width, other in zip(widths[-2::-1], across[::-1]):
        x = twice(layers.Concatenate()([layers.UpSampling2D()(x), other]), width)
    start = keras.initializers.GlorotUniform(seed=seed * 1000 + next(count))
    outputs = layers.Conv2D(1, 1, activation="sigmoid", kernel_initializer=start, dtype="float32")(x)
    return keras.Model(inputs, outputs, name="unet")


def overlap_loss(truth, probability):
    """Cross-entropy plus one minus the Dice overlap of the whole batch: the first learns pixels, the second areas."""
    ops = keras.ops
    entropy = ops.mean(ops.binary_crossentropy(truth, probability))
    both = 2 * ops.sum(truth * probability) + 1
    return entropy + 1 - both / (ops.sum(truth) + ops.sum(probability) + 1)


def predict_canvas(model: keras.Model, pictures: np.ndarray, batch_size: int = 32) -> np.ndarray:
    """Probabilities float32 (n, side, side, 1) for network inputs (n, side, side, 1)."""
    return run(model, np.asarray(pictures, np.float32), batch_size)


def segment_slices(model: keras.Model, hu: np.ndarray, spacing: tuple[float, ...], pixel: float = PIXEL) -> np.ndarray:
    """Lung mask bool (n, rows, columns) of slices in HU; `spacing` is (dy, dx) or (dz, dy, dx) in mm."""
    spacing = tuple(spacing)[-2:]
    pictures = to_canvas(hu, spacing, model.input_shape[1], pixel)
    return from_canvas(predict_canvas(model, pictures), hu.shape[1:], spacing, pixel) >= 0.5


def large_pieces(mask: np.ndarray, share: float = 0.05) -> np.ndarray:
    """The pieces of a mask (slices, rows, columns), joined across slices, with at least `share` of the largest's size.

    Lungs run through many slices and are large; gas in stomach and bowel, taken for lung, makes small pieces apart. The
    slices must be neighbours, in order. Why a twentieth: the smaller lung of a pair is larger, even when half of it is
    ill, and on drawn validation patients nothing is lost up to three tenths.
    """
    pieces, _ = ndimage.label(mask)
    size = np.bincount(pieces.ravel())
    size[0] = 0
    return np.asarray(mask, bool) & (size >= share * size.max())[pieces]


def segment_volume(model: keras.Model, hu: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Lung mask bool of a whole stack: slice by slice, then only the large pieces are kept (`large_pieces`)."""
    return large_pieces(segment_slices(model, hu, spacing))


def dice_per_slice(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Dice overlap of two masks (n, rows, columns) for each slice (n,); NaN where both are empty."""
    a, b = np.asarray(a, bool), np.asarray(b, bool)
    if a.shape != b.shape:
        raise UnetError(f"Two masks of one shape are needed, not {a.shape} and {b.shape}.")
    axes = tuple(range(1, a.ndim))
    size = a.sum(axes) + b.sum(axes)
    return np.where(size > 0, 2 * (a & b).sum(axes) / np.maximum(size, 1), np.nan)


def save_weights(model: keras.Model, path: Path) -> None:
    """Store the weights as half-precision numbers (.npz), whole or not at all."""
    content = {f"w{k:03d}": values.astype(np.float16) for k, values in enumerate(model.get_weights())}
    widths = [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    write_atomically(
        Path(path).expanduser(),
        lambda stream: np.savez_compressed(stream, side=model.input_shape[1], n=len(widths), **content),
    )


def load_unet(path: str | Path | None = None) -> keras.Model:
    """The U-Net shipped with the course (or one saved by `save_weights`), trained on drawn chests only."""
    path = WEIGHTS if path is None else Path(path).expanduser()
    try:
        with np.load(path, allow_pickle=False) as file:
            side = int(file["side"])
            values = [file[key].astype(np.float32) for key in sorted(key for key in file.files if key[0] == "w")]
    except FileNotFoundError:
        raise UnetError(f"There is no file {path.name}: make it with 'python -m training.train_unet'.") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UnetError(f"{path.name} is damaged or no weight file of this U-Net: fetch it again.") from error
    kernels = [v.shape for v in values if v.ndim == 4]
    levels = (len(kernels) - 1 + 2) // 4
    widths = [shape[-1] for shape in kernels[: 2 * levels : 2]]
    model = build_unet(widths, side)
    if [tuple(w.shape) for w in model.weights] != [v.shape for v in values]:
        raise UnetError(f"{path.name} holds the weights of another network.")
    model.set_weights(values)
    return model
