"""The layers of a convolutional network by hand: plain NumPy, written to be read, equal to Keras and SciPy.

Two kinds of array come in. A *map* is what a spreadsheet holds: 1-D ``(length,)`` or 2-D ``(row, column)``. A *batch*
is what a network passes on: ``(n, length, channel)`` or ``(n, row, column, channel)``, channels last as in Keras.
Integers are computed as 64-bit integers (bytes would wrap), floats keep their precision.

Source: Dumoulin & Visin, "A guide to convolution arithmetic for deep learning", arXiv 1603.07285 (2016);
batch normalisation: Ioffe & Szegedy, arXiv 1502.03167 (2015).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import as_strided

PADDINGS = ("valid", "same", "full")
#: From this many numbers in the kernel and in the map on, multiplying spectra is quicker than sliding (see bench/).
MANY_TAPS, MANY_NUMBERS = 40, 4_000


def output_size(size: int, kernel: int, padding: int = 0, stride: int = 1, dilation: int = 1) -> int:
    """Positions of a window along one axis: floor((i + 2p - k) / s) + 1, with k grown by the dilation."""
    reach = dilation * (kernel - 1) + 1
    if size + 2 * padding < reach:
        padded = f" with {padding} zeros on either side" if padding else ""
        raise ValueError(f"A window reaching over {reach} does not fit into {size} numbers{padded}; pad more.")
    return (size + 2 * padding - reach) // stride + 1


def receptive_field(layers: Sequence[tuple[int, int]]) -> list[int]:
    """Input pixels, along one axis, that one output pixel of each layer has seen; `layers` holds (kernel, stride)."""
    seen, step, growth = 1, 1, []
    for kernel, stride in layers:
        seen += (kernel - 1) * step
        step *= stride
        growth.append(seen)
    return growth


def influence(layers: Sequence[tuple[int, int]]) -> np.ndarray:
    """In how many ways each input pixel reaches one output pixel through layers of (kernel, stride): a square map.

    A step back through a layer is a transposed convolution with ones, so the map is as wide as the receptive field.
    """
    ways = np.ones((1, 1, 1, 1))
    for kernel, stride in reversed(layers):
        ways = conv_transpose(ways, np.ones((kernel, kernel, 1, 1)), stride=stride)[
            :, : (ways.shape[1] - 1) * stride + kernel, : (ways.shape[2] - 1) * stride + kernel
        ]
    return ways[0, :, :, 0]


# --- maps: 1-D and 2-D, one channel -------------------------------------------------------------------------------


def correlate(x, kernel, padding: str = "valid", stride=1, dilation=1) -> np.ndarray:
    """Cross-correlation, what "convolution" layers compute: under the window, multiply and add. No flip.

    `x` and `kernel` are maps with the same number of axes. "valid" keeps windows that lie inside, "same" pads with
    zeros to ceil(size / stride) outputs (of an odd number of zeros the last side gets more, as in Keras;
    ``scipy.signal.correlate`` gives the first side more), "full" lets the window touch with one number. Raises
    ValueError when a kernel does not fit.
    """
    x, kernel = _map_pair(x, kernel)
    stride, dilation = _per_axis(stride, x.ndim, "stride"), _per_axis(dilation, x.ndim, "dilation")
    pads = _pads(x.shape, kernel.shape, padding, stride, dilation)
    return _slide(_with_zeros(x, pads), kernel, stride, dilation)


def convolve(x, kernel, padding: str = "valid", stride=1, dilation=1) -> np.ndarray:
    """Convolution as mathematics and SciPy mean it: cross-correlation with the kernel flipped along every axis.

    Equal to ``scipy.signal.convolve(x, kernel, mode=padding)`` for stride 1: of an odd remainder of "same" the first
    side gets more, because the kernel is mirrored.
    """
    x, kernel = _map_pair(x, kernel)
    stride, dilation = _per_axis(stride, x.ndim, "stride"), _per_axis(dilation, x.ndim, "dilation")
    pads = _pads(x.shape, kernel.shape, padding, stride, dilation)
    mirrored = [(after, before) for before, after in pads]
    return _slide(_with_zeros(x, mirrored), np.flip(kernel), stride, dilation)


def windows(x: np.ndarray, size: Sequence[int], stride=1, dilation=1) -> np.ndarray:
    """Every window of a map as a view (no copy): shape (*positions, *size).

    To the next position it is `stride` numbers along an axis, to the next number of a window `dilation`. NumPy's
    sliding_window_view knows neither and takes longer than the sums of a small map, hence as_strided, to read only.
    """
    stride, dilation = _per_axis(stride, x.ndim, "stride"), _per_axis(dilation, x.ndim, "dilation")
    positions = [output_size(i, k, 0, s, d) for i, k, s, d in zip(x.shape, size, stride, dilation)]
    steps = (*(b * s for b, s in zip(x.strides, stride)), *(b * d for b, d in zip(x.strides, dilation)))
    return as_strided(x, (*positions, *size), steps, writeable=False)


def _slide(x, kernel, stride, dilation) -> np.ndarray:
    view = windows(x, kernel.shape, stride, dilation)  # refuses a kernel that does not fit
    plain = max(stride) == max(dilation) == 1
    if plain and kernel.size >= MANY_TAPS and x.size >= MANY_NUMBERS and x.dtype.kind == "f":
        return _by_spectrum(x, kernel)
    if x.ndim == 1:
        return view @ kernel  # the same sum, with less ado for short lines
    position, tap = list(range(x.ndim)), list(range(x.ndim, 2 * x.ndim))
    return np.einsum(view, position + tap, kernel, tap, position)


def _by_spectrum(x, kernel) -> np.ndarray:
    """The same numbers through the convolution theorem: multiply the spectra. For large kernels only."""
    axes = tuple(range(x.ndim))
    spectrum = np.fft.rfftn(x, axes=axes) * np.fft.rfftn(np.flip(kernel), x.shape, axes)
    inside = tuple(slice(k - 1, None) for k in kernel.shape)  # where nothing has wrapped round
    return np.fft.irfftn(spectrum, x.shape, axes)[inside].astype(x.dtype, copy=False)


def _with_zeros(x, pads) -> np.ndarray:
    return np.pad(x, pads) if any(map(any, pads)) else x


def _map_pair(x, kernel) -> tuple[np.ndarray, np.ndarray]:
    x, kernel = np.asarray(x), np.asarray(kernel)
    if x.ndim != kernel.ndim or x.ndim == 0:
        raise ValueError(f"The map has {x.ndim} axes and the kernel {kernel.ndim}; they need the same number.")
    if x.size == 0 or kernel.size == 0:
        raise ValueError("The map or the kernel is empty; both need at least one number.")
    return _one_kind(x, kernel)


def _one_kind(*arrays) -> tuple[np.ndarray, ...]:
    """The arrays with one type of number: floats keep theirs, integers get 64 bits, because bytes would wrap."""
    kind = np.result_type(*arrays)
    kind = np.int64 if kind.kind in "biu" else kind
    return tuple(np.asarray(array).astype(kind, copy=False) for array in arrays)


def _per_axis(value, axes: int, name: str) -> tuple[int, ...]:
    values = (value,) * axes if np.isscalar(value) else tuple(value)
    if len(values) != axes or min(values) < 1:
        raise ValueError(f"{name} is {value}; give one whole number above 0, or one for each of the {axes} axes.")
    return tuple(int(v) for v in values)


def _pads(shape, kernel, padding: str, stride, dilation) -> list[tuple[int, int]]:
    """Zeros before and after, for each axis."""
    if padding not in PADDINGS:
        raise ValueError(f"padding is {padding!r}; choose one of {', '.join(PADDINGS)}.")
    reaches = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
    if padding == "valid":
        return [(0, 0)] * len(reaches)
    if padding == "full":
        return [(reach - 1, reach - 1) for reach in reaches]
    totals = [max((-(-size // s) - 1) * s + reach - size, 0) for size, reach, s in zip(shape, reaches, stride)]
    return [(total // 2, total - total // 2) for total in totals]


# --- batches: channels and many filters ---------------------------------------------------------------------------


def conv(x, kernel, bias=None, padding: str = "valid", stride=1, dilation=1) -> np.ndarray:
    """A convolutional layer (1-D, 2-D or 3-D by the shapes): every filter looks at all channels of a window at once.

    `x`: (n, *size, channel); `kernel`: (*window, channel, filter); `bias`: (filter,). Returns (n, *positions, filter).
    Equal to ``keras.layers.Conv1D/2D/3D`` with the same weights.
    """
    x, kernel = _one_kind(np.asarray(x), np.asarray(kernel))
    axes = _check_layer(x, kernel, channel_axis=-2)
    stride, dilation = _per_axis(stride, axes, "stride"), _per_axis(dilation, axes, "dilation")
    pads = _pads(x.shape[1:-1], kernel.shape[:axes], padding, stride, dilation)
    view = _batch_windows(np.pad(x, [(0, 0), *pads, (0, 0)]), kernel.shape[:axes], stride, dilation)
    taps = np.moveaxis(kernel, -2, 0)  # (channel, *window, filter), the order of the view's last axes
    out = np.tensordot(view, taps, axes=axes + 1)
    return out if bias is None else out + np.asarray(bias)


def conv_transpose(x, kernel, bias=None, padding: str = "valid", stride=1) -> np.ndarray:
    """A transposed convolution: every input number stamps the kernel, multiplied by itself, on a larger output.

    `x`: (n, *size, channel); `kernel`: (*window, filter, channel), Keras' order here. "valid" gives
    size x stride + max(window - stride, 0), "same" size x stride. Equal to ``keras.layers.Conv1DTranspose/2D``.
    """
    x, kernel = _one_kind(np.asarray(x), np.asarray(kernel))
    axes = _check_layer(x, kernel, channel_axis=-1)
    stride = _per_axis(stride, axes, "stride")
    if padding not in ("valid", "same"):
        raise ValueError(f"padding is {padding!r}; a transposed convolution knows 'valid' and 'same'.")
    size, window = x.shape[1:-1], kernel.shape[:axes]
    full = [i * s + max(k - s, 0) for i, k, s in zip(size, window, stride)]
    out = np.zeros((len(x), *full, kernel.shape[-2]), x.dtype)
    for tap in np.ndindex(*window):
        places = tuple(slice(t, t + (i - 1) * s + 1, s) for t, i, s in zip(tap, size, stride))
        out[(slice(None), *places)] += x @ kernel[tap].T
    if padding == "same":
        cut = [(max(k - s, 0) // 2, i * s) for i, k, s in zip(size, window, stride)]
        out = out[(slice(None), *(slice(start, start + keep) for start, keep in cut))]
    return out if bias is None else out + np.asarray(bias)


def max_pool(x, size=2, stride=None, padding: str = "valid") -> np.ndarray:
    """The largest number of each window, channel by channel: (n, *size, channel) -> (n, *positions, channel)."""
    return _pool(np.asarray(x), size, stride, padding, filler=-np.inf, reduce=np.max)


def mean_pool(x, size=2, stride=None, padding: str = "valid") -> np.ndarray:
    """The mean of each window, channel by channel; padded places are not counted (as in Keras)."""
    x = np.asarray(x, float) if np.asarray(x).dtype.kind != "f" else np.asarray(x)
    return _pool(x, size, stride, padding, filler=np.nan, reduce=np.nanmean)


def _pool(x, size, stride, padding, filler, reduce) -> np.ndarray:
    axes = x.ndim - 2
    size = _per_axis(size, axes, "size")
    stride = size if stride is None else _per_axis(stride, axes, "stride")
    if padding not in ("valid", "same"):
        raise ValueError(f"padding is {padding!r}; pooling knows 'valid' and 'same'.")
    pads = _pads(x.shape[1:-1], size, padding, stride, (1,) * axes)
    if any(map(any, pads)):
        x = np.pad(x.astype(np.result_type(x, np.float32), copy=False), [(0, 0), *pads, (0, 0)], constant_values=filler)
    view = _batch_windows(x, size, stride, (1,) * axes)
    return reduce(view, axis=tuple(range(axes + 2, 2 * axes + 2)))


def _batch_windows(x, window, stride, dilation) -> np.ndarray:
    """All windows of a batch as a view: (n, *positions, channel, *window)."""
    view = windows(x, (1, *window, 1), (1, *stride, 1), (1, *dilation, 1))
    return view[(..., 0, *(slice(None),) * len(window), 0)]  # the window is 1 image deep and 1 channel wide


def _check_layer(x, kernel, channel_axis: int) -> int:
    axes = kernel.ndim - 2
    if axes < 1 or x.ndim != axes + 2:
        raise ValueError(f"Input {x.shape} and kernel {kernel.shape} do not belong together; see the docstring.")
    if x.shape[-1] != kernel.shape[channel_axis]:
        raise ValueError(f"The input has {x.shape[-1]} channels, the kernel expects {kernel.shape[channel_axis]}.")
    return axes


# --- layers without a window --------------------------------------------------------------------------------------


def batch_norm(x, gamma=1.0, beta=0.0, epsilon: float = 1e-3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Batch normalisation while training: (y, mean, variance), per channel over the batch and all positions.

    y = gamma * (x - mean) / sqrt(variance + epsilon) + beta; the variance divides by n (biased), as in Keras.
    """
    axes = tuple(range(np.ndim(x) - 1))
    mean, variance = np.mean(x, axis=axes), np.var(x, axis=axes)
    return batch_norm_inference(x, mean, variance, gamma, beta, epsilon), mean, variance


