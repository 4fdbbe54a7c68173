import numpy as np
import pytest

from foveal_audit.generators import TooFewCrops, learn_generator, register_crops
from foveal_audit.generators.learning import hold_out
from foveal_audit.generators.storage import weights_bytes


@pytest.fixture(scope="module")
def learned(spiky):
    crops = spiky(80, jitter=3)
    groups = [f"sample{i // 2}" for i in range(80)]
    return crops, groups, learn_generator(crops, groups=groups, seed=1, steps=10)


def test_everything_is_learned_from_the_crops_not_held_out(learned):
    crops, _, result = learned
    kept = ~result.heldout & ~result.choosing
    aligned, shifts, template = register_crops(crops[kept])
    np.testing.assert_array_equal(result.crops[kept], aligned)
    np.testing.assert_array_equal(result.shifts[kept], shifts)
    np.testing.assert_array_equal(result.template, template)
    np.testing.assert_array_equal(result.originals, crops)
    assert result.generator.origin.n_crops == kept.sum()
    assert (result.card["n_train"], result.card["n_heldout"]) == (kept.sum(), result.heldout.sum())


def test_held_out_crops_are_aligned_too(learned):
    crops, _, result = learned

    def mean_distance(x):
        return np.abs(x[result.heldout] - result.template).mean()

    assert mean_distance(result.crops) < 0.9 * mean_distance(crops)


def test_windows_of_one_sample_stay_on_one_side(learned):
    _, groups, result = learned
    sides = {}
    for group, out, chosen in zip(groups, result.heldout, result.choosing, strict=True):
        sides.setdefault(group, set()).add((bool(out), bool(chosen)))
    assert all(len(side) == 1 for side in sides.values())
    assert (result.heldout.sum(), result.choosing.sum()) == (12, 8)
    assert not (result.heldout & result.choosing).any()


def test_learning_again_gives_the_same(learned):
    crops, groups, result = learned
    again = learn_generator(crops, groups=groups, seed=1, steps=10)
    assert weights_bytes(again.generator) == weights_bytes(result.generator)
    assert again.card == result.card


@pytest.mark.parametrize(("n", "held_out"), [(12, 0), (14, 2), (16, 4), (100, 25)])
def test_twelve_crops_always_stay_to_learn_from(n, held_out):
    assert hold_out(range(n), seed=0).sum() == held_out


def test_a_group_too_large_to_hold_out_stays():
    marked = hold_out(["big"] * 90 + ["small"] * 10, seed=0)
    assert not marked[:90].any()
    assert marked[90:].all()


def test_twelve_crops_are_enough_and_eleven_are_not(spiky):
    result = learn_generator(spiky(12))
    assert result.generator.kind == "pca-gmm"
    assert result.card["c2st"] is None
    with pytest.raises(TooFewCrops):
        learn_generator(spiky(11))
