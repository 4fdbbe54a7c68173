"""Captum's methods through the registry: against loops with the same draws, and against their axioms."""

from __future__ import annotations

import subprocess
import sys
from itertools import permutations, product
from math import exp

import numpy as np
import pytest
import torch
from small_nets import ResidualNet
from small_nets import seeded as seeded_net
from torch import nn
from toy_subject import ToySubject

import foveal
import foveal_audit.attribution
from foveal.attribution import get_method
from foveal.errors import EnvironmentFault, UsageError
from foveal_audit.attribution.drawing import seeded
from foveal_audit.attribution.game import Game

#: Options that keep each method short.
METHODS = {
    "integrated-gradients": {"steps": 12},
    "gradient-shap": {"samples": 20},
    "shapley-sampling": {"samples": 3, "segments": 8},
    "kernel-shap": {"samples": 60, "segments": 8},
    "lime": {"samples": 60, "segments": 8},
    "occlusion": {"window": 3, "stride": 2},
}
SIDES = [(9,), (6, 7), (4, 5, 4)]


class Net(nn.Module):
    """A smooth network of any number of axes, float64."""

    def __init__(self, sides, channels=2, units=3):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(channels * torch.Size(sides).numel(), 6, dtype=torch.float64)
        self.second = nn.Linear(6, units, dtype=torch.float64)

    def forward(self, x):
        return self.second(3 * self.first(x.flatten(1)).tanh())


def _subject(sides=(6, 7), batch=3, **fields):
    random = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 2, *sides, generator=random, dtype=torch.float64)
    training = torch.randn(5, 2, *sides, generator=random, dtype=torch.float64)
    return ToySubject(Net(sides), x, **{"training": training, **fields})


def _attribute(name, subject, **options):
    return get_method(name).attribute(subject, **{**METHODS[name], **options})


