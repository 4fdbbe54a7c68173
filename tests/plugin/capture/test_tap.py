"""The tap against a naive twin: the whole network differentiated with its full graph."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from small_nets import LinearHead, PatentNet, ResidualNet, SharedNet, seeded
from torch import nn

from foveal.capture import ClassTarget, Contribution, NodeTarget, Tap, TopClass
from foveal.errors import UsageError

CASES = {
    "patent": (PatentNet, (1, 96, 96), "features.18", "fc1"),
    "patent, in-place ReLU after the layer": (lambda: PatentNet(True), (1, 96, 96), "features.17", "fc1"),
    "residual, before the += of a block": (ResidualNet, (3, 32, 32), "layer2.0.conv2", "layer3"),
    "residual, between blocks": (ResidualNet, (3, 32, 32), "layer2", "layer3.0"),
    "residual, inside a shortcut": (ResidualNet, (3, 32, 32), "layer3.0.shortcut", "layer3"),
    "shared modules": (SharedNet, (1, 16, 16), "conv2", "fc1"),
    "shared in-place modules": (lambda: SharedNet(True), (1, 16, 16), "conv2", "fc1"),
    "nodes are the map's own channels": (SharedNet, (1, 16, 16), "conv3", "conv3"),
}


def naive(model, layer, nodes, x, scalar):
    """Differentiate `scalar(output, nodes)` of each sample by the layer, everything in the graph."""
    twin, kept = copy.deepcopy(model), {}
    for parameter in twin.parameters():
        parameter.requires_grad_()

    def keep(name):
        def hook(_module, _args, output):
            kept[name] = output
            return output.clone()

        return hook

    # Two names can be one module: the layer's hook must see the tensor that the nodes come from.
    twin.get_submodule(layer).register_forward_hook(keep("layer"))
    twin.get_submodule(nodes).register_forward_hook(keep("nodes"))
    output = twin(x)
    values = kept["nodes"] if kept["nodes"].ndim == 2 else kept["nodes"].flatten(2).mean(-1)
    (gradient,) = torch.autograd.grad(scalar(output, values).sum(), kept["layer"])
    return output.detach(), values.detach(), kept["layer"].detach(), gradient


@pytest.fixture(params=CASES)
def case(request):
    kind, shape, layer, nodes = CASES[request.param]
    model = seeded(kind)
    x = torch.rand(4, *shape, generator=torch.Generator().manual_seed(1))
    return model, x, layer, nodes


TARGETS = [
    (TopClass(), lambda output, _: output.max(1).values),
    (ClassTarget(2), lambda output, _: output[:, 2]),
    (Contribution(), lambda output, _: output.max(1).values - output.mean(1)),
]


def test_gradients_equal_those_of_the_full_graph(case):
    model, x, layer, nodes = case
    targets = [*TARGETS, (NodeTarget(nodes, 3), lambda _, values: values[:, 3])]
    with Tap(model, layer, [nodes]) as tap:
        forward = tap.forward(x)
        ours = forward.gradients([target for target, _ in targets])
    for number, (_, scalar) in enumerate(targets):
        output, values, activations, gradient = naive(model, layer, nodes, x, scalar)
        assert torch.equal(forward.output, output)
        assert torch.equal(forward.nodes[nodes], values)
        assert torch.equal(forward.activations, activations)
        torch.testing.assert_close(ours[:, number], gradient, rtol=1e-5, atol=1e-7)
        assert gradient.abs().max() > 0


def test_each_sample_can_have_a_node_of_its_own(case):
    model, x, layer, nodes = case
    index = torch.tensor([0, 3, -1, 5])
    with Tap(model, layer, [nodes]) as tap:
        forward = tap.forward(x)
        mixed = forward.gradients([NodeTarget(nodes, index)])[:, 0]
        single = forward.gradients([NodeTarget(nodes, int(node)) for node in index.clamp(min=0)])
    for sample, node in enumerate(index):
        expected = single[sample, sample] if node >= 0 else torch.zeros_like(mixed[sample])
        torch.testing.assert_close(mixed[sample], expected)


def test_prediction_is_bitwise_the_plain_one_under_every_mode(case):
    model, x, layer, nodes = case
    with torch.no_grad():
        plain = model(x)
    with Tap(model, layer, [nodes]) as tap:
        assert tap.calibrate(x)
        free = tap.forward(x)
        with torch.no_grad():
            without = tap.forward(x)
        with torch.inference_mode():
            inside = tap.forward(x.clone())
            maps = inside.attribute([TopClass()])
            assert torch.equal(model(x), plain)
    for forward in (free, without, inside):
        assert torch.equal(forward.output, plain)
        assert not forward.output.requires_grad
        assert torch.equal(forward.attribute([TopClass()]), maps)


def test_model_is_untouched(case):
    model, x, layer, nodes = case
    frozen = {name for number, (name, _) in enumerate(model.named_parameters()) if number % 2}
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
    before = copy.deepcopy(model.state_dict())
    with Tap(model, layer, [nodes]) as tap:
        tap.forward(x).attribute([TopClass(), NodeTarget(nodes, 1)], "layercam")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {name for name, p in model.named_parameters() if not p.requires_grad} == frozen
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module.training or module._forward_hooks for module in model.modules())


def test_frozen_parameters_change_nothing(case):
    model, x, layer, nodes = case
    with Tap(model, layer, [nodes]) as tap:
        free = tap.forward(x).attribute([NodeTarget(nodes, 2)])
        model.requires_grad_(False)
        assert torch.equal(tap.forward(x).attribute([NodeTarget(nodes, 2)]), free)


def test_a_forward_that_is_not_the_taps_passes_untouched(case):
    model, x, layer, nodes = case
    with torch.no_grad():
        plain = model(x)
    with Tap(model, layer, [nodes]), torch.no_grad():
        output = model(x)
        assert torch.equal(output, plain)
        assert not output.requires_grad


def test_samples_of_a_batch_do_not_mix(case):
    model, x, layer, nodes = case
    with Tap(model, layer, [nodes]) as tap:
        together = tap.forward(x).attribute([Contribution(), NodeTarget(nodes, 1)], "hirescam")
        for sample in range(len(x)):
            alone = tap.forward(x[sample : sample + 1]).attribute(
                [Contribution(), NodeTarget(nodes, 1)], "hirescam"
            )
            torch.testing.assert_close(alone[0], together[sample], rtol=1e-4, atol=1e-6)


def test_two_threads_on_one_model_get_what_one_gets():
    model = seeded(PatentNet, True)
    batches = [torch.rand(2, 1, 96, 96, generator=torch.Generator().manual_seed(n)) for n in range(12)]
    with Tap(model, "features.18", ["fc1"]) as tap:

        def work(batch):
            forward = tap.forward(batch)
            return forward.output, forward.attribute([TopClass(), NodeTarget("fc1", 4)])

        alone = [work(batch) for batch in batches]
        results = {}
        start = threading.Barrier(2)

        def run(own):
            start.wait()
            for number in own:
                results[number] = work(batches[number])

        threads = [threading.Thread(target=run, args=(range(first, 12, 2),)) for first in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number, (output, maps) in enumerate(alone):
        assert torch.equal(results[number][0], output)
        assert torch.equal(results[number][1], maps)


def test_many_targets_go_in_chunks_with_the_same_result(monkeypatch):
    model, x = seeded(SharedNet), torch.rand(3, 1, 16, 16)
    targets = [NodeTarget("fc1", node) for node in range(7)]
    with Tap(model, "conv2", ["fc1"]) as tap:
        forward = tap.forward(x)
        whole = forward.gradients(targets)
        monkeypatch.setattr("foveal.capture.vjp._CHUNK_BYTES", 2 * 4 * forward.activations.numel())
        torch.testing.assert_close(forward.gradients(targets), whole)
        assert forward.gradients([]).shape == (3, 0, 6, 8, 8)


class SquareRoot(torch.autograd.Function):
    """An operation that vmap does not know."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sqrt()

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return torch.from_numpy((grad / (2 * x.sqrt())).numpy().copy())


def test_operations_without_a_batched_backward_go_one_by_one():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)
            self.fc = nn.Linear(2, 3)

        def forward(self, x):
            return self.fc(SquareRoot.apply(self.conv(x).exp()).mean((2, 3)))

    model, x = seeded(Odd), torch.rand(2, 1, 5, 5)
    with Tap(model, "conv", ["fc"]) as tap:
        ours = tap.forward(x).gradients([ClassTarget(0), ClassTarget(2)])
    for number, index in enumerate((0, 2)):
        *_, gradient = naive(model, "conv", "fc", x, lambda output, _, index=index: output[:, index])
        torch.testing.assert_close(ours[:, number], gradient)


@pytest.mark.parametrize("axes", [1, 3])
def test_any_number_of_spatial_axes(axes):
    conv = {1: nn.Conv1d, 3: nn.Conv3d}[axes]
    model = seeded(lambda: nn.Sequential(conv(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4)))
    x = torch.rand(2, 2, *(6, 7, 5)[:axes])
    model(x)
    with Tap(model, "1") as tap:
        assert tap.forward(x).attribute([TopClass(), ClassTarget(3)]).shape == (2, 2, *(4, 5, 3)[:axes])


def test_hirescam_is_complete_on_a_linear_head():
    model, x = seeded(LinearHead), torch.rand(3, 1, 8, 8)
    with Tap(model, "conv") as tap:
        forward = tap.forward(x)
        maps = forward.attribute([ClassTarget(k) for k in range(4)], "hirescam")
    torch.testing.assert_close(maps.sum((2, 3)), forward.output - model.fc.bias.detach())


def test_captums_toy_values():
    """BasicModel_ConvNet_One_Conv of captum's tests: the expected maps are theirs."""

    class OneConv(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1, self.relu1 = nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True)
            self.fc1, self.relu2 = nn.Linear(8, 4), nn.ReLU(inplace=True)
            with torch.no_grad():
                self.conv1.weight.fill_(1)
                self.conv1.bias.copy_(torch.tensor([-50.0, -75.0]))
                self.fc1.weight.copy_(torch.cat([torch.ones(4, 5), -torch.ones(4, 3)], dim=1))
                self.fc1.bias.zero_()

        def forward(self, x):
            return self.relu2(self.fc1(self.relu1(self.conv1(x)).flatten(1)))

    model, x = OneConv().eval(), torch.arange(16.0).view(1, 1, 4, 4)
    for layer, expected in {"conv1": [[11.25, 13.5], [20.25, 22.5]], "relu1": [[0, 4], [28, 32.5]]}.items():
        with Tap(model, layer) as tap:
            assert tap.forward(x).attribute([ClassTarget(0)])[0, 0].tolist() == expected


def test_grad_cam_at_the_nodes_own_channels_is_the_activation():
    model, x = seeded(SharedNet), torch.rand(2, 1, 16, 16)
    with Tap(model, "conv3", ["conv3"]) as tap:
        forward = tap.forward(x)
        map_ = forward.attribute([NodeTarget("conv3", 4)])[:, 0]
    torch.testing.assert_close(map_, forward.activations[:, 4] / 16)


def test_a_single_logit_is_explained_with_the_sign_of_its_prediction():
    model = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(18, 1)))
    x = torch.randn(6, 1, 5, 5)
    with Tap(model, "0") as tap:
        forward = tap.forward(x)
        top, contribution, logit = forward.gradients([TopClass(), Contribution(), ClassTarget(0)]).unbind(1)
    sign = torch.where(forward.output > 0, 1.0, -1.0).view(-1, 1, 1, 1)
    assert set(sign.flatten().tolist()) == {-1.0, 1.0}
    assert torch.equal(top, logit * sign)
    assert torch.equal(contribution, top)


def test_a_prediction_that_the_graph_would_change_is_made_by_a_plain_forward():
    class Fickle(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc = nn.Conv2d(1, 2, 3), nn.Linear(18, 3)

        def forward(self, x):
            h = self.conv(x).flatten(1)
            return self.fc(h) * (1.0000001 if torch.is_grad_enabled() else 1.0)

    model, x = seeded(Fickle), torch.rand(4, 1, 5, 5)
    with torch.no_grad():
        plain = model(x)
    with Tap(model, "conv") as tap:
        assert not torch.equal(tap.forward(x).output, plain)
        assert not tap.calibrate(x)
        assert torch.equal(tap.forward(x).output, plain)
        assert tap.forward(x).attribute([TopClass()]).abs().max() > 0


def test_half_precision_gives_float32_maps():
    model, x = seeded(LinearHead).bfloat16(), torch.rand(1, 1, 8, 8, dtype=torch.bfloat16)
    with Tap(model, "conv") as tap:
        forward = tap.forward(x)
        assert forward.output.dtype == torch.bfloat16
        assert forward.attribute([TopClass()]).dtype == torch.float32


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: Tap(seeded(SharedNet), "conv9"),
            "Unknown layer 'conv9'. Did you mean 'conv3' or 'conv2' or 'conv1'.",
        ),
        (
            lambda: Tap(seeded(SharedNet), "conv2", ["fc"]),
            "Unknown layer 'fc'. Did you mean 'fc2' or 'fc1'.",
        ),
        (lambda: Tap(SharedNet(), "conv2"), "The model is in training mode. Call model.eval() first."),
    ],
)
def test_what_cannot_be_tapped_is_named(build, message):
    with pytest.raises(UsageError) as caught:
        build()
    assert str(caught.value) == message


def test_a_part_in_training_mode_is_named():
    model = seeded(ResidualNet)
    model.layer2[0].bn1.train()
    with pytest.raises(UsageError) as caught:
        Tap(model, "layer2")
    assert str(caught.value) == (
        "Layer 'layer2.0.bn1' of the model is in training mode. Call model.eval() first."
    )


