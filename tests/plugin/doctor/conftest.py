from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from foveal.doctor import Surroundings, examine
from foveal.doctor.checks import CHECKS
from foveal.servers.configuration import read_properties


@pytest.fixture
def verdicts():
    """Make some of the checks; give (status, what, paste) of each verdict."""

    def make(*names, **surroundings):
        found = Surroundings(**{"environ": {}, **surroundings})
        return [
            (verdict.status.value, verdict.what, verdict.paste)
            for name in names
            for verdict in CHECKS[name][1](found)
        ]

    return make


@pytest.fixture
def configured(tmp_path):
    """Give the surroundings of a config.properties with these lines."""

    def make(*lines):
        path = tmp_path / "config.properties"
        path.write_text("\n".join(lines))
        return {"config": path, "settings": read_properties(path)}

    return make


@pytest.fixture
def everything():
    """Make all checks; give the answers by check."""

    def make(**surroundings):
        return examine(Surroundings(**{"environ": {}, **surroundings}))

    return make


@pytest.fixture
def server():
    """A server that gives the answers it is told: status, headers and body by path."""
    stops = []

    def start(answers):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, headers, body = answers.get(self.path.split("?")[0], (404, {}, b"nothing here"))
                self.seen.append(self.headers.get("Authorization"))
                self.send_response_only(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        Handler.seen = []
        http = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        stops.append((http, thread))
        return f"http://127.0.0.1:{http.server_port}", Handler.seen

    yield start
    for http, thread in stops:
        http.shutdown()
        thread.join()
        http.server_close()
