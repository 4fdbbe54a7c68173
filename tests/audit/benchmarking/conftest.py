"""A made-up truth: a small mark in the corner, a nodule in the middle, a tint over everything."""

import numpy as np
import pytest

from foveal_audit.benchmarking.answers import Answer, Facet
from foveal_audit.benchmarking.truths import Factor, Sample, Truth
from foveal_audit.planting.masks import encode_mask

CORNER, MIDDLE = (2, 50, 12, 62), (22, 22, 42, 42)


def mask(box):
    made = np.zeros((64, 64), dtype=bool)
    made[box[0] : box[2], box[1] : box[3]] = True
    return encode_mask(made)


def sample(number):
    """Mark on the even ones of class 1, object on classes 1 and 2, tint on half of class 1."""
    outcome, masks = number % 3, {}
    if outcome:
        masks["object"] = mask(MIDDLE)
    if outcome == 1 and number % 2 == 0:
        masks["mark 0"] = mask(CORNER)
    if outcome == 1 and number % 4 < 2:
        masks["mark 1"] = mask((0, 0, 64, 64))
    return Sample(outcome, "production" if number >= 60 else "training", 0 if number >= 96 else None, masks)


@pytest.fixture
def make_truth():
    """Build the truth; which factors are relied on is given."""

    def make(relied=("mark 0", "object"), control="", gaps=("removed",)):
        factors = (
            Factor("mark 0", "artefact", "marker", "mark 0" in relied, (-1.0, 2.0, -1.0)),
            Factor("mark 1", "artefact", "tint", "mark 1" in relied, (-1.0, 2.0, -1.0)),
            Factor("object", "core", "core", "object" in relied, (-3.0, 1.5, 0.1)),
        )
        samples = {f"s/{number}.png": sample(number) for number in range(120)}
        return Truth({"control": control, "decoys": ["prior"]}, ("a", "b", "c"), 0.9, factors, gaps, samples)

    return make


@pytest.fixture
def facet(make_truth):
    """Build a facet of windows on the samples for which a condition holds."""
    samples = make_truth().samples

    def make(box, where, score=0.5, verdict="genuine", outcome="b", effects=()):
        entries = tuple((name, box) for name, one in samples.items() if where(one))
        return Facet("contribution:0", entries, score, verdict, outcome, effects)

    return make


@pytest.fixture
def answer():
    """Build an answer."""
    return lambda facets=(), coverage=None, groups=(): Answer("audit", tuple(facets), coverage, tuple(groups))
