"""Names of erased samples leave tables and sentences; all else stays."""

from __future__ import annotations

import pytest

from foveal.library.redactors import Erased
from foveal_audit.bundle.scrubbing import (
    scrubbed,
    telling,
    training_left,
    worklist_left,
)
from foveal_audit.bundle.worklist import COLUMNS

GONE = {("training", "site a/00031.png"), ("training", "00031.png"), ("production", "request-0025")}

HELD = {
    *(
        ("training", name)
        for name in ("a.png", "b.png", "c.png", "my scan.png", "100031.png", "00031.png.bak")
    ),
    ("training", "request-0025"),
    ("production", "request-00251"),
}


def erased(gone=frozenset(GONE)):
    return Erased(
        erasure="e", when="2026-03-01T12:00:00Z", run_id="r", stale=frozenset(), features=frozenset(),
        names=frozenset(name for _, name in gone), holds=lambda source, name: (source, name) in HELD,
    )  # fmt: skip


def row(**changes):
    return dict.fromkeys(COLUMNS, "") | {"finding": "A-1", "action": "mask", "mask": "0 0 4 4"} | changes


def left(**changes):
    (one,) = worklist_left([row(**changes)], erased())
    return one


@pytest.mark.parametrize(
    ("action", "like", "after"),
    [
        ("mask", "b.png site a/00031.png 00031.png c.png", "b.png c.png"),
        ("mask", "00031.png 00031.png", ""),
        ("mask", "my scan.png 00031.png", "my scan.png"),
        ("mask", "100031.png 00031.png.bak", "100031.png 00031.png.bak"),
        ("even_out", "00031.png request-0025", "request-0025"),  # such a sample of training is still there
        ("acquire", "request-0025 request-00251 a.png", "request-00251"),
        ("augment", "", ""),
    ],
)
def test_erased_examples_go_and_what_is_to_be_done_stays(action, like, after):
    assert left(action=action, like=like) == row(action=action, like=after)


def test_the_nearest_training_samples_of_a_gap_are_of_training():
    names = "00031.png request-0025 a.png"
    assert left(action="acquire", nearest_training=names)["nearest_training"] == "request-0025 a.png"


def test_names_in_sentences_are_replaced_where_they_are_long_enough():
    assert left(what="device = request-0025; site = b")["what"] == "device = [erased]; site = b"
    assert telling(erased({("training", "7.png")})) == set()
    assert scrubbed({"a": ["of request-0025", 3]}, {"request-0025"}) == {"a": ["of [erased]", 3]}


def test_training_windows_of_erased_samples_go():
    rows = [{"sample": "00031.png", "facet": "A"}, {"sample": "request-0025", "facet": "A"}]
    assert list(training_left(rows, erased())) == rows[1:]
