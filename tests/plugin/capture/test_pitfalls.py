"""What other attribution tools get wrong, one test each: every fault here was measured in one of them."""

from __future__ import annotations

import copy
import gc
import threading
import weakref

import pytest
import torch
from small_nets import LinearHead, ResidualNet, SharedNet, seeded
from torch import nn

import foveal
from foveal.attribution import get_layer_method
from foveal.capture import ClassTarget, NodeTarget, ScoreTarget, Tap, TopClass
from foveal.errors import UsageError


def rand(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


class PreAddNet(nn.Module):
    """The layer's output is overwritten by whatever comes next: a ReLU in place, then `+=`."""

    def __init__(self, in_place):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.bn, self.fc = nn.BatchNorm2d(4), nn.Linear(4, 3)
        self.in_place = in_place

    def forward(self, x):
        first = self.conv1(x)
        out = self.bn(self.conv2(first))
        if self.in_place:
            out += first
            out.relu_()
        else:
            out = torch.relu(out + first)
        return self.fc(out.mean((2, 3)))


@pytest.mark.parametrize("layer", ["bn", "conv1", "conv2"])
@pytest.mark.parametrize("method", ["gradcam", "hirescam", "layercam", "gradcam++"])
def test_what_overwrites_the_layer_in_place_changes_no_map(layer, method):
    x = rand(3, 1, 8, 8)
    maps = [
        foveal.explain(
            seeded(PreAddNet, in_place), x, layer=layer, targets=["top", "class:1"], method=method
        ).maps
        for in_place in (True, False)
    ]
    assert torch.equal(*maps)
    assert maps[0].abs().max() > 0


def test_a_module_called_again_is_explained_at_its_last_call_or_the_one_that_is_named():
    model, x = seeded(SharedNet), rand(2, 1, 16, 16)
    pooled = foveal.explain(model, x, layer="pool", targets="class:1", method="hirescam")
    third = foveal.explain(model, x, layer="pool#3", targets="class:1", method="hirescam")
    assert torch.equal(pooled.maps, third.maps)
    convs = (model.conv1, model.conv2, model.conv3)
    for call in (1, 2, 3):
        named = foveal.explain(model, x, layer=f"relu#{call}", targets="class:1", method="hirescam")
        assert named.layer == f"relu#{call}"
        hidden = x
        for conv in convs[: call - 1]:
            hidden = model.pool(torch.relu(conv(hidden)))
        leaf = torch.relu(convs[call - 1](hidden)).detach().requires_grad_()
        onward = model.pool(leaf)
        for conv in convs[call:]:
            onward = model.pool(torch.relu(conv(onward)))
        score = model.fc2(torch.relu(model.fc1(onward.flatten(1))))[:, 1]
        (gradient,) = torch.autograd.grad(score.sum(), leaf)
        torch.testing.assert_close(named.maps[:, 0], (gradient * leaf).sum(1).detach())


def test_a_last_call_without_a_grid_is_named():
    with pytest.raises(UsageError) as caught:
        foveal.explain(seeded(SharedNet), rand(1, 1, 16, 16), layer="relu#4")
    assert str(caught.value) == (
        "Layer 'relu#4' has no spatial grid, its output is of shape (1, 7). Name a convolutional layer."
    )
    with pytest.raises(UsageError) as caught:
        foveal.explain(seeded(SharedNet), rand(1, 1, 16, 16), layer="relu#5")
    assert str(caught.value) == "Layer 'relu#5' is not used in the forward. Name a layer that the model runs."


def test_no_hook_comes_or_goes_with_a_request():
    model, x = seeded(SharedNet), rand(1, 1, 16, 16)
    with Tap(model, "conv2", ["fc1"]) as tap:
        installed = {name: list(module._forward_hooks) for name, module in model.named_modules()}
        tap.forward(x).attribute([TopClass()])
        assert installed == {name: list(module._forward_hooks) for name, module in model.named_modules()}


def test_a_compiled_model_is_explained_through_its_original():
    model, x = seeded(ResidualNet), rand(1, 3, 32, 32)
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        compiled(x)  # hooks that come after the compilation are not called
    expected = foveal.explain(model, x, layer="layer2").maps
    assert torch.equal(foveal.explain(compiled, x, layer="layer2").maps, expected)


def test_a_data_parallel_model_is_explained_on_one_device():
    model, x = seeded(ResidualNet), rand(1, 3, 32, 32)
    wrapped = nn.DataParallel(model)
    assert torch.equal(foveal.explain(wrapped, x).maps, foveal.explain(model, x).maps)


def test_torchscript_is_refused_where_layers_are_needed():
    model, x = seeded(LinearHead), rand(1, 1, 8, 8)
    for script in (torch.jit.script(model), torch.jit.trace(model, x)):
        with pytest.raises(UsageError) as caught:
            foveal.explain(script, x, layer="conv")
        assert str(caught.value) == (
            "The model is TorchScript, its layers cannot be reached. "
            "Give the eager model, or a method that only calls the model, such as occlusion or rise."
        )


def test_the_hooks_of_an_exported_program_never_fire_and_that_is_said():
    model, x = seeded(ResidualNet), rand(1, 3, 32, 32)
    module = torch.export.export(model, (x,)).module()
    with pytest.raises(UsageError):
        foveal.explain(module, x, layer="layer2")


def test_dropout_in_training_mode_is_refused():
    model = seeded(lambda: nn.Sequential(nn.Conv2d(1, 2, 3), nn.Dropout(), nn.Flatten(), nn.Linear(18, 2)))
    model[1].train()
    with pytest.raises(UsageError) as caught:
        foveal.explain(model, rand(1, 1, 5, 5), layer="0")
    assert str(caught.value) == "Layer '1' of the model is in training mode. Call model.eval() first."
    assert model[1].training


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_models(dtype):
    model, x = seeded(LinearHead), rand(2, 1, 8, 8)
    exact = foveal.explain(model, x, layer="conv", targets=["class:0", "class:3"])
    half = foveal.explain(
        copy.deepcopy(model).to(dtype), x.to(dtype), layer="conv", targets=["class:0", "class:3"]
    )
    assert half.maps.dtype == torch.float32
    assert half.output.dtype == dtype
    assert float((half.maps - exact.maps).norm() / exact.maps.norm()) < 0.02


def test_autocast_is_the_callers_and_the_products_are_float32():
    model, x = seeded(ResidualNet), rand(2, 3, 32, 32)
    exact = foveal.explain(model, x, layer="layer2", method="hirescam")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = foveal.explain(model, x, layer="layer2", method="hirescam")
        with torch.no_grad():
            assert torch.equal(mixed.output, model(x))
    assert mixed.maps.dtype == torch.float32
    assert float((mixed.maps - exact.maps).norm() / exact.maps.norm()) < 0.1


def test_small_gradients_survive_float16():
    model = seeded(LinearHead).half()
    with torch.no_grad():
        model.fc.weight.mul_(1e-3)
    x = rand(1, 1, 8, 8).half()
    steep = ScoreTarget(lambda scores: scores[:, 0] * 2e-5)
    gentle = foveal.explain(model, x, layer="conv", targets=[steep], method="hirescam").maps
    plain = foveal.explain(model.float(), x.float(), layer="conv", targets=[steep], method="hirescam").maps
    assert float((gentle - plain).norm() / plain.norm()) < 0.05


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("method", ["gradcam", "cam", "gradient"])
def test_the_callers_mode_does_not_matter(mode, method):
    model, x = seeded(ResidualNet), rand(2, 3, 32, 32)
    layer = {"gradient": "auto"}.get(method, "layer3")
    free = foveal.explain(model, x, layer=layer, method=method)
    with mode():
        inside = foveal.explain(model, x.clone(), layer=layer, method=method)
        assert torch.is_inference_mode_enabled() == (mode is torch.inference_mode)
        assert torch.is_grad_enabled() == (mode is torch.enable_grad)
    assert torch.equal(free.maps, inside.maps)
    assert torch.equal(free.output, inside.output)


def test_a_softmax_at_the_end_is_not_what_top_means():
    """A saturated probability has no gradient; a score function of the user's own may still ask for it."""
    model, x = seeded(LinearHead), rand(1, 1, 8, 8)
    with torch.no_grad():
        model.fc.weight.mul_(1e5)
    steep = ScoreTarget(lambda scores: torch.softmax(scores, 1).max(1).values)
    maps = foveal.explain(model, x, layer="conv", targets=["top", steep]).maps
    assert maps[0, 0].abs().max() > 1
    assert maps[0, 1].abs().max() == 0


def test_a_target_function_of_the_wrong_length_is_an_error():
    """Elsewhere the samples beyond the list of targets silently get a map of zeros."""
    with pytest.raises(UsageError) as caught:
        foveal.explain(
            seeded(LinearHead), rand(3, 1, 8, 8), layer="conv", targets=[lambda scores: scores[0, :1]]
        )
    assert str(caught.value) == (
        "The target function gives (1,) for 3 samples. "
        "Give a function of (batch, ...) with one scalar per sample."
    )


def test_nothing_that_is_given_back_hangs_on_a_graph():
    model, x = seeded(ResidualNet), rand(1, 3, 32, 32)
    explanation = foveal.explain(model, x, targets=["top", "layer3:1"])
    assert not explanation.maps.requires_grad
    assert explanation.maps.grad_fn is None
    assert not explanation.output.requires_grad


def test_the_graph_goes_with_the_forward():
    model, x = seeded(SharedNet), rand(1, 1, 16, 16)
    with Tap(model, "conv2", ["fc1"]) as tap:
        forward = tap.forward(x)
        maps = forward.attribute([TopClass()])
        leaf = weakref.ref(forward.leaf)
        del forward
        gc.collect()
        assert leaf() is None
        assert maps.shape == (1, 1, 8, 8)


def test_an_all_negative_map_stays_negative_and_a_flat_one_flat():
    A = torch.rand(1, 3, 4, 4)
    assert bool((get_layer_method("gradcam").combine(A, -torch.ones_like(A)) < 0).all())
    model = seeded(LinearHead)
    with torch.no_grad():
        model.fc.weight.zero_()
    flat = foveal.explain(model, rand(1, 1, 8, 8), layer="conv").maps
    assert not flat.any()


def test_raw_values_are_kept():
    """A map of twice the score is twice the map: nothing is scaled to the full range."""
    model, x = seeded(LinearHead), rand(1, 1, 8, 8)
    single = foveal.explain(model, x, layer="conv", targets="class:1").maps
    with torch.no_grad():
        model.fc.weight.mul_(2)
    torch.testing.assert_close(foveal.explain(model, x, layer="conv", targets="class:1").maps, 2 * single)


class TwoInputs(nn.Module):
    """An image and a vector of measurements; tuple output with the scores second."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 3, 3), nn.Linear(5, 4)

    def forward(self, image, measured, *, scale=1.0):
        pooled = torch.relu(self.conv(image)).mean((2, 3))
        return measured, self.fc(torch.cat([pooled * scale, measured], 1))


def test_several_inputs_and_a_tuple_of_outputs():
    model, image, measured = seeded(TwoInputs), rand(3, 1, 8, 8), rand(3, 2, seed=2)
    explanation = foveal.explain(model, (image, measured), layer="conv", output=1, targets=["top", "class:2"])
    assert torch.equal(explanation.output, model(image, measured)[1])
    named = foveal.explain(
        model, {"image": image, "measured": measured}, layer="conv", output=lambda out: out[1], targets="top"
    )
    assert torch.equal(named.maps[:, 0], explanation.maps[:, 0])
    saliency = foveal.explain(
        model, {"image": image, "measured": measured}, output=1, method="smoothgrad", options={"samples": 3}
    )
    assert saliency.maps.shape == (3, 1, 8, 8)


def test_a_part_of_the_output_that_does_not_exist_is_named():
    with pytest.raises(UsageError) as caught:
        foveal.explain(seeded(TwoInputs), (rand(1, 1, 8, 8), rand(1, 2)), layer="conv", output=2)
    assert str(caught.value) == "The model's output has no part 2. Did you mean '0' or '1'."


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("method", ["gradcam", "gradient"])
def test_an_input_that_is_not_finite_is_refused(bad, method):
    x = rand(2, 1, 8, 8)
    x[1, 0, 3, 3] = bad
    layer = "conv" if method == "gradcam" else "auto"
    with pytest.raises(UsageError) as caught:
        foveal.explain(seeded(LinearHead), x, layer=layer, method=method)
    assert str(caught.value) == (
        "The input holds NaN or infinite numbers. Mend the sample or its preprocessing."
    )


def test_activations_that_are_not_finite_are_refused():
    model = seeded(LinearHead)
    with torch.no_grad():
        model.conv.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(UsageError) as caught:
        foveal.explain(model, rand(1, 1, 8, 8), layer="conv")
    assert str(caught.value) == (
        "The activations of layer 'conv' hold NaN or infinite numbers. "
        "Check the model's weights, or predict in float32."
    )


def test_targets_that_have_no_say_in_the_layer_are_refused():
    with pytest.raises(UsageError) as caught:
        foveal.explain(seeded(SharedNet), rand(1, 1, 16, 16), layer="conv3", targets="conv1:0")
    assert str(caught.value) == (
        "Layer 'conv1' does not come after the map's layer. Choose an earlier --layer for the map."
    )


def test_every_target_equals_the_only_target_and_every_sample_the_only_sample():
    """K targets in one backward, B samples in one forward: the same as one by one."""
    model, x = seeded(ResidualNet).double(), rand(4, 3, 32, 32).double()
    units = ["top", "class:0", "class:2", "layer3:3", "layer3:5@max", "layer3:5@1,2", "contribution"]
    for method in ("gradcam", "gradcam++", "layercam", "hirescam"):
        together = foveal.explain(model, x, targets=units, method=method).maps
        for number, unit in enumerate(units):
            alone = foveal.explain(model, x[1:2], targets=unit, method=method).maps
            torch.testing.assert_close(together[1:2, number : number + 1], alone, rtol=1e-6, atol=1e-9)


def test_shallow_float32_maps_are_held_against_float64_by_norm():
    """One flipped ReLU gate moves single values by far more than rounding."""
    model, x = seeded(ResidualNet), rand(2, 3, 32, 32)
    single = foveal.explain(model, x, layer="stem", targets="class:1").maps.double()
    double = foveal.explain(model.double(), x.double(), layer="stem", targets="class:1").maps.double()
    assert float((single - double).norm() / double.norm()) < 1e-2


def test_two_threads_with_different_methods_do_not_meet():
    model, x = seeded(ResidualNet), rand(1, 3, 32, 32)
    methods = ["gradient", "gradcam"]
    alone = {method: foveal.explain(model, x, method=method).maps for method in methods}
    wrong: list[str] = []
    start = threading.Barrier(2)

    def run(method):
        start.wait()
        for _ in range(8):
            if not torch.equal(foveal.explain(model, x, method=method).maps, alone[method]):
                wrong.append(method)

    threads = [threading.Thread(target=run, args=(method,)) for method in methods]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_node_of_the_maps_own_layer_is_its_channel():
    model, x = seeded(SharedNet), rand(2, 1, 16, 16)
    with Tap(model, "conv2", ["conv2"]) as tap:
        forward = tap.forward(x)
        maps = forward.attribute([NodeTarget("conv2", 3)])[:, 0]
    torch.testing.assert_close(maps, forward.activations[:, 3] / 64)


def test_grad_cam_is_cam_by_the_number_of_positions():
    model, x = seeded(ResidualNet), rand(3, 3, 32, 32)
    units = ["class:0", "class:1", "class:2"]
    cam = foveal.explain(model, x, layer="layer3", targets=units, method="cam").maps
    gradcam = foveal.explain(model, x, layer="layer3", targets=units).maps
    with Tap(model, "layer3") as tap:
        A = tap.forward(x).activations
    by_hand = torch.einsum("nc,bchw->bnhw", model.fc.weight.detach(), A)
    torch.testing.assert_close(cam, by_hand)
    torch.testing.assert_close(gradcam, by_hand / 16)
    torch.testing.assert_close(cam.mean((2, 3)), model(x).detach() - model.fc.bias.detach())


def test_cam_is_refused_where_it_is_not_defined():
    for layer, units in (("layer2", "top"), ("layer3", "layer3:1")):
        with pytest.raises(UsageError) as caught:
            foveal.explain(seeded(ResidualNet), rand(1, 3, 32, 32), layer=layer, targets=units, method="cam")
        assert str(caught.value) == (
            "Method 'cam' explains classes behind an average over space and one Linear, which do not follow "
            f"layer '{layer}'. Take gradcam, which is the same where both are defined."
        )


def test_a_known_head_needs_no_graph_and_gives_the_same():
    model, x = seeded(ResidualNet), rand(4, 3, 32, 32)
    targets = [TopClass(), ClassTarget(1), ScoreTarget(lambda scores: scores[:, 0] - scores[:, 2])]
    with Tap(model, "layer3") as tap:
        graph = tap.forward(x)
        assert tap.calibrate(x)
        closed = tap.forward(x)
        assert not closed.leaf.requires_grad
        assert torch.equal(graph.output, closed.output)
        for method in ("gradcam", "hirescam", "layercam", "gradcam++"):
            torch.testing.assert_close(
                closed.attribute(targets, method), graph.attribute(targets, method), rtol=1e-5, atol=1e-8
            )


def test_a_head_that_only_looks_linear_is_not_believed():
    class Scaled(ResidualNet):
        def forward(self, x):
            return super().forward(x) * 1.0 + 0 * x.mean()

    class TwoRoads(ResidualNet):
        def forward(self, x):
            x = self.layer3(self.layer2(self.layer1(torch.relu(self.stem(x)))))
            if torch.is_grad_enabled():
                return self.fc((x * x).mean((2, 3)))
            return self.fc(x.mean((2, 3)))

    for kind, known in ((Scaled, True), (TwoRoads, False)):
        with Tap(seeded(kind), "layer3") as tap:
            tap.calibrate(rand(1, 3, 32, 32))
            assert (tap._head is not None) == known
