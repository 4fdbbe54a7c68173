"""FGVis: games whose masks are worked out by hand, and the defence against masks that fool the network."""

from __future__ import annotations

import pytest
import torch
from rectified_nets import Chain
from small_nets import Blobs, seeded
from torch import nn

import foveal

torch.set_num_threads(1)


class Against(nn.Module):
    """Logits (S, 0) of a formula of the sample (B, 1, n)."""

    def __init__(self, formula):
        super().__init__()
        self.formula = formula

    def forward(self, x):
        scores = self.formula(*x.flatten(1).unbind(1))
        return torch.stack([scores, torch.zeros_like(scores)], 1)


def explain(formula, *sample, target="class:0", seed=0, **options):
    net, x = Against(formula).eval(), torch.tensor(sample).reshape(1, 1, -1)
    return foveal.explain(net, x, method="fgvis", targets=target, seed=seed, options=options).maps.flatten()


def _weighted(a, b, c, d):
    return 3 * torch.relu(a) + torch.relu(b) + 0 * c - 2 * torch.relu(d)


def test_deletion_takes_the_least_that_makes_the_score_fall():
    """Steps are rate (relative gradient - sparsity): S = 2 - 0.2933 t; p falls to half after 8 steps."""
    found = explain(_weighted, 1.0, 1.0, 1.0, 1.0)
    step = torch.tensor([0.1 * 0.9, 0.1 * (1 / 3 - 0.1), 0.0, 0.0])
    torch.testing.assert_close(found, 8 * step)


def test_a_deletion_that_must_not_take_anything():
    assert explain(_weighted, 1.0, 1.0, 1.0, 1.0, until=1.0).max() <= 0.1
    assert explain(_weighted, 1.0, 1.0, 1.0, 1.0, iterations=1).tolist() == pytest.approx(
        [0.09, 0.02333, 0, 0], 1e-3
    )


def test_preservation_keeps_what_the_score_needs():
    """What is worth less than the sparsity goes slowly, what speaks against goes fast."""
    found = explain(_weighted, 1.0, 1.0, 1.0, 1.0, game="preservation", iterations=50)
    torch.testing.assert_close(found, torch.tensor([1.0, 1.0, 1 - 50 * 0.01, 0.0]))


def _inhibited(a, b):
    return torch.relu(a - b)


def test_the_defence_does_not_let_answers_grow():
    """Without b, relu(a - b) would answer more than to the whole sample: the mask may not use that."""
    open_ = explain(_inhibited, 2.0, 1.0, game="preservation", iterations=20, defence=False)
    assert open_.tolist() == [1, 0]
    guarded = explain(_inhibited, 2.0, 1.0, game="preservation", iterations=20)
    assert guarded[1] > 0.5


def test_a_certain_class_is_explained_all_the_same():
    """Its probability is 1 to the last bit and has no gradient; its score has."""
    found = explain(lambda a, b: 1000 * torch.relu(a) + 0 * b, 1.0, 1.0)
    assert found[0] > 0.9
    assert found[1] == 0


def test_what_has_no_say_is_not_deleted():
    assert explain(lambda a, b: 0 * a + 0 * b, 1.0, 1.0).tolist() == [0, 0]


def test_samples_that_are_done_rest():
    """The first is done after few steps, the second is a harder case and goes on."""
    net = Against(lambda a, _b: torch.relu(a)).eval()
    x = torch.tensor([[[1.0, 1.0]], [[9.0, 1.0]]])
    both = foveal.explain(net, x, method="fgvis", targets="class:0", options={"until": 0.8}).maps
    for sample, found in zip(x, both, strict=True):
        alone = foveal.explain(net, sample[None], method="fgvis", targets="class:0", options={"until": 0.8})
        assert torch.equal(alone.maps[0], found)
    assert both[0, 0, 0] < both[1, 0, 0]


def test_noise_is_seeded():
    draw = lambda seed: explain(_weighted, 1.0, 0.5, 0.2, 0.7, seed=seed, noise=0.5)  # noqa: E731
    state = torch.get_rng_state()
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("game", ["deletion", "preservation"])
def test_finds_the_blob(game):
    """Class 1 counts what is bright: the bright square is deleted, or kept, and the rest is not."""
    x = torch.full((1, 1, 32, 32), 0.3)
    x[..., 8:16, 16:24] = 1.0
    options = {"game": game, "iterations": 100, "baseline": "zero"}
    found = foveal.explain(Blobs().eval(), x, method="fgvis", targets="class:1", options=options).maps[0, 0]
    assert found[9:15, 17:23].min() > 0.4
    assert found[:6].max() < 0.1
    assert found[:, :12].max() < 0.1


def test_masks_are_between_nothing_and_all():
    x = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    for baseline in ("zero", "mean", "blur"):
        options = {"iterations": 8, "baseline": baseline}
        found = foveal.explain(
            seeded(Chain), x, method="fgvis", targets=["top", "fc1:1"], options=options
        ).maps
        assert found.min() >= 0
        assert found.max() <= 1
