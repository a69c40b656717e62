"""A small encoder of lossless JPEG (ITU-T T.81 annex H), pixel by pixel as the standard tells it."""

from __future__ import annotations

import struct

import numpy as np

# One code for each category of differences: 17 codes of 5 bits.
CATEGORIES, WIDTH = range(17), 5


def encode(pixels: np.ndarray, precision: int, predictor: int = 1, shift: int = 0, every: int = 0) -> bytes:
    """The code stream of a picture (rows, columns) of unsigned values; predictor 1 to 7, point transform `shift`.

    every: how many rows lie between two restarts; 0 for none.
    """
    rows, columns = pixels.shape
    strips = [pixels[row : row + (every or rows)] for row in range(0, rows, every or rows)]
    coded = _coded(strips[0], precision, predictor, shift)
    for k, strip in enumerate(strips[1:]):
        coded += bytes([0xFF, 0xD0 + k % 8]) + _coded(strip, precision, predictor, shift)
    table = bytes([0]) + bytes(len(CATEGORIES) * (length == WIDTH) for length in range(1, 17)) + bytes(CATEGORIES)
    frame = struct.pack(">BHHB", precision, rows, columns, 1) + b"\x01\x11\0"
    scan = bytes([1, 1, 0, predictor, 0, shift])
    parts = [(0xC3, frame), (0xC4, table), (0xDD, struct.pack(">H", every * columns)), (0xDA, scan)]
    header = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in parts)
    return b"\xff\xd8" + header + coded + b"\xff\xd9"


def _coded(pixels: np.ndarray, precision: int, predictor: int, shift: int) -> bytes:
    """One interval, filled up to whole bytes."""
    x = pixels.astype(int) >> shift
    places = [(r, c) for r in range(x.shape[0]) for c in range(x.shape[1])]
    bits = "".join(_code(int(x[place]) - _guess(x, *place, predictor, precision - shift)) for place in places)
    bits += "1" * (-len(bits) % 8)
    return bytes(int(bits[k : k + 8], 2) for k in range(0, len(bits), 8)).replace(b"\xff", b"\xff\0")


def _guess(x: np.ndarray, r: int, c: int, predictor: int, precision: int) -> int:
    if r == 0:
        return int(x[0, c - 1]) if c else 1 << precision - 1
    if c == 0:
        return int(x[r - 1, 0])
    a, b, corner = int(x[r, c - 1]), int(x[r - 1, c]), int(x[r - 1, c - 1])
    return (a, b, corner, a + b - corner, a + (b - corner >> 1), b + (a - corner >> 1), a + b >> 1)[predictor - 1]


def _code(difference: int) -> str:
    """The category, and the bits that tell the difference within it; modulo 2**16, where -32768 needs none."""
    difference = (difference + 32768) % 65536 - 32768
    category = abs(difference).bit_length()
    code = format(category, f"0{WIDTH}b")
    if category in (0, 16):
        return code
    return code + format(difference if difference > 0 else difference + (1 << category) - 1, f"0{category}b")
