"""Networks that guess, and networks that do not."""

from __future__ import annotations

import numpy as np
import pytest
from synthetic_library import make_samples

from foveal_audit.judgement.assessing import discovery_rates
from foveal_audit.judgement.learned import has_learned

RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 3, 300)
GUESSED = RNG.integers(0, 3, 300)


@pytest.mark.parametrize(
    ("answers", "labels", "learned"),
    [
        (TRUTH, TRUTH, True),
        (GUESSED, TRUTH, False),
        (np.where(np.arange(300) % 2, TRUTH, GUESSED), TRUTH, True),
        ((TRUTH + 1) % 3, TRUTH, True),  # classes may be named as they like
        (np.zeros(300, dtype=int), TRUTH, False),
        (GUESSED, None, True),
        (GUESSED, np.zeros(300, dtype=int), True),
    ],
)
def test_answers_that_go_with_the_labels(answers, labels, learned):
    names = None if labels is None else [f"label {number}" for number in labels]
    samples = make_samples(["training"] * 300, predicted=answers.tolist(), labels=names)
    assert has_learned(samples) is learned


def test_nothing_is_discovered_where_nothing_was_tested():
    assert discovery_rates([None, None]) == [None, None]
