"""What holds for every registered method, those of other packages included."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from tiny_transformers import TinyTransformer
from torch import nn

import foveal
from foveal.attribution import InputMethod, all_methods
from foveal.errors import UsageError

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORM = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


class Net(nn.Module):
    """What all methods but those of transformers take: rectifiers, a norm, a pool, a linear head."""

    def __init__(self, axes=2):
        super().__init__()
        self.conv1, self.bn = CONV[axes](2, 4, 3, padding=1), NORM[axes](4)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv2, self.relu2 = CONV[axes](4, 6, 3, padding=1), nn.ReLU(inplace=True)
        self.pool, self.drop, self.fc = POOL[axes](2), nn.Dropout(), nn.Linear(6, 3)

    def forward(self, x):
        x = self.pool(self.relu1(self.bn(self.conv1(x))))
        x = self.relu2(self.conv2(x))
        return self.fc(self.drop(x.mean(tuple(range(2, x.ndim)))))


#: Options that make the costly methods cheap.
QUICK = {
    "feedback": {"iterations": 2},
    "fgvis": {"iterations": 3},
    "gradient-shap": {"samples": 4},
    "integrated-gradients": {"steps": 4},
    "kernel-shap": {"samples": 20, "segments": 4},
    "lime": {"samples": 20, "segments": 4},
    "meaningful-perturbation": {"steps": 12, "cells": 4, "jitter": 1, "baseline": "zero"},
    "occlusion": {"window": 4, "stride": 4},
    "prediction-difference": {"window": 4, "stride": 4, "samples": 2, "pad": 1},
    "rise": {"samples": 20, "cells": 3},
    "shapley-sampling": {"samples": 2, "segments": 4},
    "sliding-window": {"window": 4, "stride": 4},
    "smoothgrad": {"samples": 3},
}

#: Methods that draw, so that another seed gives another map.
DRAWING = {
    "gradient-shap", "kernel-shap", "lime", "meaningful-perturbation", "prediction-difference", "rise",
    "shapley-sampling", "smoothgrad",
}  # fmt: skip

#: Where the layer cannot be any.
LAYERS = {"cam": "relu2"}

METHODS = all_methods()
TARGETS = ["top", "class:1"]

each = pytest.mark.parametrize("method", METHODS)


def rand(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def of_attention(method):
    return "attention over the whole sample" in METHODS[method].needs


def subject_of(method, sides=(12, 12)):
    """Give a network that the method takes, and a batch of three samples."""
    torch.manual_seed(0)
    if of_attention(method):
        sides = tuple(side * 2 // 3 for side in sides)
        return TinyTransformer(sides=sides).eval(), rand(3, 1, *sides)
    net = Net(len(sides)).eval()
    net.bn.running_mean.normal_()
    net.bn.running_var.uniform_(0.5, 2)
    # A prediction that hangs on the input: perturbing has nothing to find where it does not.
    with torch.no_grad():
        net.fc.weight *= 100
        net.fc.bias -= net(torch.zeros(1, 2, *sides))[0]
    return net, rand(3, 2, *sides)


def explain(method, net, x, **options):
    training = None if of_attention(method) else rand(12, *x.shape[1:], seed=8)
    settings = {
        "targets": TARGETS,
        "seed": 5,
        "training": training,
        "layer": LAYERS.get(method, "auto"),
        **options,
    }
    return foveal.explain(net, x, method=method, options=QUICK.get(method, {}), **settings)


def state_of(net):
    """Say all that a method might change about a network."""
    return {
        "weights": {name: (value.clone(), value._version) for name, value in net.state_dict().items()},
        "training": {name: module.training for name, module in net.named_modules()},
        "kinds": {name: type(module) for name, module in net.named_modules()},
        "hooks": {
            name: [len(getattr(module, hooks)) for hooks in vars(module) if hooks.endswith("_hooks")]
            for name, module in net.named_modules()
        },
        "attributes": {name: sorted(vars(module)) for name, module in net.named_modules()},
        "requires_grad": {name: parameter.requires_grad for name, parameter in net.named_parameters()},
        "grad": {name: parameter.grad for name, parameter in net.named_parameters()},
        "objects": {name: id(parameter) for name, parameter in net.named_parameters()},
    }


def assert_same_state(one, other):
    weights, others = one.pop("weights"), other.pop("weights")
    assert weights.keys() == others.keys()
    for name, (value, _version) in weights.items():
        assert torch.equal(value, others[name][0]), name
    assert one == other


@each
def test_maps_are_raw_finite_float32_of_batch_targets_and_grid(method):
    net, x = subject_of(method)
    explanation = explain(method, net, x)
    maps = explanation.maps
    assert maps.shape[:2] == (3, 2)
    assert maps.ndim == 4
    if METHODS[method].place != "layer":
        assert maps.shape[2:] == x.shape[2:]
    assert maps.dtype == torch.float32
    assert maps.is_leaf
    assert not maps.requires_grad
    assert not maps.is_inference()
    assert maps.isfinite().all()
    assert maps.abs().max() > 0
    with torch.no_grad():
        assert torch.equal(explanation.output, net(x))


@each
@pytest.mark.parametrize("sides", [(24,), (6, 12), (6, 6, 6)], ids=["1-D", "oblong", "3-D"])
def test_signals_oblong_pictures_and_volumes(method, sides):
    net, x = subject_of(method, sides)
    maps = explain(method, net, x).maps
    assert maps.shape[:2] == (3, 2)
    assert maps.ndim == 2 + len(sides)
    if METHODS[method].place != "layer":
        assert maps.shape[2:] == x.shape[2:]
    assert maps.isfinite().all()
    assert maps.abs().max() > 0


@each
def test_the_network_and_the_batch_are_as_before(method):
    net, x = subject_of(method)
    before, kept = state_of(net), x.clone()
    explain(method, net, x)
    assert_same_state(state_of(net), before)
    assert torch.equal(x, kept)
    assert x.grad is None


@each
def test_gradients_that_were_there_stay(method):
    net, x = subject_of(method)
    net(x).sum().backward()
    before = {
        name: parameter.grad.clone()
        for name, parameter in net.named_parameters()
        if parameter.grad is not None
    }
    explain(method, net, x)
    after = {name: parameter.grad for name, parameter in net.named_parameters() if parameter.grad is not None}
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@each
def test_the_random_numbers_of_others_are_not_touched(method):
    net, x = subject_of(method)
    torch.manual_seed(11)
    before = torch.get_rng_state()
    explain(method, net, x)
    assert torch.equal(torch.get_rng_state(), before)


@each
def test_the_seed_decides(method):
    net, x = subject_of(method)
    torch.manual_seed(1)
    first = explain(method, net, x).maps
    torch.manual_seed(2)
    assert torch.equal(explain(method, net, x).maps, first)
    assert torch.equal(explain(method, net, x, seed=6).maps, first) == (method not in DRAWING)


@each
def test_samples_keep_their_maps_in_another_order(method):
    net, x = subject_of(method)
    order = torch.tensor([2, 0, 1])
    torch.testing.assert_close(explain(method, net, x[order]).maps, explain(method, net, x).maps[order])


@each
def test_a_sample_alone_has_the_map_that_it_has_in_the_batch(method):
    net, x = subject_of(method)
    torch.testing.assert_close(explain(method, net, x[1:2]).maps, explain(method, net, x).maps[1:2])


@each
def test_units_keep_their_maps_in_another_order(method):
    net, x = subject_of(method)
    maps = explain(method, net, x, targets=["class:0", "class:1", "class:2"]).maps
    turned = explain(method, net, x, targets=["class:2", "class:0", "class:1"]).maps
    torch.testing.assert_close(turned, maps[:, [2, 0, 1]])
    alone = explain(method, net, x, targets="class:1").maps
    torch.testing.assert_close(alone[:, 0], maps[:, 1])


@each
def test_frozen_weights_change_nothing(method):
    net, x = subject_of(method)
    usual = explain(method, net, x).maps
    net.requires_grad_(False)
    torch.testing.assert_close(explain(method, net, x).maps, usual)
    assert not any(parameter.requires_grad for parameter in net.parameters())


@each
@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_the_caller_s_gradient_mode_changes_nothing(method, mode):
    net, x = subject_of(method)
    usual = explain(method, net, x).maps
    with mode():
        grad = torch.is_grad_enabled()
        torch.testing.assert_close(explain(method, net, x.clone()).maps, usual)
        assert torch.is_grad_enabled() == grad


@each
def test_a_batch_that_requires_gradients_gets_none(method):
    net, x = subject_of(method)
    usual = explain(method, net, x).maps
    x.requires_grad_()
    torch.testing.assert_close(explain(method, net, x).maps, usual)
    assert x.grad is None
    assert x.requires_grad


@each
def test_two_threads_on_one_network_give_the_same(method):
    net, x = subject_of(method)
    usual = explain(method, net, x).maps
    with ThreadPoolExecutor(2) as pool:
        maps = list(pool.map(lambda _: explain(method, net, x).maps, range(4)))
    assert all(torch.equal(one, usual) for one in maps)


@each
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_input_that_is_not_finite_is_refused(method, number):
    net, x = subject_of(method)
    x[1, 0, 3, 3] = number
    with pytest.raises(UsageError) as caught:
        explain(method, net, x)
    assert str(caught.value) == (
        "The input holds NaN or infinite numbers. Mend the sample or its preprocessing."
    )


@each
def test_training_mode_is_refused(method):
    net, x = subject_of(method)
    before = copy.deepcopy(net.state_dict())
    for part, name in ((net, "The model"), (list(net.children())[1], "Layer")):
        net.eval()
        part.train()
        with pytest.raises(
            UsageError, match=rf"^{name}.* is in training mode\. Call model\.eval\(\) first\.$"
        ):
            explain(method, net, x)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@each
def test_float64_is_taken_and_given_back_as_float32(method):
    net, x = subject_of(method)
    usual = explain(method, net, x).maps
    training = None if of_attention(method) else rand(12, *x.shape[1:], seed=8).double()
    maps = explain(method, copy.deepcopy(net).double(), x.double(), training=training).maps
    assert maps.dtype == torch.float32
    assert maps.shape == usual.shape


@each
def test_it_says_what_it_is(method):
    about = METHODS[method]
    assert about.name == method
    assert about.summary.endswith(".")
    assert all((about.formula, about.source, about.cost, about.sanity))
    if isinstance(about, InputMethod):
        documented = about.attribute.__doc__
        assert all(option in documented for option in about.options)


@each
def test_an_option_that_it_does_not_have_is_refused(method):
    net, x = subject_of(method)
    with pytest.raises(UsageError, match=rf"^Method '{method.replace('+', '.')}' has no option 'colour'\. "):
        foveal.explain(net, x, method=method, options={"colour": 1})
