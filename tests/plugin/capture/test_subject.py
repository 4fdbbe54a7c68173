"""What input methods are given: scores, probabilities and gradients of units that stay what they were."""

from __future__ import annotations

import pytest
import torch
from small_nets import LinearHead, ResidualNet, SharedNet, seeded
from torch import nn

import foveal
from foveal.attribution.functions import Override
from foveal.capture import ClassTarget, NodeTarget, Tap, TappedSubject, TopClass, parse_target
from foveal.errors import UsageError

UNITS = ["top", "class:2", "fc1:4", "contribution", "conv3:1@max"]


def rand(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def model():
    return seeded(SharedNet)


@pytest.fixture
def tap(model):
    with Tap(model, "conv2", ["fc1", "conv3"]) as tap:
        yield tap


def test_scores_are_those_of_the_units(model, tap):
    x = rand(3, 1, 16, 16)
    subject = TappedSubject(tap, x, [parse_target(unit) for unit in UNITS])
    with torch.no_grad():
        scores, output = subject.scores(x), model(x)
    assert torch.equal(subject.output, output)
    assert torch.equal(scores[:, 0], output.max(1).values)
    assert torch.equal(scores[:, 1], output[:, 2])
    torch.testing.assert_close(scores[:, 3], output.max(1).values - output.mean(1))
    probabilities = subject.probabilities(x)
    torch.testing.assert_close(probabilities[:, 0], output.softmax(1).max(1).values)
    assert torch.equal(probabilities[:, 2], scores[:, 2])


def test_the_probability_of_a_single_logit_is_that_of_the_predicted_side():
    model = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(18, 1)))
    x = torch.randn(8, 1, 5, 5, generator=torch.Generator().manual_seed(1))
    with Tap(model, None) as tap, torch.no_grad():
        subject = TappedSubject(tap, x, [TopClass(), ClassTarget(0)])
        yes = torch.sigmoid(model(x)[:, 0])
        probabilities = subject.probabilities(x)
    assert 0 < int((yes > 0.5).sum()) < 8
    torch.testing.assert_close(probabilities[:, 0], torch.maximum(yes, 1 - yes))
    torch.testing.assert_close(probabilities[:, 1], yes)


def test_the_top_class_is_the_one_of_the_unchanged_sample(tap):
    x, noise = rand(2, 1, 16, 16), torch.randn(6, 1, 16, 16, generator=torch.Generator().manual_seed(3))
    subject = TappedSubject(tap, x, [TopClass()])
    top = subject.output.argmax(1)
    with torch.no_grad():
        repeated = subject.scores(9 * noise)
        other = tap.model(9 * noise)
    assert (other.argmax(1) != top.repeat(3)).any()
    assert torch.equal(repeated[:, 0], other.gather(1, top.repeat(3)[:, None])[:, 0])


def test_gradients_at_input_and_layer_are_autograds(model, tap):
    x = rand(2, 1, 16, 16)
    subject = TappedSubject(tap, x, [ClassTarget(1), NodeTarget("fc1", 3)], layer="conv2")
    values, gradients = subject.gradients()
    assert torch.equal(values, x)
    leaf = x.clone().requires_grad_()
    (naive,) = torch.autograd.grad(model(leaf)[:, 1].sum(), leaf)
    torch.testing.assert_close(gradients[:, 0], naive)
    values, gradients = subject.gradients(layer="conv2")
    forward = tap.forward(x)
    assert torch.equal(values, forward.activations)
    assert torch.equal(gradients, forward.gradients([ClassTarget(1), NodeTarget("fc1", 3)]))
    with pytest.raises(UsageError) as caught:
        subject.gradients(layer="conv3")
    assert str(caught.value) == "Layer 'conv3' is not the tapped one. Take 'conv2'."


def test_replaced_operations_hold_for_scores_and_gradients_and_see_none_of_ours(tap):
    x, seen = rand(1, 1, 16, 16), []
    subject = TappedSubject(tap, x, [parse_target(unit) for unit in UNITS], layer="conv2")

    def note(call):
        seen.append(call.operation)
        return call.plain()

    with Override(dict.fromkeys(("relu", "conv", "mul", "sum", "mean", "add", "softmax", "linear"), note)):
        subject.scores(x)
        forward = list(seen)
        subject.gradients()
        subject.gradients(layer="conv2")
        subject.probabilities(x)
    assert forward == ["conv", "relu"] * 3 + ["linear", "relu", "linear"]
    assert seen == forward * 4


def test_nothing_about_the_model_changes(model, tap):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    model.conv1.weight.requires_grad_(False)
    subject = TappedSubject(tap, rand(1, 1, 16, 16), [TopClass()], layer="conv2")
    subject.gradients()
    subject.gradients(layer="conv2")
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == [False] + [True] * 9
    assert all(p.grad is None for p in model.parameters())


def test_black_box_methods_take_torchscript():
    model, x = seeded(LinearHead), rand(1, 1, 8, 8)
    options = {"samples": 8}
    eager = foveal.explain(model, x, method="rise", options=options)
    script = foveal.explain(torch.jit.script(model), x, method="rise", options=options)
    torch.testing.assert_close(eager.maps, script.maps)


def test_a_node_that_is_not_tapped_is_named(tap):
    with pytest.raises(UsageError) as caught:
        TappedSubject(tap, rand(1, 1, 16, 16), [NodeTarget("conv1", 0)])
    assert str(caught.value) == "Layer 'conv1' is not tapped for nodes. Give it to the tap as a node layer."


def test_layers_and_options_that_do_not_belong_to_a_method_are_named():
    model, x = seeded(ResidualNet), rand(1, 3, 32, 32)
    for arguments, message in (
        (
            {"method": "rise", "layer": "layer2"},
            "Method 'rise' maps the input, not layer 'layer2'. Leave the layer out.",
        ),
        (
            {"method": "rise", "options": {"sample": 3}},
            "Method 'rise' has no option 'sample'. Did you mean 'samples'.",
        ),
        (
            {"method": "gradcam", "options": {"samples": 3}},
            "Method 'gradcam' has no option 'samples'. Leave it out, the method has no options.",
        ),
        (
            {"layer": "layer2#0"},
            "Layer 'layer2#0' has no call number. Write NAME#1 for the first call, NAME#2 ...",
        ),
        (
            {"layer": "layer1.-3"},
            "Unknown layer 'layer1.-3'. Did you mean 'layer1.1' or 'layer1.0' or 'layer3'.",
        ),
        (
            {"x": (torch.ones(1, 3, dtype=torch.long),)},
            "The input holds no tensor of floating numbers. Give the batch as the model takes it.",
        ),
    ):
        with pytest.raises(UsageError) as caught:
            foveal.explain(**{"model": model, "x": x, **arguments})
        assert str(caught.value) == message


def test_dictionaries_and_named_tuples_survive_the_graft():
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return {"count": 2, "map": self.conv(x)}

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts, self.fc = Parts(), nn.Linear(2, 3)

        def forward(self, x):
            parts = self.parts(x)
            return self.fc(parts["map"].mean((2, 3))) * parts["count"]

    model, x = seeded(Whole), rand(2, 1, 6, 6)
    expected = foveal.explain(model, x, layer="parts.conv").maps
    assert torch.equal(foveal.explain(model, x, layer="parts").maps, expected)
