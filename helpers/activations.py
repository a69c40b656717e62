"""Activation functions and their derivatives, element by element on arrays of any shape.

Every function ``f`` has its derivative ``d_f`` with the same arguments. Random ones take their random numbers as an
argument, so that the same call gives the same result.

Sources: ReLU Nair & Hinton (2010); ELU Clevert et al., arXiv 1511.07289; Leaky ReLU Maas et al. (2013) and, with
division, Xu et al., arXiv 1505.00853 (also RReLU); PReLU He et al., arXiv 1502.01852; noisy activation functions
Gulcehre et al., arXiv 1603.00391.
"""

from __future__ import annotations

import numpy as np


def sigmoid(x) -> np.ndarray:
    """1 / (1 + exp(-x)), in (0, 1); written with tanh so that no exponential overflows."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(x, float)))


def d_sigmoid(x) -> np.ndarray:
    """s (1 - s): at most 0.25, at x = 0."""
    s = sigmoid(x)
    return s * (1 - s)


def tanh(x) -> np.ndarray:
    """The hyperbolic tangent = 2 sigmoid(2x) - 1, in (-1, 1)."""
    return np.tanh(np.asarray(x, float))


def d_tanh(x) -> np.ndarray:
    """1 - tanh(x)^2: at most 1, at x = 0."""
    return 1 - tanh(x) ** 2


def relu(x) -> np.ndarray:
    """max(0, x)."""
    return np.maximum(np.asarray(x, float), 0)


def d_relu(x) -> np.ndarray:
    """1 for x > 0, otherwise 0 (also at 0, where there is no derivative: a convention)."""
    return np.where(np.asarray(x) > 0, 1.0, 0.0)


def elu(x, alpha: float = 1.0) -> np.ndarray:
    """x for x > 0, otherwise alpha (e^x - 1): saturates at -alpha on the left."""
    x = np.asarray(x, float)
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def d_elu(x, alpha: float = 1.0) -> np.ndarray:
    """1 for x > 0, otherwise alpha e^x."""
    x = np.asarray(x, float)
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))


def leaky_relu(x, slope: float = 0.3) -> np.ndarray:
    """x for x > 0, otherwise slope * x: the libraries' convention (``keras.layers.LeakyReLU`` 0.3, Torch 0.01)."""
    x = np.asarray(x, float)
    return np.where(x > 0, x, slope * x)


def d_leaky_relu(x, slope: float = 0.3) -> np.ndarray:
    """1 for x > 0, otherwise the slope."""
    return np.where(np.asarray(x) > 0, 1.0, slope)


def leaky_relu_divided(x, a=5.5) -> np.ndarray:
    """x for x > 0, otherwise x / a with a > 1: the convention of Xu et al. (2015)."""
    if np.any(np.asarray(a) <= 1):
        raise ValueError(f"a is {a}; this convention divides by a and needs a > 1. A slope goes to leaky_relu.")
    return leaky_relu(x, 1 / np.asarray(a, float))


def d_leaky_relu_divided(x, a=5.5) -> np.ndarray:
    """1 for x > 0, otherwise 1 / a."""
    return d_leaky_relu(x, 1 / np.asarray(a, float))


def prelu(x, alpha) -> np.ndarray:
    """Leaky ReLU whose slope `alpha` is learnt, as a rule one per channel (the last axis)."""
    return leaky_relu(x, np.asarray(alpha, float))


def d_prelu(x, alpha) -> np.ndarray:
    """The derivative along x; see `d_prelu_alpha` for the one that learns the slope."""
    return d_leaky_relu(x, np.asarray(alpha, float))


def d_prelu_alpha(x, alpha) -> np.ndarray:
    """The derivative along alpha: 0 for x > 0, otherwise x."""
    return np.minimum(np.asarray(x, float), 0) + 0 * np.asarray(alpha, float)


def rrelu_draw(shape, rng: np.random.Generator, lower: float = 3.0, upper: float = 8.0) -> np.ndarray:
    """The divisors a ~ U(lower, upper), a new one for every number that passes in training."""
    return rng.uniform(lower, upper, shape)


def rrelu(x, a) -> np.ndarray:
    """Randomised leaky ReLU while training: negative x is divided by its own drawn `a` (see `rrelu_draw`)."""
    return leaky_relu_divided(x, a)


def d_rrelu(x, a) -> np.ndarray:
    """1 for x > 0, otherwise 1 / a with the same drawn `a`."""
    return d_leaky_relu_divided(x, a)


def rrelu_test(x, lower: float = 3.0, upper: float = 8.0) -> np.ndarray:
    """Randomised leaky ReLU after training: negative x is divided by the middle, (lower + upper) / 2."""
    return leaky_relu_divided(x, (lower + upper) / 2)


def d_rrelu_test(x, lower: float = 3.0, upper: float = 8.0) -> np.ndarray:
    """1 for x > 0, otherwise 2 / (lower + upper)."""
    return d_leaky_relu_divided(x, (lower + upper) / 2)


def noisy_relu(x, noise) -> np.ndarray:
    """max(0, x + Y) with Y ~ N(0, variance = sigmoid(x)) (2010); `noise` is standard normal, shaped like x."""
    return relu(np.asarray(x, float) + np.sqrt(sigmoid(x)) * noise)


def d_noisy_relu(x, noise) -> np.ndarray:
    """The derivative along x for this `noise`, the width sqrt(sigmoid(x)) included."""
    root = np.sqrt(sigmoid(x))
    return d_relu(np.asarray(x, float) + root * noise) * (1 + noise * root * (1 - root**2) / 2)


def noisy_hard_tanh(x, noise, alpha: float = 1.15, c: float = 1.0, p: float = 1.0) -> np.ndarray:
    """A noisy activation function (2016): hard tanh with noise only where it is saturated.

    alpha * clip(x) + (1 - alpha) * x, plus noise that points back to clip(x) and whose width grows with the distance
    d = clip(x) - x from the linear part: c (sigmoid(p d) - 0.5)^2. `noise` is half-normal, |N(0, 1)|. Inside [-1, 1]
    d is 0 and nothing happens.
    """
    x = np.asarray(x, float)
    hard = np.clip(x, -1, 1)
    width = c * (sigmoid(p * (hard - x)) - 0.5) ** 2
    return alpha * hard + (1 - alpha) * x - np.sign(x) * np.sign(1 - alpha) * width * noise


def d_noisy_hard_tanh(x, noise, alpha: float = 1.15, c: float = 1.0, p: float = 1.0) -> np.ndarray:
    """The derivative along x for this `noise`; in the saturated part it is never exactly 0, which is the point."""
    x = np.asarray(x, float)
    inside = np.where(np.abs(x) < 1, 1.0, 0.0)
    s = sigmoid(p * (np.clip(x, -1, 1) - x))
    d_width = 2 * c * (s - 0.5) * s * (1 - s) * p * (inside - 1)
    return alpha * inside + (1 - alpha) - np.sign(x) * np.sign(1 - alpha) * d_width * noise
