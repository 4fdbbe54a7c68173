from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from foveal.tracing import parse_traceparent, trace_id

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{PARENT}-01"


def digits(count):
    return st.text("0123456789abcdef", min_size=count, max_size=count)


@given(version=digits(2), trace=digits(32), parent=digits(16), flags=digits(2))
def test_every_valid_header_gives_its_trace_id(version, trace, parent, flags):
    assume(version != "ff" and trace.strip("0") and parent.strip("0"))
    value = f"{version}-{trace}-{parent}-{flags}"
    assert parse_traceparent(value) == trace
    assert parse_traceparent(value.encode()) == trace
    assert trace_id({"TraceParent": value, "other": 3}) == trace
    assert parse_traceparent(f"{value}-more") == (None if version == "00" else trace)
    assert parse_traceparent(f"{value}more") is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        VALID.upper(),
        VALID.replace("00-", "ff-", 1),
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        VALID[:-1],
        VALID + "0",
        VALID + "\n",
        VALID + "\x00",
        f"{VALID},{VALID}",
        VALID.replace("4", "٤"),  # a digit, but not one of ASCII's
        VALID.replace("-", "\u2010"),
        f"cc-{TRACE}-{PARENT}-01-\x7f",
        f"cc-{TRACE}-{PARENT}-01-" + "x" * 10**6,
        "00-" * 10**5,
        "../../etc/passwd",
        None,
        7,
        [VALID],
        b"\xff" * 55,
        "\ud800" * 55,
    ],
)
def test_what_the_standard_calls_invalid(value):
    assert parse_traceparent(value) is None
    assert trace_id({"traceparent": value}) is None


def test_spaces_around_it_are_the_transports():
    assert parse_traceparent(f" {VALID}\t") == TRACE


def test_none_and_two_of_them():
    assert trace_id({}) is None
    assert trace_id({"traceparent": VALID, "Traceparent": VALID}) is None


@given(st.text(max_size=80) | st.binary(max_size=80) | st.from_regex(r"[0-9a-f-]{55}(-.*)?"))
def test_whatever_is_sent_gives_an_id_or_nothing(value):
    found = parse_traceparent(value)
    assert found is None or (len(found) == 32 and set(found) <= set("0123456789abcdef"))
