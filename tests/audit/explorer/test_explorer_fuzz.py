"""Whatever is asked, the explorer answers: with what was asked for, or with what is wrong about it.

Questions are made from the application's own OpenAPI description, so that a new route is asked as well.
"""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from hostile_audit import FEATURES, HOSTILE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveal_audit.explorer.app import make_app
from foveal_audit.explorer.browsing import ORDERS, Wanted
from foveal_audit.explorer.guard import Guard

BASE = "http://127.0.0.1:8123"
#: Parameters that routes read by themselves, so that the description does not name them.
UNNAMED = {
    "/api/entries": [*Wanted.__dataclass_fields__, "metadata.site", f"metadata.{HOSTILE}", "metadata."],
    "/frames/{feature}": ["z", "seed", "part"],
    "/frames/{feature}/walk": ["seed", "frames"],
    "/frames/{feature}/walk.mp4": ["seed"],
}
NUMBERS = ["0", "-1", "1", "7", "40", "1e999", "nan", "-inf", "9" * 30, "1.5", "0x10", "٣", ""]
SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def described(app):
    """Name every route: method and path."""
    paths = app.openapi()["paths"]
    return sorted((method, path) for path, methods in paths.items() for method in methods)


@pytest.fixture(scope="module")
def app(exhibits):
    return make_app(exhibits, Guard())


@pytest.fixture(scope="module")
def client(exhibits):
    guard = Guard()
    client = TestClient(make_app(exhibits, guard), BASE, headers={"origin": BASE})
    client.get(f"/?token={guard.token}")
    return client


@pytest.fixture(scope="module")
def words(exhibits):
    """Real names and ids, so that questions get past the first check."""
    entry = exhibits.library.query(feature=FEATURES[1]).ids()[0]
    found = exhibits.findings
    known = [
        *FEATURES, entry, f"{entry},{entry}", found.artefacts[0].id, found.gaps[0].id, "bundle-0", *ORDERS,
        "training", "training/00001.png", "0.1,0.6", "2026-03-01", "picture", "disc",
    ]  # fmt: skip
    latent = ",".join(["0.1"] * 6)
    return st.one_of(
        st.sampled_from([*known, *NUMBERS, latent, HOSTILE, "..", "%00", "\x00"]), st.text(max_size=20)
    )


def parameters(app, method, path):
    told = app.openapi()["paths"][path][method].get("parameters", [])
    places = {one["name"]: one["in"] for one in told}
    return places | dict.fromkeys(UNNAMED.get(path, []), "query")


def bodies(app, method, path):
    """Give bodies: by the description with anything for a value, any JSON, any bytes."""
    words = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20))
    anything = st.recursive(
        words,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )
    names = fields(app, method, path)
    by_name = st.fixed_dictionaries({}, optional=dict.fromkeys(names, anything))
    texts = st.lists(st.text(max_size=20), min_size=1, max_size=3)
    likely = st.fixed_dictionaries({}, optional=dict.fromkeys(names, st.text(max_size=20) | texts))
    told = st.one_of(by_name, likely, anything).map(lambda value: json.dumps(value).encode())
    return told | st.binary(max_size=40) | st.just(b'{"events": [{"id": "x"}]}')


def fields(app, method, path):
    description = app.openapi()
    body = description["paths"][path][method].get("requestBody")
    if body is None:
        return ["events"]
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    return sorted(description["components"]["schemas"][name]["properties"])


def asked(client, app, method, path, data, words):
    """Ask once; an exception of the application comes out as it is."""
    query = []
    for name, place in parameters(app, method, path).items():
        value = data.draw(words, name)
        if place == "path":
            path = path.replace(f"{{{name}}}", quote(value, safe="", errors="replace") or "x")
        elif data.draw(st.booleans(), f"{name}?"):
            query.append((name, value.encode("utf-8", "replace").decode()))
    body = data.draw(bodies(app, method, path), "body") if method == "post" else None
    html = data.draw(st.booleans(), "html")
    headers = {"accept": "text/html" if html else "*/*", "content-type": "application/json"}
    return client.request(method, path, params=query, content=body, headers=headers)


def fuzz(client, app, words, method, path, examples):
    @settings(max_examples=examples, **SETTINGS)
    @given(st.data())
    def ask(data):
        answer = asked(client, app, method, path, data, words)
        assert answer.status_code < 500
        assert "content-security-policy" in answer.headers
        if answer.status_code >= 400 and "json" in answer.headers["content-type"]:
            assert set(answer.json()) <= {"fault", "mend", "detail"}

    ask()


def test_the_description_names_the_routes(app):
    known = described(app)
    assert {("get", "/"), ("get", "/api/entries"), ("post", "/api/annotations"),
            ("get", "/frames/{feature}/walk.mp4")} <= set(known)  # fmt: skip
    assert len(known) >= 25


@pytest.mark.slow
def test_no_question_brings_it_down(client, app, words):
    for method, path in described(app):
        fuzz(client, app, words, method, path, 2 if path.endswith(".mp4") else 10)


@pytest.mark.full
def test_no_question_of_very_many_brings_it_down(client, app, words):
    for method, path in described(app):
        fuzz(client, app, words, method, path, 20 if path.endswith(".mp4") else 600)
