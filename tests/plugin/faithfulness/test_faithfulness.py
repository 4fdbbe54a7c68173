"""Insertion and deletion against a twin that goes position by position, and against sums done by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal.faithfulness import (
    blur,
    insertion_deletion,
    make_baseline,
    random_insertion_deletion,
    random_maps,
    rank_positions,
)

AXES = [(12,), (6, 7), (4, 5, 3)]


def two_units(x):
    """Mean of the first channel, and the square of the last's."""
    return torch.stack([x[:, 0].flatten(1).mean(-1), x[:, -1].flatten(1).mean(-1) ** 2], 1)


def naive(score, x, maps, steps, gone, back):
    """Take positions away one by one, each sample and unit for itself."""
    insertion, deletion = torch.zeros(2, len(x), maps.shape[1], steps + 1, dtype=torch.float64)
    for b in range(len(x)):
        for k in range(maps.shape[1]):
            order = maps[b, k].flatten().argsort(descending=True)
            for step in range(steps + 1):
                without, only = x[b : b + 1].clone().flatten(2), back[b : b + 1].clone().flatten(2)
                for position in order[: round(step / steps * len(order))]:
                    without[..., position] = gone[b : b + 1].flatten(2)[..., position]
                    only[..., position] = x[b : b + 1].flatten(2)[..., position]
                deletion[b, k, step] = score(without.reshape(1, *x.shape[1:]))[0, k]
                insertion[b, k, step] = score(only.reshape(1, *x.shape[1:]))[0, k]
    return insertion, deletion


@pytest.mark.parametrize("shape", AXES)
@pytest.mark.parametrize(("gone", "back"), [("blur", "blur"), ("mean", "zero")])
def test_it_does_what_the_naive_twin_does(shape, gone, back):
    x = torch.rand(3, 2, *shape, dtype=torch.float64)
    maps = torch.randn(3, 2, *shape)
    measured = insertion_deletion(two_units, x, maps, steps=5, deletion=gone, insertion=back)
    insertion, deletion = naive(two_units, x, maps, 5, make_baseline(x, gone), make_baseline(x, back))
    torch.testing.assert_close(measured.insertion, insertion)
    torch.testing.assert_close(measured.deletion, deletion)
    assert measured.fractions.tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def test_areas_by_hand():
    x = torch.tensor([[[4.0, 2.0, 1.0, 1.0]]])
    measured = insertion_deletion(
        lambda x: x.sum(-1), x, x.clone(), steps=4, deletion="zero", insertion="zero"
    )
    assert measured.deletion[0, 0].tolist() == [8, 4, 2, 1, 0]
    assert measured.insertion[0, 0, 0] == 0
    assert measured.insertion[0, 0, -1] == 8
    # Positions 4, 2, then the two ones: (8+4)/2 + (4+2)/2 + (2+1)/2 + (1+0)/2 quarters.
    assert measured.deletion_auc.item() == pytest.approx((6 + 3 + 1.5 + 0.5) / 4)
    assert measured.insertion_auc.item() == pytest.approx(8 - (6 + 3 + 1.5 + 0.5) / 4)


def test_the_right_map_beats_chance_and_its_opposite_loses():
    x = torch.zeros(2, 1, 16, 16)
    x[0, 0, 3:6, 3:6] = x[1, 0, 9:13, 10:12] = 1
    score = lambda x: x.amax((2, 3))  # noqa: E731
    right = insertion_deletion(score, x, x.clone())
    wrong = insertion_deletion(score, x, -x)
    chance = random_insertion_deletion(score, x, 1, (4, 4))
    assert (right.deletion_auc < chance.deletion_auc).all()
    assert (chance.deletion_auc < wrong.deletion_auc).all()
    assert (right.insertion_auc > chance.insertion_auc).all()
    assert (chance.insertion_auc > wrong.insertion_auc).all()


@given(scale=st.floats(0.1, 100), offset=st.floats(-5, 5), seed=st.integers(0, 99))
def test_only_the_order_of_a_map_counts(scale, offset, seed):
    draw = torch.Generator().manual_seed(seed)
    x, maps = (torch.rand(2, count, 5, 6, generator=draw, dtype=torch.float64) for count in (2, 2))
    plain = insertion_deletion(two_units, x, maps, steps=4)
    other = insertion_deletion(two_units, x, maps * scale + offset, steps=4)
    assert torch.equal(plain.insertion, other.insertion)
    assert torch.equal(plain.deletion, other.deletion)


