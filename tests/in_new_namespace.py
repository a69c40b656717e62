"""`python in_new_namespace.py COMMAND ...`: become COMMAND in a network namespace with a loopback and nothing else.

With `--join FD` before the command it enters the namespace of that open file instead of making one. It replaces this
process (exec), so the pid a test started is the server's own. Linux, and the right to do it (root).
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000


def enter_new_namespace() -> None:
    """Put this process into a fresh network namespace and switch its loopback on (ioctl SIOCSIFFLAGS, IFF_UP)."""
    import fcntl  # not on Windows, where the tests import this file too

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh14x", b"lo", 0x1))


def join_namespace(handle: int) -> None:
    """Enter the network namespace that an open /proc/<pid>/ns/net stands for."""
    if ctypes.CDLL(None, use_errno=True).setns(handle, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


if __name__ == "__main__":
    command = sys.argv[1:]
    if command[0] == "--join":
        join_namespace(int(command[1]))
        command = command[2:]
    else:
        enter_new_namespace()
    os.execvp(command[0], command)
