"""All training windows of a facet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from synthetic_library import make_samples, make_windows, noise_crop

from foveal_audit.bundle.schema import Assessment
from foveal_audit.training_windows import training_windows

ONE = Assessment(
    id="A-00000001", feature="fc1:7", facet=0, n_entries={}, reliance=0, irrelevance=0, artefact_score=0,
    q_value=None, verdict="genuine",
)  # fmt: skip


def windows(number, **fields):
    return make_windows([noise_crop(np.random.default_rng(0))] * number, **fields)


def test_only_training_is_listed_and_all_of_it():
    samples = make_samples(["training", "production", "training"], labels=["smooth", "", ""])
    listed = training_windows(ONE, windows(4, owner=[0, 1, 2, 2], activation=[1, 2, 3, 4]), samples)
    assert (listed.facet, listed.samples) == ("A-00000001", ["s0000", "s0002", "s0002"])
    assert (listed.labels, listed.activations) == (["smooth", "", ""], [1.0, 3.0, 4.0])
    assert (listed.windows, listed.entries) == ([[8, 8, 24, 24]] * 3, ["e0000", "e0002", "e0003"])


def test_more_than_an_audit_names_are_listed():
    assert len(training_windows(ONE, windows(500), make_samples(["training"] * 500)).samples) == 500


def test_a_whole_picture_has_no_entry():
    whole = replace(windows(1), ids=np.array(["whole:s0000"]))
    assert training_windows(ONE, whole, make_samples(["training"])).entries == [""]
