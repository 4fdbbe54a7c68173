"""Who may ask the explorer for something, and what its answers allow."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient

from foveal_audit.explorer.app import make_app
from foveal_audit.explorer.guard import POLICY, Guard

BASE = "http://127.0.0.1:8123"
PAGES = ("/", "/entries", "/entries?feature=fc1%3A7", "/triage", "/log", "/compare", "/why?request=x")


@pytest.fixture(scope="module")
def app(exhibits, guard):
    return make_app(exhibits, guard)


@pytest.fixture
def stranger(app):
    return TestClient(app, BASE, follow_redirects=False)


@pytest.fixture
def friend(app, guard):
    client = TestClient(app, BASE, follow_redirects=False, headers={"accept": "text/html"})
    client.get(f"/?token={guard.token}")
    return client


@pytest.mark.parametrize(
    "path", [*PAGES, "/api/entries", "/static/explorer.css", "/annotations.json", "/nowhere"]
)
def test_a_stranger_sees_nothing(stranger, path):
    answer = stranger.get(path)
    assert answer.status_code == 401
    assert answer.text == (
        "This page belongs to somebody else. Open the address that `foveal explore` printed.\n"
    )


def test_the_token_becomes_a_cookie_and_leaves_the_address(stranger, guard):
    answer = stranger.get(f"/why?request=a%26b&token={guard.token}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/why?request=a%26b")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("foveal-8123=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(re.split("; ", cookie))
    assert guard.token not in cookie
    assert guard.session != guard.token
    assert stranger.get("/").status_code == 200


def test_a_wrong_token_is_refused_even_beside_the_cookie(friend, guard):
    assert friend.get("/?token=x").status_code == 403
    assert friend.get(f"/?token={guard.token[:-1]}").status_code == 403
    assert friend.get("/", headers={"cookie": "foveal-8123=x"}).status_code == 401


def test_the_token_leads_nowhere_else(stranger, guard):
    answer = stranger.get(f"//evil.example/?token={guard.token}")
    assert answer.headers["location"].startswith("/")
    assert not answer.headers["location"].startswith("//")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8123", "127.0.0.1.evil.example", "0.0.0.0",
                                  "10.0.0.7", "", "localhost@evil.example", "127.0.0.1:0", "[::1",
                                  "a:b:c"])  # fmt: skip
def test_other_hosts_are_refused(friend, host):
    assert friend.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8123", "localhost:8123", "[::1]:8123", "LOCALHOST:8123"])
def test_the_loopback_address_has_several_names(friend, guard, host):
    assert friend.get("/", headers={"host": host}).status_code in (200, 401)


@pytest.mark.parametrize("origin", [None, "null", "http://127.0.0.1:5000", "https://127.0.0.1:8123",
                                    "http://evil.example"])  # fmt: skip
@pytest.mark.parametrize("path", ["/api/annotations", "/api/undo", "/api/import"])
def test_other_pages_change_nothing(friend, exhibits, origin, path):
    headers = {} if origin is None else {"origin": origin}
    said = {"who": "Eve", "subject": "fc1:7", "verdict": "genuine"}
    before = exhibits.annotations.heads()
    assert friend.post(path, json=said, headers=headers).status_code == 403
    assert exhibits.annotations.heads() == before


@pytest.mark.parametrize(
    "path", [*PAGES, "/api/entries", "/static/library.js", "/nowhere", "/strip?feature=fc1%3A7"]
)
def test_every_answer_carries_the_policy(friend, path):
    headers = friend.get(path).headers
    assert headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"


def test_no_page_names_anything_outside_or_runs_what_stands_in_it(friend):
    for path in PAGES:
        text = friend.get(path).text
        assert not re.search(r"""(src|href)=["'](?!/|#|data:|http://127)""", text), path
        assert not re.search(r"<script(?![^>]*(src=|application/json))", text)
        assert not re.search(r"<[^>]+\s(style|on\w+)=", re.sub(r'"[^"]*"', '""', text)), path


def test_files_are_our_own_only(friend):
    for name in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "x.js"):
        assert friend.get(f"/static/{name}").status_code == 404


def test_guards_differ():
    assert len({Guard().token for _ in range(5)} | {Guard().session for _ in range(5)}) == 10


def test_what_json_has_no_word_for_is_refused_and_not_sent_back(friend):
    headers = {"origin": BASE, "content-type": "application/json"}
    answer = friend.post("/api/annotations", content=b'{"code": Infinity}', headers=headers)
    assert answer.status_code == 422
    told = answer.json()["detail"]
    assert {tuple(one["loc"]) for one in told} >= {("body", "who"), ("body", "code")}
    assert all(set(one) == {"type", "loc", "msg"} for one in told)