@given(batch=st.integers(1, 20), steps=st.integers(1, 9))
def test_samples_do_not_know_each_other(batch, steps):
    draw = torch.Generator().manual_seed(batch)
    x, maps = (torch.rand(batch, 2, 4, 4, generator=draw, dtype=torch.float64) for _ in range(2))
    together = insertion_deletion(two_units, x, maps, steps=steps)
    alone = insertion_deletion(two_units, x[-1:], maps[-1:], steps=steps)
    torch.testing.assert_close(together.insertion[-1:], alone.insertion)
    torch.testing.assert_close(together.deletion[-1:], alone.deletion)


def test_coarse_maps_are_interpolated_and_ranks_count_every_position():
    ranks = rank_positions(torch.tensor([[[[0.0, 1.0]]]]), (3, 8))
    assert sorted(ranks.flatten().tolist()) == list(range(24))
    assert ranks[..., -2:].max() < ranks[..., :-2].min()


def test_a_flat_map_is_a_random_one_that_the_seed_repeats():
    flat = torch.zeros(1, 1, 8, 8)
    first, again, other = (rank_positions(flat, (8, 8), seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first.flatten().sort().indices, torch.arange(64))


def test_the_blur_keeps_the_mean_and_takes_the_detail():
    x = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    smooth = blur(x)
    torch.testing.assert_close(smooth.mean((2, 3)), x.mean((2, 3)))
    assert (smooth.std((2, 3)) < 0.2 * x.std((2, 3))).all()
    torch.testing.assert_close(blur(torch.full((1, 1, 9), 3.0)), torch.full((1, 1, 9), 3.0))
    assert blur(x.half()).dtype == torch.half


def test_the_blur_is_a_gaussian():
    x = torch.zeros(1, 1, 101, dtype=torch.float64)
    x[..., 50] = 1
    sigma = 0.05 * 101
    places = torch.arange(101, dtype=torch.float64) - 50
    wanted = torch.exp(-((places / sigma) ** 2) / 2)
    torch.testing.assert_close(blur(x, 0.05)[0, 0], wanted / wanted.sum(), atol=1e-6, rtol=1e-4)


def test_no_graph_and_no_change():
    weight = torch.ones(1, requires_grad=True)
    x, maps = torch.rand(1, 1, 6, 6, requires_grad=True), torch.rand(1, 1, 6, 6)
    before = x.detach().clone()
    measured = insertion_deletion(lambda x: weight * x.sum((2, 3)), x, maps)
    assert not measured.insertion.requires_grad
    assert (weight.grad, x.grad) == (None, None)
    assert torch.equal(x.detach(), before)
    with torch.inference_mode():
        inside = insertion_deletion(lambda x: x.sum((2, 3)), x.detach().clone(), maps)
    torch.testing.assert_close(inside.deletion, measured.deletion)


def test_random_maps_repeat_by_seed():
    assert torch.equal(random_maps(2, 3, (4, 5)), random_maps(2, 3, (4, 5)))
    assert not torch.equal(random_maps(2, 3, (4, 5)), random_maps(2, 3, (4, 5), seed=1))
    assert random_maps(2, 3, (4, 5)).shape == (2, 3, 4, 5)


@pytest.mark.parametrize(
    ("maps", "options", "message"),
    [
        (
            torch.zeros(3, 1, 4, 4),
            {},
            (
                "Maps of shape (3, 1, 4, 4) do not belong to samples of shape (2, 1, 4, 4). "
                "Give maps (B, K, *grid) for samples (B, C, *S)."
            ),
        ),
        (
            torch.full((2, 1, 4, 4), torch.nan),
            {},
            "A map has values that are not finite. Look for NaN or Inf in sample and model.",
        ),
        (torch.zeros(2, 1, 4, 4), {"steps": 0}, "steps is 0. Give at least one step."),
        (
            torch.zeros(2, 1, 4, 4),
            {"deletion": "blurr"},
            "Unknown baseline 'blurr'. Did you mean 'blur'.",
        ),
        (
            torch.zeros(2, 1, 4, 4),
            {"insertion": torch.zeros(5)},
            (
                "Baseline of shape (5,) does not fit samples of shape (2, 1, 4, 4). "
                "Give one of the samples' shape."
            ),
        ),
    ],
)
def test_what_does_not_fit_is_told(maps, options, message):
    with pytest.raises(UsageError) as caught:
        insertion_deletion(lambda x: x.sum((2, 3)), torch.rand(2, 1, 4, 4), maps, **options)
    assert str(caught.value) == message
