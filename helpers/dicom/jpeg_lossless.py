"""Are the pixels that came out of a lossless JPEG all that its bits say? Decoders fill what is missing and keep quiet.

Each difference between a pixel and its prediction takes a known number of bits (ITU-T T.81 annex H), so the decoded
picture tells how many there must have been. A stream that lost bytes, or whose code was disturbed, has others.
"""

from __future__ import annotations

import re
from functools import lru_cache

import numpy as np

from helpers.dicom.codestream import END_SEARCH, bare, bodies, code_lengths
from helpers.dicom.sources import Broken

LOSSLESS = ("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70")  # transfer syntaxes of process 14
RESTART = re.compile(rb"\xff[\xd0-\xd7]")  # between intervals, each filled up to whole bytes and predicted anew


def check_bits(stream: memoryview, pixels: np.ndarray) -> None:
    """Raises Broken when `pixels`, as decoded, need more bits than the stream holds, or far fewer.

    stream: one that `codestream.check` let pass. pixels: (rows, columns) integers of at most 16 bits. Only lossless
    coding with Huffman tables is looked at.
    """
    stream = bare(stream)
    lengths: dict[int, bytes] = {}
    precision, every = 0, len(pixels)
    for marker, body, end in bodies(stream):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC3, 0xC4):
            return
        if marker == 0xDD:  # DRI counts pixels, whole rows of them (T.81 H.1.1)
            every = int.from_bytes(body, "big") // pixels.shape[1] or len(pixels)
        elif marker == 0xC3:
            precision = body[0]
        elif marker == 0xC4:
            lengths |= code_lengths(body)
        elif marker == 0xDA:
            _, _, table, predictor, _, shift = body
            coded = RESTART.split(bytes(stream[end : END_SEARCH.search(stream, end).start()]))
            strips = [pixels[row : row + every] for row in range(0, len(pixels), every)]
            if len(coded) != len(strips):
                raise Broken("damaged: the compressed picture has not as many intervals as it says")
            for part, strip in zip(coded, strips):
                _compare(part, bits_of(strip, precision, predictor, shift & 15, lengths[table >> 4]))
            return


def _compare(coded: bytes, needed: int) -> None:
    coded = coded.rstrip(b"\xff")  # fill bytes
    stuffed = np.count_nonzero(np.frombuffer(coded, np.uint8) == 0xFF)  # a zero byte stands behind each
    spare = 8 * (len(coded) - stuffed) - needed
    if spare < 0:
        raise Broken("truncated: the compressed picture has fewer bits than its pixels need")
    # A last byte is filled up with ones (T.81 F.1.2.3); some writers append another one, of ones or of zeros.
    paddings = ((1 << spare) - 1, (1 << spare) - 256)
    if spare > 15 or (spare > 7 and _last_bits(coded, spare) not in paddings):
        raise Broken("damaged: the compressed picture has more bits than its pixels need")


def _last_bits(coded: bytes, count: int) -> int:
    return int.from_bytes(coded[-8:].replace(b"\xff\0", b"\xff"), "big") & ((1 << count) - 1)


def bits_of(pixels: np.ndarray, precision: int, predictor: int, shift: int, lengths: bytes) -> int:
    """How many bits the differences of a picture take. lengths: of the code of each of the 17 categories, 0 for none.

    precision, predictor, shift: P, the selection value and the point transform of T.81 H.1.2.
    """
    values = pixels.astype(np.uint16)
    if precision < 16 or shift:
        values = (values & np.uint16((1 << precision) - 1)) >> np.uint16(shift)
    differences = values - _predicted(values, predictor, np.uint16(1 << precision - shift - 1))
    costs = _costs(lengths).take(differences)
    return int(costs.sum(axis=1, dtype=np.uint32).sum(dtype=np.int64))


def _predicted(x: np.ndarray, predictor: int, first: np.uint16) -> np.ndarray:
    """T.81 table H.1, modulo 2**16; the first row is predicted from the left, the first column from above."""
    guess = np.empty_like(x)
    guess[0, 0], guess[0, 1:], guess[1:, 0] = first, x[0, :-1], x[:-1, 0]
    a, b, c = (part.astype(np.int32) if predictor > 3 else part for part in (x[1:, :-1], x[:-1, 1:], x[:-1, :-1]))
    formulas = {
        1: lambda: a,
        2: lambda: b,
        3: lambda: c,
        4: lambda: a + b - c,
        5: lambda: a + (b - c >> 1),
        6: lambda: b + (a - c >> 1),
        7: lambda: a + b >> 1,
    }
    guess[1:, 1:] = formulas[predictor]()
    return guess


@lru_cache(maxsize=64)
def _costs(lengths: bytes) -> np.ndarray:
    """Bits for each difference modulo 2**16: its code, and the bits behind it (T.81 H.1.2.2)."""
    sizes = np.abs(np.arange(1 << 16).astype(np.uint16).view(np.int16).astype(np.int32))
    category = np.ceil(np.log2(sizes + 1)).astype(int)
    return (np.frombuffer(lengths, np.uint8)[category] + np.where(category < 16, category, 0)).astype(np.uint8)