def test_importing_the_package_registers_all():
    assert set(foveal_audit.attribution.__all__) == {name.replace("-", "_") for name in METHODS}
    assert all("captum" in get_method(name).source for name in METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_says_what_to_install_where_captum_is_missing(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(EnvironmentFault) as caught:
        _attribute(name, _subject())
    assert str(caught.value) == (
        "The method needs captum, which is not installed. Install it with pip install 'foveal[audit]'."
    )


def test_listing_the_methods_does_not_load_captum():
    code = (
        "import sys, foveal_audit.attribution; sys.exit('captum' in sys.modules or 'sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("name", METHODS)
class TestEveryMethod:
    def test_gives_maps_on_the_input_grid(self, name, sides):
        maps = _attribute(name, _subject(sides))
        assert maps.shape == (3, 3, *sides)
        assert maps.dtype == torch.float32
        assert not maps.requires_grad
        assert maps.isfinite().all()
        assert maps.std() > 0

    def test_explains_each_sample_as_if_it_were_alone(self, name, sides):
        subject = _subject(sides)
        maps = _attribute(name, subject)
        for row in range(3):
            alone = ToySubject(subject.model, subject.x[row : row + 1], training=subject.training)
            torch.testing.assert_close(_attribute(name, alone)[0], maps[row], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_nothing_about_the_model_or_the_sample_is_touched(name):
    subject = _subject()
    subject.model.second.weight.requires_grad_(False)
    flags = [parameter.requires_grad for parameter in subject.model.parameters()]
    before = subject.x.clone()
    _attribute(name, subject)
    assert [parameter.requires_grad for parameter in subject.model.parameters()] == flags
    assert all(parameter.grad is None for parameter in subject.model.parameters())
    assert not any(module._forward_hooks or module._backward_hooks for module in subject.model.modules())
    assert torch.equal(subject.x, before)
    assert not subject.x.requires_grad


@pytest.mark.parametrize("name", METHODS)
def test_draws_come_from_the_seed_and_the_global_generators_stay(name):
    subject, same, other = (_subject(seed=seed) for seed in (4, 4, 5))
    ours, theirs = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - captum's generator
    one, two, three = (_attribute(name, given) for given in (subject, same, other))
    assert torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), ours)
    assert (np.random.get_state()[1] == theirs).all()  # noqa: NPY002
    drawn = name not in {"integrated-gradients", "occlusion"}
    assert torch.equal(one, three) != drawn


def test_generators_are_given_back_where_captum_fails():
    before = torch.get_rng_state()
    with pytest.raises(AttributeError), seeded(1, torch.device("cpu")):
        torch.rand(3).fail()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_is_reached_through_explain_whatever_mode_the_caller_is_in(name, mode):
    net, x = seeded_net(ResidualNet), torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    targets = ["top", "class:1", "layer2:3"]
    plain = foveal.explain(net, x, method=name, targets=targets, options=METHODS[name])
    with mode():
        same = foveal.explain(net, x, method=name, targets=targets, options=METHODS[name])
    assert plain.maps.shape == (2, 3, 16, 16)
    assert torch.equal(same.maps, plain.maps)
    assert not any(module._forward_hooks for module in net.modules())


class TestIntegratedGradients:
    @pytest.mark.parametrize("baseline", ["zero", "mean"])
    @pytest.mark.parametrize("sides", SIDES)
    def test_is_complete(self, sides, baseline):
        subject = _subject(sides)
        start = torch.zeros_like(subject.x)
        if baseline == "mean":
            start += subject.x.flatten(2).mean(2).reshape(3, 2, *[1] * len(sides))
        maps = _attribute("integrated-gradients", subject, steps=50, baseline=baseline)
        with torch.no_grad():
            difference = subject.model(subject.x) - subject.model(start)
        torch.testing.assert_close(maps.flatten(2).sum(2), difference.float(), atol=1e-4, rtol=1e-4)

    def test_equals_a_loop_over_the_rule(self):
        subject = _subject(batch=1)
        places, weights = np.polynomial.legendre.leggauss(12)
        total = torch.zeros_like(subject.x)
        for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
            point = (place * subject.x).requires_grad_()
            total += weight * torch.autograd.grad(subject.model(point)[0, 1], point)[0]
        maps = _attribute("integrated-gradients", subject)
        torch.testing.assert_close(maps[0, 1], (total * subject.x)[0].sum(0).float(), atol=1e-6, rtol=1e-4)


class TestGradientShap:
    def test_a_linear_model_gives_what_it_adds(self):
        weight = torch.randn(2 * 42, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        x = torch.randn(2, 2, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        subject = ToySubject(lambda rows: rows.flatten(1) @ weight, x)
        expected = (x[:, None] * weight.T.reshape(3, 2, 6, 7)).sum(2)
        torch.testing.assert_close(_attribute("gradient-shap", subject), expected.float())

    def test_is_complete_on_average(self):
        subject = _subject(batch=1)
        maps = _attribute("gradient-shap", subject, samples=2000)
        with torch.no_grad():
            expected = subject.model(subject.x) - subject.model(subject.training).mean(0)
        torch.testing.assert_close(maps.flatten(2).sum(2), expected.float(), atol=0.25, rtol=0)


def _blocks(x):
    """Cut a 4 x 4 sample into its four quarters."""
    return [x[..., top : top + 2, left : left + 2].mean((1, 2, 3)) for top, left in product((0, 2), (0, 2))]


def _and_game(rows):
    """Unit 0: the first and the last quarter together, and twice the second; unit 1 adds all up."""
    a, b, c, d = _blocks(rows)
    return torch.stack([3 * a * d + 2 * b, a + 2 * b + 3 * c + 4 * d], 1)


#: Shapley values of the quarters against a baseline of zero: the conjunction is shared.
_SHAPLEY = torch.tensor([[1.5, 2.0, 0.0, 1.5], [1.0, 2.0, 3.0, 4.0]])


def _quarters(maps):
    return maps[0, :, ::2, ::2].flatten(1)


def _brute_force(subject):
    """Average over all orders what each quarter adds."""
    game = Game(subject, subject.scores, segments=4, kind="blocks", baseline="zero")
    total = torch.zeros(2, 4)
    for order in permutations(range(4)):
        seen = torch.zeros(1, 4)
        for player in order:
            before = game(seen)[0]
            seen[0, player] = 1
            total[:, player] += game(seen)[0] - before
    return total / 24


_OPTIONS = {"segments": 4, "baseline": "zero"}


class TestShapley:
    subject = ToySubject(_and_game, torch.ones(1, 1, 4, 4))

    def test_the_values_by_hand_are_those_of_all_orders(self):
        torch.testing.assert_close(_brute_force(self.subject), _SHAPLEY)

    def test_sampling_is_exact_where_parts_add_up_and_near_where_they_do_not(self):
        values = _quarters(_attribute("shapley-sampling", self.subject, samples=400, **_OPTIONS))
        torch.testing.assert_close(values[1], _SHAPLEY[1])
        torch.testing.assert_close(values[0], _SHAPLEY[0], atol=0.15, rtol=0)

    def test_sampling_equals_a_loop_over_the_same_orders(self):
        values = _quarters(_attribute("shapley-sampling", self.subject, samples=5, **_OPTIONS))
        total, game = (
            torch.zeros(2, 4),
            Game(self.subject, self.subject.scores, kind="blocks", **_OPTIONS),
        )
        with seeded(0, torch.device("cpu")):
            orders = [torch.randperm(4).tolist() for _ in range(5)]
        for order in orders:
            seen = torch.zeros(1, 4)
            for player in order:
                before = game(seen)[0]
                seen[0, player] = 1
                total[:, player] += game(seen)[0] - before
        torch.testing.assert_close(values, total / 5)

    def test_the_regression_is_exact_where_parts_add_up_and_near_where_they_do_not(self):
        values = _quarters(_attribute("kernel-shap", self.subject, samples=2000, **_OPTIONS))
        torch.testing.assert_close(values[1], _SHAPLEY[1], atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(values[0], _SHAPLEY[0], atol=0.1, rtol=0)

    @pytest.mark.parametrize("name", ["shapley-sampling", "kernel-shap"])
    def test_values_add_up_to_the_difference_in_score(self, name):
        subject = _subject(batch=2)
        maps = _attribute(name, subject, samples=100, segments=4, baseline="zero")
        with torch.no_grad():
            expected = subject.model(subject.x) - subject.model(torch.zeros_like(subject.x))
        # One position of each of the four blocks of a 6 x 7 sample.
        values = maps[..., ::3, [0, 6]].flatten(2).sum(2)
        torch.testing.assert_close(values, expected.float(), atol=1e-3, rtol=1e-3)


def test_lime_equals_weighted_ridge_regression_on_the_same_draws():
    subject = _subject(batch=1)
    maps = _attribute("lime", subject, samples=40, segments=4, baseline="zero", width=0.5, penalty=0.3)
    game = Game(subject, subject.probabilities, segments=4, kind="blocks", baseline="zero")
    with seeded(0, torch.device("cpu")):
        drawn = torch.cat([torch.bernoulli(torch.full((1, 4), 0.5)) for _ in range(40)])
    values = game(drawn).double().numpy()
    z = drawn.double().numpy()
    weights = []
    for row in z:
        cosine = row.sum() / max(2 * np.sqrt(row.sum()), 1e-8)
        weights.append(exp(-((1 - cosine) ** 2) / (2 * 0.5**2)))
    weights = np.array(weights)
    centred = z - np.average(z, axis=0, weights=weights)
    for unit in range(3):
        y = values[:, unit] - np.average(values[:, unit], weights=weights)
        normal = (centred.T * weights) @ centred + 0.3 * np.eye(4)
        expected = np.linalg.solve(normal, (centred.T * weights) @ y)
        found = maps[0, unit][::3][:, [0, 6]].flatten().numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_game_plays_each_coalition_once_for_all_samples_and_units():
    subject = _subject(batch=4)
    subject.calls.clear()
    _attribute("kernel-shap", subject, samples=300, segments=4)
    assert sum(subject.calls) <= 4 * 2**4
    assert max(subject.calls) <= 32


@pytest.mark.parametrize("sides", SIDES)
def test_occlusion_equals_loops(sides):
    subject = _subject(sides)
    maps = _attribute("occlusion", subject)
    plain = subject.probabilities(subject.x)
    total, count = torch.zeros(3, 3, *sides, dtype=torch.float64), torch.zeros(sides)
    steps = [range(0, side - 3 + 2, 2) for side in sides]
    for corner in product(*steps):
        where = (..., *(slice(low, low + 3) for low in corner))
        covered = subject.x.clone()
        covered[where] = 0
        total[where] += (plain - subject.probabilities(covered)).reshape(3, 3, *[1] * len(sides))
        count[where] += 1
    torch.testing.assert_close(maps, (total / count).float())


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("integrated-gradients", {"steps": 0}, "Option 'steps' is 0. Give 1 or more."),
        ("gradient-shap", {"samples": 0}, "Option 'samples' is 0. Give 1 or more."),
        ("lime", {"kind": "slik"}, "Unknown segments 'slik'. Did you mean 'slic' or 'blocks'."),
        ("kernel-shap", {"segments": 1}, "Option 'segments' is 1. Give 2 or more."),
        ("shapley-sampling", {"baseline": "zeros"}, "Unknown baseline 'zeros'. Did you mean 'zero'."),
        ("occlusion", {"stride": 4}, "Option 'stride' is 4, beyond a window of 3. Give 3 or less."),
    ],
)
def test_options_out_of_range_are_named(name, options, message):
    with pytest.raises(UsageError) as caught:
        _attribute(name, _subject(), **options)
    assert str(caught.value) == message
