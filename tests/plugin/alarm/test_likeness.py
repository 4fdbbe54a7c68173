"""How unlike training a sample is, against a naive twin."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from foveal.alarm.likeness import NEIGHBOURS, Reference, describe, form_of

FORM = form_of([0.0, 0.0], {"fc1": [0.0], "conv": [0.0, 0.0]})


def reference(rng, number=60):
    return Reference.of(FORM, rng.normal(3, (1, 2, 4, 8, 16), (number, 5)).astype(np.float32))


def test_a_description_is_logits_then_layers_by_name():
    assert FORM == (("", 2), ("conv", 2), ("fc1", 1))
    assert describe([1, 2], {"fc1": [5], "conv": [3, 4]}) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("seed", range(5))
def test_the_score_is_the_distance_to_the_tenth_nearest(seed):
    rng = np.random.default_rng(seed)
    own = reference(rng)
    asked = rng.normal(3, 10, (20, 5)).astype(np.float32)
    scaled = (asked - own.centre) / own.spread
    naive = [sorted(np.linalg.norm(own.points - one, axis=1))[NEIGHBOURS - 1] for one in scaled]
    np.testing.assert_allclose(own.scores(asked), naive, rtol=1e-3, atol=1e-3)


def test_each_number_is_measured_by_how_much_it_varies():
    """Two deviations away score the same, whichever number they are in."""
    own = reference(np.random.default_rng(1), 4000)
    far = own.centre + 20 * np.diag(own.spread)
    scores = own.scores(far.astype(np.float32))
    assert scores.max() / scores.min() < 1.1


def test_samples_of_another_form_are_left_out_and_what_is_no_number_is_kept():
    own = reference(np.random.default_rng(2))

    def sample(scores, **activations):
        return SimpleNamespace(scores=scores, activations=activations)

    alike = sample((3, 3), fc1=(3,), conv=(3, 3))
    broken = sample((float("nan"), 3), fc1=(3,), conv=(3, 3))
    others = [sample((3, 3)), sample((3, 3), fc1=(3,), conv=(3,)), sample((3,), fc1=(3,), conv=(3, 3))]
    scores = own.of_stream([others[0], alike, others[1], broken, others[2]])
    assert len(scores) == 2
    assert np.isfinite(scores[0])
    assert np.isnan(scores[1])
    assert len(own.of_stream(others)) == 0


def test_what_never_varies_in_training_is_no_ruler():
    rng = np.random.default_rng(3)
    described = rng.normal(size=(60, 5)).astype(np.float32)
    described[:, 2] = 7
    own = Reference.of(FORM, described)
    moved = described[:5].copy()
    assert np.isfinite(own.scores(moved)).all()
    moved[:, 2] = 8
    assert (own.scores(moved) > 100).all()  # new all the same
