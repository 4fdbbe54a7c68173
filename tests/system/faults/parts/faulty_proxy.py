"""A server that stands before a real one and misbehaves as it is told."""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


def refuse(handler):
    handler.answer(500, b"<html>Internal Server Error</html>")


def hang(handler):
    handler.server.proxy.changed.wait(60)


def reset(handler):
    """Close so that the other side is told of an error (RST) and not of an end."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def lose_answer(handler):
    """Let the request have its effect, and nobody hear of it."""
    handler.ask_real()
    reset(handler)


def halve_answer(handler):
    status, body, headers = handler.ask_real()
    handler.answer(status, body[: len(body) // 2], {**headers, "Content-Length": str(max(len(body), 2))})


def answer_no_http(handler):
    handler.wfile.write(b"\0\xff\x16\x03 this is no HTTP\r\n\r\n" * 20)


def answer_no_json(handler):
    handler.answer(200, b"<html>Please log in</html>", {"Content-Type": "text/html"})


def answer_nothing(handler):
    handler.answer(200, b"")


def answer_other_json(handler):
    handler.answer(200, b'[{"run": 5}]', {"Content-Type": "application/json"})


def answer_empty_json(handler):
    handler.answer(200, b"{}", {"Content-Type": "application/json"})


def forward(handler):
    handler.answer(*handler.ask_real())


FAULTS = {
    fault.__name__: fault
    for fault in (
        *(refuse, hang, reset, lose_answer, halve_answer),
        *(answer_no_http, answer_no_json, answer_nothing, answer_other_json, answer_empty_json),
    )
}


class FaultyProxy:
    """Forwards to a server, or does one of :data:`FAULTS` instead; ``often`` mixes them by chance."""

    def __init__(self, uri, seed=0):
        self.real = urlsplit(uri).netloc
        self.asked = 0
        self.share = 1.0
        self.faults = []
        self.changed = threading.Event()
        self._chance = random.Random(seed)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.proxy = self
        self.uri = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.changed.set()
        self._server.shutdown()
        self._server.server_close()

    def become(self, *faults, share=1.0):
        """Do one of these, for a share of the requests; nothing named means to work."""
        self.changed.set()
        self.changed = threading.Event()
        self.faults, self.share, self.asked = [FAULTS[name] for name in faults], share, 0

    def choose(self):
        self.asked += 1
        if self.faults and self._chance.random() < self.share:
            return self._chance.choice(self.faults)
        return forward


class _Handler(BaseHTTPRequestHandler):
    def handle_any(self):
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.close_connection = True
        self.server.proxy.choose()(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any  # noqa: N815 - http.server's names

    def handle(self):
        with suppress(OSError):  # the client has given up
            super().handle()

    def finish(self):
        with suppress(OSError, ValueError):  # closed on purpose
            super().finish()

    def ask_real(self):
        connection = http.client.HTTPConnection(self.server.proxy.real, timeout=60)
        connection.request(self.command, self.path, self.body, dict(self.headers))
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body, {"Content-Type": answer.getheader("Content-Type", "text/plain")}

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass
