"""Methods that go from a layer to the sample: guided Grad-CAM, the reconstructed saliency activation map."""

from __future__ import annotations

import pytest
import torch
from captum.attr import GuidedGradCam
from rectified_nets import Chain
from small_nets import Blobs, PatentNet, ResidualNet, seeded
from torch import nn

import foveal
from foveal.attribution import get_method
from foveal.errors import UsageError

torch.set_num_threads(1)


def maps(net, x, method, layer, targets="class:1", **options):
    return foveal.explain(net, x, method=method, layer=layer, targets=targets, options=options).maps


def image(channels=2, side=8, count=2):
    return torch.randn(
        count, channels, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    )


def test_guided_gradcam_is_the_product():
    net, x = seeded(ResidualNet).double(), image(3, 32)
    units = ["class:0", "class:1", "class:2"]
    cams = maps(net, x, "gradcam", "layer1", units).clamp(min=0)
    assert cams.any()
    enlarged = nn.functional.interpolate(cams, (32, 32), mode="bilinear", align_corners=False)
    guided = maps(net, x, "guided-backprop", "input", units)
    torch.testing.assert_close(maps(net, x, "guided-gradcam", "layer1", units), guided * enlarged)


@pytest.mark.filterwarnings("ignore::UserWarning:captum")
def test_guided_gradcam_equals_captum():
    net, x = seeded(PatentNet).double(), torch.rand(1, 1, 96, 96, dtype=torch.float64)
    layer = "features.21"
    theirs = GuidedGradCam(net, net.features[21]).attribute(x, 2, interpolate_mode="bilinear")
    torch.testing.assert_close(
        maps(net, x, "guided-gradcam", layer, "class:2")[:, 0], theirs[:, 0].detach().float()
    )


def _reconstruction(net, x, unit, layer, guided_by=None):
    """Write the steps out for `Chain`: Grad-CAM at a layer, the sum of its positive part, its gradient."""
    leaf = x.clone().requires_grad_()
    first = net.conv1(leaf)
    A = first if layer == "conv1" else net.conv2(net.pool(torch.relu(first)))
    rest = torch.relu(A) if layer == "conv2" else torch.relu(net.conv2(net.pool(torch.relu(A))))
    scores = net.fc2(torch.relu(net.fc1(rest.flatten(2).mean(-1))))
    (g,) = torch.autograd.grad(scores[:, unit].sum(), A, retain_graph=True)
    weights = g.mean((2, 3), keepdim=True)
    counted = ((weights * A).sum(1, keepdim=True) > 0) & (A > 0)
    (gradient,) = torch.autograd.grad((weights * A * counted).sum(), leaf)
    return gradient.clamp(min=0)


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_saliency_activation_written_out(layer):
    net, x = seeded(Chain).double(), image()
    units = ["class:0", "class:1"]
    plain = maps(net, x, "saliency-activation", layer, units, variant="gradient", times_input=False)
    times = maps(net, x, "saliency-activation", layer, units, variant="gradient", baseline="mean")
    mean = x.mean((2, 3), keepdim=True)
    for unit in (0, 1):
        expected = _reconstruction(net, x, unit, layer)
        torch.testing.assert_close(plain[:, unit], expected.amax(1).float())
        torch.testing.assert_close(times[:, unit], (expected * (x - mean).abs()).amax(1).float())
    assert plain.any()


def test_saliency_activation_s_default_is_guided():
    """Below the first convolution there is no ReLU to guide; below the second there is."""
    net, x = seeded(Chain).double(), image()
    for layer, same in (("conv1", True), ("conv2", False)):
        guided, plain = (
            maps(net, x, "saliency-activation", layer, ["class:0", "class:1"], variant=variant)
            for variant in ("guided", "gradient")
        )
        assert guided.min() >= 0
        assert torch.equal(guided, plain) == same


def test_saliency_activation_points_at_the_blob_from_any_layer():
    x = torch.full((1, 1, 32, 32), 0.3)
    x[..., 8:16, 16:24] = 1.0
    for layer in ("conv1", "relu1", "conv2"):
        found = maps(Blobs().eval(), x, "saliency-activation", layer)[0, 0]
        assert found[6:18, 14:26].sum() == pytest.approx(found.sum().item())
        assert found.sum() > 0


def test_in_place_relu_after_the_layer():
    """The layer's own output counts, not what the network made of its memory."""
    x = image().float()
    for method in ("saliency-activation", "guided-gradcam"):
        for layer in ("conv1", "conv2"):
            plain = maps(seeded(Chain, 2, nn.ReLU()), x, method, layer)
            assert torch.equal(maps(seeded(Chain, 2, nn.ReLU(inplace=True)), x, method, layer), plain)


def test_a_layer_s_second_call():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)
            self.fc = nn.Linear(2, 2)

        def forward(self, x):
            return self.fc(torch.relu(self.conv(torch.relu(self.conv(x)))).mean((2, 3)))

    net, x = seeded(Twice), image().float()
    first, second, last = (
        maps(net, x, "saliency-activation", name, ["class:0", "class:1"])
        for name in ("conv#1", "conv#2", "conv")
    )
    assert torch.equal(second, last)
    assert not torch.equal(first, second)


def test_a_layer_without_a_grid_of_channels():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Conv2d(2, 4, 2, 2)
            self.norm = nn.LayerNorm(4)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            tokens = torch.relu(self.norm(self.embed(x).flatten(2).transpose(1, 2)))
            return self.fc(tokens.mean(1))

    with pytest.raises(UsageError) as caught:
        maps(seeded(Tokens), image(side=8).float(), "saliency-activation", "norm")
    assert str(caught.value) == (
        "Layer 'norm' gives (2, 16, 4) and no grid of channels. Choose a convolutional layer."
    )


def test_the_reconstruction_says_so():
    method = get_method("saliency-activation")
    assert "reconstruction" in method.summary
    assert method.source.startswith("Reconstruction")
