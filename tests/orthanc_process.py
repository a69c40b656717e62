"""Debian's Orthanc for the tests, in a network namespace of its own: it listens on all interfaces whatever it is told.

The namespace has a loopback and nothing else, so that the server can be reached from inside only: a test goes inside
with `Orthanc.inside()`, which moves its thread there (threads started from it go along) and back out again.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which

from helpers.pacs import Archive, PacsError, echo
from tests.in_new_namespace import CLONE_NEWNET

OWN = Path("/proc/thread-self/ns/net")
NAMESPACE = Path(__file__).with_name("in_new_namespace.py")
PROGRAM = which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def why_not() -> str | None:
    """Why these tests cannot run here, or None."""
    if not sys.platform.startswith("linux"):
        return "network namespaces exist on Linux only"
    if PROGRAM is None:
        return "Orthanc is not installed (apt-get install orthanc)"
    if subprocess.run([sys.executable, NAMESPACE, "true"], capture_output=True).returncode:
        return "no right to make a network namespace (root has it)"
    return None


class Orthanc:
    """One Orthanc with its own folder, ports and namespace; stopped by its own pid."""

    def __init__(self, folder: Path, **settings: object):
        self.folder = folder
        self.settings = settings
        self.process: subprocess.Popen | None = None
        self.namespace: int | None = None  # a handle that outlives the server, for its successor
        self.archive = Archive("127.0.0.1", 4342, ae_title="ORTHANC", pause=0.3)

    def start(self) -> None:
        """Start, and wait until it answers an echo. After a kill, the files and the index of before are there again."""
        (self.folder / "db").mkdir(parents=True, exist_ok=True)
        configuration = {
            "Name": "test",
            "StorageDirectory": str(self.folder / "db"),
            "IndexDirectory": str(self.folder / "db"),
            "DicomAet": self.archive.ae_title,
            "DicomPort": self.archive.port,
            "DicomCheckCalledAet": True,
            "HttpPort": 4343,
            "HttpServerEnabled": False,
            "RemoteAccessAllowed": False,
            "StableAge": 1,
            "DicomModalities": {"friend": ["MEDIMG", "127.0.0.1", 4344]},
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowStore": False,
            "DicomAlwaysAllowFind": False,
            "DicomAlwaysAllowGet": False,
            **self.settings,
        }
        path = self.folder / "orthanc.json"
        path.write_text(json.dumps(configuration))
        with (self.folder / "orthanc.log").open("ab") as log:
            join = [] if self.namespace is None else ["--join", str(self.namespace)]
            self.process = subprocess.Popen(
                [sys.executable, str(NAMESPACE), *join, PROGRAM, str(path)],
                **{"stdout": log, "stderr": log, "stdin": subprocess.DEVNULL},
                pass_fds=[] if self.namespace is None else [self.namespace],
            )
        deadline = time.monotonic() + 20
        while True:
            try:
                if self.namespace is None and Path(self._path()).readlink() != OWN.readlink():
                    self.namespace = os.open(self._path(), os.O_RDONLY)
                with self.inside():
                    echo(self.archive)
                return
            except (PacsError, OSError) as error:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    tail = (self.folder / "orthanc.log").read_text(errors="replace")[-800:]
                    raise RuntimeError(f"Orthanc did not start: {tail}") from error
                time.sleep(0.05)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End this server, and only this one; SIGKILL is the pulled plug."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)

    def close(self) -> None:
        """Stop, and let the namespace go."""
        self.stop()
        if self.namespace is not None:
            os.close(self.namespace)
            self.namespace = None

    def _path(self) -> str:
        return f"/proc/{self.process.pid}/ns/net"

    @contextmanager
    def inside(self) -> Iterator[None]:
        """This thread in the server's network namespace; the other threads stay where they are."""
        if self.namespace is None:
            raise OSError("The server has no namespace of its own yet.")
        libc = ctypes.CDLL(None, use_errno=True)
        home = os.open(OWN, os.O_RDONLY)
        try:
            if libc.setns(self.namespace, CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            yield
        finally:
            libc.setns(home, CLONE_NEWNET)
            os.close(home)