def batch_norm_inference(x, mean, variance, gamma=1.0, beta=0.0, epsilon: float = 1e-3) -> np.ndarray:
    """Batch normalisation after training: the stored mean and variance of each channel, whatever the batch holds."""
    return gamma * (np.asarray(x) - mean) / np.sqrt(np.asarray(variance) + epsilon) + beta


def running_average(old, new, momentum: float = 0.99) -> np.ndarray:
    """What training stores for inference: momentum * old + (1 - momentum) * new, once per batch."""
    return momentum * np.asarray(old) + (1 - momentum) * np.asarray(new)


def dense(x, weights, bias=0.0) -> np.ndarray:
    """A fully connected layer: x (n, in) @ weights (in, out) + bias (out,)."""
    x, weights = _one_kind(np.asarray(x), np.asarray(weights))
    return x @ weights + bias


def softmax(scores, axis: int = -1, temperature: float = 1.0) -> np.ndarray:
    """Scores -> K numbers in (0, 1) that sum to 1. The maximum is subtracted first, so that exp never overflows."""
    if temperature <= 0:
        raise ValueError(f"temperature is {temperature}; it divides the scores and must be above 0.")
    scaled = np.asarray(scores, float) / temperature
    powers = np.exp(scaled - scaled.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def flatten(x) -> np.ndarray:
    """(n, ...) -> (n, everything else), the last axis running fastest."""
    return np.reshape(x, (len(x), -1))
