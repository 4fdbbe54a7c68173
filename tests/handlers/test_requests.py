from __future__ import annotations

import base64
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.config import Keep
from foveal.errors import UsageError
from foveal.sampling import is_sampled
from foveal_handlers.requests import Origin, kept_metadata, origins, sample_bytes, sent_texts

names = st.text("abcdef-", min_size=1, max_size=6)


@given(st.binary(min_size=1))
def test_bytes_and_base64_give_the_same(data):
    text = base64.b64encode(data).decode()
    for row in (
        {"data": data},
        {"body": bytearray(data)},
        {"data": text},
        {"body": {"b64": text}},
        {"body": {"data": text}},
    ):
        assert sample_bytes(row) == data


@pytest.mark.parametrize(
    "row", [{}, {"data": b""}, {"body": ""}, {"data": 7}, {"body": [1, 2]}, None, {"text": "x"}]
)
def test_rows_without_an_image(row):
    with pytest.raises(UsageError, match="The request holds no image"):
        sample_bytes(row)


@given(st.text())
def test_any_text_is_decoded_or_refused(text):
    with suppress(UsageError):
        assert isinstance(sample_bytes({"data": text}), bytes)


def test_rows_and_requests():
    assert origins(2, 2) == [Origin(0, 0), Origin(1, 0)]
    assert origins(3, 1) == [Origin(0, 0), Origin(0, 1), Origin(0, 2)]
    assert origins(1, 1) == [Origin(0, 0)]
    assert origins(3, 2) is None
    assert origins(2, 3) is None
    assert origins(0, 0) == []


@given(st.dictionaries(names, st.text()), st.lists(names), st.lists(names))
def test_nothing_but_what_is_allowed_is_kept(headers, metadata, allowed):
    kept = kept_metadata(headers, Keep(tuple(metadata), tuple(allowed)))
    assert kept.keys() <= {*metadata, *(name.lower() for name in allowed)}
    assert set(kept.values()) <= set(headers.values())
    assert kept_metadata(headers, Keep()) == {}


def test_headers_are_found_in_any_spelling():
    headers = {"X-Foveal-Site": "north", "SITE": "south", "X-Trace-ID": "t", "body": {"content-type": "x"}}
    kept = kept_metadata(headers, Keep(("site", "body"), ("x-trace-id",)))
    assert kept == {"site": "north", "x-trace-id": "t"}
    assert kept_metadata({"Site": "south"}, Keep(("site",))) == {"site": "south"}


@pytest.mark.parametrize("name", ["Authorization", "cookie", "Proxy-Authorization", "X-API-Key"])
def test_secrets_are_never_kept(name):
    assert kept_metadata({name: "secret"}, Keep((name,), (name,))) == {}


@given(st.text(), st.floats(0, 1))
def test_sampling_depends_on_the_id_alone(request_id, rate):
    assert is_sampled(request_id, rate) == is_sampled(request_id, rate)
    assert is_sampled(request_id, 1.0)
    assert not is_sampled(request_id, 0.0)
    if is_sampled(request_id, rate):
        assert is_sampled(request_id, (1 + rate) / 2)


def test_sampling_takes_the_share_that_is_asked_for():
    taken = sum(is_sampled(f"request-{number}", 0.2) for number in range(20_000))
    assert abs(taken / 20_000 - 0.2) < 0.02


def test_short_texts_beside_an_image():
    row = {"data": b"\xff\xd8", "case": b"A-17", "site": "north", "note": "x" * 1001, "shape": [1], 5: "x"}
    assert sent_texts(row) == {"case": "A-17", "site": "north"}
    assert sent_texts(b"no mapping") == sent_texts(None) == {}
