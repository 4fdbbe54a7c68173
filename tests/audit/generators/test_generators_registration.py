import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal_audit.generators.registration import (
    align_to,
    best_shifts,
    correlations,
    register_crops,
    shift_crops,
)


def naive_correlation(crop, template, max_shift):
    """Tapered, per channel centred correlation of every shifted crop, one loop per step of the definition."""
    channels, height, width = template.shape
    rows = np.hanning(height + 2)[1:-1] + 0.05
    columns = np.hanning(width + 2)[1:-1] + 0.05
    taper = np.outer(rows, columns)
    taper = taper / taper.sum()
    scores = np.zeros((2 * max_shift + 1, 2 * max_shift + 1))
    padded = np.pad(crop, ((0, 0), (max_shift,) * 2, (max_shift,) * 2), mode="reflect")
    for y in range(2 * max_shift + 1):
        for x in range(2 * max_shift + 1):
            joint = own = energy = 0.0
            for c in range(channels):
                patch = padded[c, y : y + height, x : x + width]
                a = patch - (taper * patch).sum()
                b = template[c] - (taper * template[c]).sum()
                joint += (taper * a * b).sum()
                energy += (taper * a * a).sum()
                own += (taper * b * b).sum()
            scores[y, x] = joint / np.sqrt(energy * own)
    return scores


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 9, 14)])
def test_correlations_equal_a_naive_twin(shape):
    rng = np.random.default_rng(0)
    crops, template = rng.random((3, *shape), np.float32), rng.random(shape, np.float32)
    fast = correlations(torch.from_numpy(crops), torch.from_numpy(template), 2).numpy()
    slow = np.stack([naive_correlation(crop.astype(float), template.astype(float), 2) for crop in crops])
    np.testing.assert_allclose(fast, slow, atol=2e-5)


def test_known_shifts_come_back(letters):
    offsets = np.random.default_rng(1).integers(-4, 5, (80, 2))
    crops = letters(80, offsets)
    _, shifts, _ = register_crops(crops, max_shift=8)
    error = shifts - offsets
    common = np.round(np.median(error, axis=0)).astype(int)  # the library as a whole may lie anywhere
    assert np.abs(common).max() <= 4
    assert (error == common).all(axis=1).mean() >= 0.97


@pytest.mark.parametrize("seed", [4, 5])
def test_the_library_as_a_whole_does_not_wander(letters, seed):
    rng = np.random.default_rng(seed)
    two_places = np.where(rng.random((40, 1)) < 0.45, [[4, 3]], [[-3, -2]]) + rng.integers(0, 2, (40, 2))
    _, shifts, _ = register_crops(letters(40, two_places, seed=seed), max_shift=8)
    np.testing.assert_array_equal(np.median(shifts, axis=0), [0, 0])


def test_registration_sharpens_the_template(letters):
    offsets = np.random.default_rng(2).integers(-3, 4, (60, 2))
    crops = letters(60, offsets)
    aligned, _, template = register_crops(crops)
    still = letters(60, np.zeros((60, 2), int)).mean(0)
    np.testing.assert_allclose(template, aligned.mean(0), atol=1e-6)
    assert crops.mean(0).std() < 0.8 * still.std()
    assert template.std() > 0.95 * still.std()


def test_held_out_crops_align_to_a_template_made_without_them(letters):
    offsets = np.random.default_rng(3).integers(-3, 4, (20, 2))
    template = letters(1, np.zeros((1, 2), int), seed=9)[0]
    aligned, shifts = align_to(letters(20, offsets, seed=4), template, 5)
    np.testing.assert_array_equal(shifts, offsets)
    assert aligned.shape == (20, 1, 32, 32)


def test_a_shift_moves_up_and_left_and_mirrors_the_rest():
    crop = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    moved = shift_crops(crop, np.array([[1, 0]]))
    np.testing.assert_array_equal(moved[0, 0, :, 0], [4, 8, 12, 8])
    moved = shift_crops(crop, np.array([[0, -2]]))
    np.testing.assert_array_equal(moved[0, 0, 0], [2, 1, 0, 1])


@settings(max_examples=25, deadline=None)
@given(y=st.integers(-3, 3), x=st.integers(-3, 3), seed=st.integers(0, 99))
def test_shifting_there_and_back_keeps_the_inside(y, x, seed):
    crop = np.random.default_rng(seed).random((1, 2, 10, 12)).astype(np.float32)
    back = shift_crops(shift_crops(crop, np.array([[y, x]])), np.array([[-y, -x]]))
    np.testing.assert_array_equal(back[..., 3:-3, 3:-3], crop[..., 3:-3, 3:-3])


def test_blank_crops_stay_where_they_are():
    template = np.random.default_rng(0).random((1, 16, 16), np.float32)
    crops = np.full((2, 1, 16, 16), 0.5, np.float32)
    np.testing.assert_array_equal(best_shifts(crops, template, 3), np.zeros((2, 2)))
    aligned, shifts, _ = register_crops(crops)
    np.testing.assert_array_equal(aligned, crops)
    assert not shifts.any()


def test_brightness_and_contrast_do_not_count(letters):
    crops = letters(5, np.array([[2, -1]] * 5))
    template = letters(1, np.zeros((1, 2), int))[0]
    np.testing.assert_array_equal(
        best_shifts(crops * 0.3 + 0.5, template, 4), best_shifts(crops, template, 4)
    )


def test_many_crops_are_correlated_in_batches(letters):
    offsets = np.random.default_rng(5).integers(-2, 3, (40, 2)).repeat(8, axis=0)
    crops = letters(320, offsets)
    template = letters(1, np.zeros((1, 2), int))[0]
    np.testing.assert_array_equal(best_shifts(crops, template, 3), offsets)


def test_no_reach_changes_nothing(library):
    aligned, shifts, template = register_crops(library, max_shift=0)
    np.testing.assert_array_equal(aligned, library)
    assert not shifts.any()
    np.testing.assert_allclose(template, library.mean(0))


def test_no_crops_are_no_trouble():
    aligned, shifts, template = register_crops(np.zeros((0, 1, 16, 16), np.float32))
    assert aligned.shape == (0, 1, 16, 16)
    assert shifts.shape == (0, 2)
    assert not template.any()


def test_a_reach_beyond_the_crop_is_refused(library):
    with pytest.raises(ValueError, match=r"a shift of 32 does not fit crops of \(32, 32\)"):
        register_crops(library, max_shift=32)
