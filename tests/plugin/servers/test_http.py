from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from foveal.errors import EnvironmentFault
from foveal.servers import free_port
from foveal.servers.http import Answer, answers, ask


class Echo(BaseHTTPRequestHandler):
    """Answers with what it got; the path is the status."""

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(int(self.path[1:]))
        self.send_header(
            "X-Method", f"{self.command} {self.headers['Content-Type']} {self.headers.get('X-Site')}"
        )
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, *_):
        pass


@pytest.fixture
def url():
    with HTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 404, 503])
def test_the_answer_comes_whatever_its_status(url, status):
    answer = ask(f"{url}/{status}", b"abc", {"X-Site": "north"})
    assert (answer.status, answer.body) == (status, b"abc")
    assert answer.headers["x-method"] == "POST application/octet-stream north"
    assert ask(f"{url}/{status}").headers["x-method"].startswith("GET ")
    assert answers(f"{url}/{status}") == (status == 200)


def test_nobody_there():
    url = f"http://127.0.0.1:{free_port()}/x"
    with pytest.raises(EnvironmentFault, match=f"No answer from {url} .*Check that the server still runs"):
        ask(url)
    assert not answers(url)


def test_the_message_of_an_answer():
    assert Answer(400, {}, b'{"message": "no image"}').message == "no image"
    assert Answer(400, {}, b"plain words\n").message == "plain words"
    assert Answer(400, {}, b"[1]").message == "[1]"
