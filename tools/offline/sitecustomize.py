"""Put this folder on PYTHONPATH and Python refuses every connection that leaves this machine.

The notebooks promise to run without network; with this file a hidden download fails the build instead of the reader.
Connections to the loopback stay open: Jupyter talks to its kernels there, and notebook 02 to its own small archive.
"""

import ipaddress
import socket

_connect, _connect_ex, _getaddrinfo = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo


def _is_here(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return host == socket.gethostname()


def _refuse(host: object) -> None:
    if not _is_here(host):
        raise OSError(f"No network in this run: a connection to {host!r} was refused. Notebooks must work offline.")


def _guarded(original):
    def connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse(address[0])
        return original(self, address)

    return connect


def _guarded_getaddrinfo(host, *args, **kwargs):
    _refuse(host)
    return _getaddrinfo(host, *args, **kwargs)


socket.socket.connect = _guarded(_connect)
socket.socket.connect_ex = _guarded(_connect_ex)
socket.getaddrinfo = _guarded_getaddrinfo
