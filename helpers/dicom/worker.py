"""A process that decodes compressed frames: headers come in by pipe, pixels go out. Started by `decoding`."""

from __future__ import annotations

import os
import pickle
import struct
import sys
from typing import BinaryIO

LENGTH = struct.Struct("<Q")
READY = b"ready"


def send(stream: BinaryIO, data: bytes) -> None:
    """One message: its length and its bytes."""
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def receive(stream: BinaryIO) -> bytes:
    """One message; EOFError when the other side has gone."""
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    (length,) = LENGTH.unpack(head)
    data = stream.read(length)
    if len(data) < length:
        raise EOFError
    return data


def serve(source: BinaryIO, target: BinaryIO) -> None:
    """Answer jobs until the source ends: a list of array types and then the arrays, or the reason why not."""
    from helpers.dicom.pixels import decode
    from helpers.dicom.sources import Unreadable

    send(target, READY)
    while True:
        try:
            header, indices = pickle.loads(receive(source))
        except EOFError:
            return
        try:
            arrays = decode(header, indices)
        except Unreadable as error:
            send(target, pickle.dumps(error))
            continue
        send(target, pickle.dumps([array.dtype.str for array in arrays]))
        for array in arrays:
            target.write(array.data if array.flags.c_contiguous else array.tobytes())
        target.flush()


def main() -> None:
    """Serve the process that started this one."""
    # Decoders written in C print what they please: the pipe must stay clean.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)
