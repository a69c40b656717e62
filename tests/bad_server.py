"""A web server on 127.0.0.1 that serves one small file well, or in each of the ways in which downloads go wrong."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class _Handler(BaseHTTPRequestHandler):
    """Answers /good, /cut, /cut-once, ...: the path names the behaviour."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        behaviour = self.path.strip("/").split("/")[0]
        self.server.asked[behaviour] += 1
        with suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, f"_{behaviour.replace('-', '_')}")(self.server.content)
        self.close_connection = True

    def end_headers(self) -> None:
        self.send_header("Connection", "close")
        super().end_headers()

    def log_message(self, *_) -> None:
        """Keep the test output quiet."""

    def _send(self, body: bytes, *, length: int | None = None, status: int = 200, kind: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _good(self, content: bytes) -> None:
        self._send(content)

    def _moved(self, content: bytes) -> None:
        self.send_response(302)
        self.send_header("Content-Type", "text/html")
        self.send_header("Location", "/good")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _cut(self, content: bytes) -> None:
        self._send(content[: len(content) // 2], length=len(content))

    def _cut_once(self, content: bytes) -> None:
        (self._cut if self.server.asked["cut-once"] == 1 else self._good)(content)

    def _busy_once(self, content: bytes) -> None:
        if self.server.asked["busy-once"] == 1:
            self._send(b"later", status=503)
        else:
            self._good(content)

    def _cut_unannounced(self, content: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(content[:-1])

    def _long(self, content: bytes) -> None:
        self._send(content, length=len(content) + 5)

    def _short(self, content: bytes) -> None:
        self._send(content, length=len(content) - 5)

    def _endless(self, content: bytes) -> None:
        self.send_response(200)
        self.end_headers()
        for _ in range(200):
            self.wfile.write(content)

    def _page(self, content: bytes) -> None:
        self._send(b"<!DOCTYPE html><title>Sign in</title>", kind="text/html; charset=utf-8")

    def _page_as_file(self, content: bytes) -> None:
        page = b"\n <html><title>Moved</title>"
        self._send(page + b" " * (len(content) - len(page)), kind="application/octet-stream")

    def _wrong(self, content: bytes) -> None:
        self._send(bytes(reversed(content)))

    def _gone(self, content: bytes) -> None:
        self._send(b"<html>gone</html>", status=404, kind="text/html")

    def _slow(self, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for start in range(0, len(content), 100):
            self.wfile.write(content[start : start + 100])
            self.wfile.flush()
            time.sleep(0.1)

    def _silent(self, content: bytes) -> None:
        time.sleep(30)


class BadServer(ThreadingHTTPServer):
    """`url("cut")` is an address with that behaviour; `asked` counts the requests for each."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.asked = content, Counter()

    def url(self, behaviour: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{behaviour}"


@contextmanager
def serving(content: bytes) -> Iterator[BadServer]:
    """A running server, stopped at the end."""
    server = BadServer(content)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