def test_training_mode_switched_on_later_is_refused():
    model = seeded(SharedNet)
    with Tap(model, "conv2") as tap:
        model.train()
        with pytest.raises(UsageError, match="The model is in training mode"):
            tap.forward(torch.rand(1, 1, 16, 16))


def test_inference_parameters_are_refused():
    with torch.inference_mode():
        model = seeded(SharedNet)
    with pytest.raises(UsageError) as caught:
        Tap(model, "conv2")
    assert str(caught.value) == (
        "The model's parameters were made under torch.inference_mode. Load the model outside of it."
    )


@pytest.mark.parametrize(
    ("layer", "nodes", "targets", "message"),
    [
        (
            "conv2",
            ["fc1"],
            [NodeTarget("fc1", 7)],
            "Feature 'fc1:7' is out of range: layer 'fc1' has 7 nodes. Give an index from 0 to 6.",
        ),
        (
            "conv2",
            ["fc1"],
            [NodeTarget("fc1", torch.tensor([3, 9]))],
            "Feature 'fc1:9' is out of range: layer 'fc1' has 7 nodes. Give an index from 0 to 6.",
        ),
        (
            "conv2",
            [],
            [ClassTarget(3)],
            "Feature 'class:3' is out of range: the model has 3 classes. Give an index from 0 to 2.",
        ),
        (
            "conv2",
            [],
            [NodeTarget("fc1", 0)],
            "Layer 'fc1' is not tapped for nodes. Give it to the tap as a node layer.",
        ),
        (
            "conv3",
            ["conv1"],
            [NodeTarget("conv1", 0)],
            "Layer 'conv1' does not come after the map's layer. Choose an earlier --layer for the map.",
        ),
        (
            "fc1",
            [],
            [],
            "Layer 'fc1' has no spatial grid, its output is of shape (2, 7). Name a convolutional layer.",
        ),
    ],
)
def test_what_cannot_be_explained_is_named(layer, nodes, targets, message):
    with Tap(seeded(SharedNet), layer, nodes) as tap, pytest.raises(UsageError) as caught:
        tap.forward(torch.rand(2, 1, 16, 16)).attribute(targets)
    assert str(caught.value) == message


def test_outputs_and_layers_that_do_not_fit_are_named():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.spare = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3)

        def forward(self, x):
            return {"count": 3, "kind": str(self.conv(x).shape)}

    model = Odd().eval()
    expected = {
        ("conv", ()): "The model's output is dict. Give a classifier whose output is (batch, classes).",
        ("spare", ()): "Layer 'spare' is not used in the forward. Name a layer that the model runs.",
        ("conv", ("spare",)): "Layer 'spare' is not used in the forward. Name a layer that the model runs.",
    }
    for (layer, nodes), message in expected.items():
        with Tap(model, layer, nodes) as tap, pytest.raises(UsageError) as caught:
            tap.forward(torch.rand(1, 1, 5, 5))
        assert str(caught.value) == message


def test_the_hooks_survive_a_failing_forward():
    model = seeded(SharedNet)
    with Tap(model, "conv2") as tap:
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            tap.forward(torch.rand(1, 1, 32, 32))
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
        assert tap.forward(torch.rand(1, 1, 16, 16)).output.shape == (1, 3)


def test_two_taps_on_one_model_do_not_meet():
    model, x = seeded(SharedNet), torch.rand(2, 1, 16, 16)
    with Tap(model, "conv1", ["fc1"]) as first:
        alone = first.forward(x).attribute([NodeTarget("fc1", 2)])
    with Tap(model, "conv1", ["fc1"]) as first, Tap(model, "conv3", ["conv2"]) as second:
        assert torch.equal(first.forward(x).attribute([NodeTarget("fc1", 2)]), alone)
        other = second.forward(x)
        assert list(other.nodes) == ["conv2"]
        assert other.activations.shape == (2, 6, 4, 4)


def test_a_branch_that_reads_the_input_works_on_inference_tensors():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.fc = nn.Conv2d(1, 2, 3), nn.Conv2d(1, 2, 3), nn.Linear(2, 3)

        def forward(self, x):
            return self.fc((self.first(x).relu() + self.second(x)).mean((2, 3)))

    model = seeded(Branches)
    with torch.inference_mode():
        x = torch.rand(2, 1, 6, 6)
        with Tap(model, "first") as tap:
            forward = tap.forward(x)
            assert torch.equal(forward.output, model(x))
            assert forward.attribute([TopClass()]).abs().max() > 0
