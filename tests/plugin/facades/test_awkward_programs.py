"""Scripts that ask for the input's sides, exported transposed convolutions, outputs that hold tensors."""

from __future__ import annotations

import io

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own usage

import foveal
from foveal.capture.parted import Parted
from foveal.facades.exported import present_program
from foveal.facades.occluded import Occluded
from foveal.facades.scripted import present_script
from foveal.segmenting.network import Segmenter

pytestmark = pytest.mark.filterwarnings("ignore")


class Trunk(nn.Module):
    def __init__(self):
        super().__init__()
        self.early = nn.Sequential(nn.Conv2d(1, 6, 3, 2, 1), nn.ReLU())
        self.late = nn.Sequential(nn.Conv2d(6, 6, 3, 1, 1), nn.ReLU())
        self.out = nn.Conv2d(6, 3, 1)
        self.head = nn.Linear(6 * 8 * 8, 3)


class Enlarged(Trunk):
    """Enlarges its logits to the sample, as the networks of torchvision do."""

    def forward(self, x: Tensor) -> Tensor:
        logits = self.out(self.late(self.early(x)))
        return F.interpolate(logits, size=x.shape[2:], mode="bilinear", align_corners=False)


class Rows(Trunk):
    """Lays features out by the number and sides of the samples."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.late(self.early(x)).view(x.size(0), 6 * (x.size(2) // 2) * (x.size(-1) // 2)))


class Held(Enlarged):
    """Gives its logits in a mapping."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"out": self.out(self.late(self.early(x)))}


def scripted(net):
    """Save and load a script: what was a class of Python is one no more."""
    content = io.BytesIO()
    torch.jit.save(torch.jit.script(net), content)
    content.seek(0)
    return torch.jit.load(content).eval()


@pytest.mark.parametrize(
    ("kind", "frozen", "layer"),
    [
        (Enlarged, False, "script.activations"),  # torch writes a file of it that does not run
        (Enlarged, True, "Relu_1"),
        (Rows, False, "late_1_Relu"),
        (Rows, True, "Relu_1"),
    ],
)
def test_a_script_may_ask_for_the_inputs_sides(kind, frozen, layer):
    torch.manual_seed(3)
    net, x = kind().eval(), torch.randn(3, 1, 16, 16)
    script = torch.jit.freeze(scripted(net)) if frozen else scripted(net)
    module = present_script(script, x[:1])
    assert isinstance(module, Parted)
    before = Segmenter if kind is Enlarged else lambda one: one
    ours, theirs = (
        foveal.explain(before(one), x, layer=at, targets=["class:1", "class:2"])
        for one, at in ((module, "auto"), (net, "late"))
    )
    assert ours.layer == layer
    torch.testing.assert_close(ours.output, theirs.output)
    torch.testing.assert_close(ours.maps, theirs.maps, rtol=1e-4, atol=1e-7)
    assert theirs.maps.abs().amax() > 1e-4


def exported(net, x):
    return torch.export.export(net, (x,), dynamic_shapes=({0: torch.export.Dim("batch")},))


AXES = {
    1: (nn.Conv1d, nn.ConvTranspose1d),
    2: (nn.Conv2d, nn.ConvTranspose2d),
    3: (nn.Conv3d, nn.ConvTranspose3d),
}


@pytest.mark.parametrize("axes", AXES)
def test_transposed_convolutions_of_a_program_are_modules_again(axes):
    plain, transposed = AXES[axes]
    torch.manual_seed(3)
    enlarging = transposed(6, 4, 3, stride=2, padding=1, output_padding=1, groups=2, bias=False)
    net = nn.Sequential(plain(2, 6, 3, padding=1), nn.ReLU(), enlarging).eval()
    x = torch.randn(2, 2, *[6] * axes)
    program = present_program(exported(net, x))
    (found,) = (part for part in program.modules() if isinstance(part, transposed))
    assert (found.in_channels, found.out_channels, found.groups) == (6, 4, 2)
    assert (found.stride, found.output_padding) == (enlarging.stride, enlarging.output_padding)
    with torch.no_grad():
        assert torch.equal(program(x), net(x))
    ours, theirs = (foveal.explain(Segmenter(one), x, targets="class:1") for one in (program, net))
    assert ours.layer == theirs.layer
    torch.testing.assert_close(ours.maps, theirs.maps)


def test_a_program_may_hold_its_logits_in_a_mapping():
    torch.manual_seed(3)
    net, x = Held().eval(), torch.randn(2, 1, 16, 16)
    ours, theirs = (
        foveal.explain(Segmenter(one), x, targets="class:1")
        for one in (present_program(exported(net, x)), net)
    )
    assert ours.layer == theirs.layer == "late"
    torch.testing.assert_close(ours.maps, theirs.maps)


def test_a_script_that_gives_a_mapping_is_named():
    x = torch.randn(2, 1, 16, 16)
    script = torch.jit.trace(Held().eval(), x, strict=False)
    module = present_script(script, x)
    assert isinstance(module, Occluded)
    assert module.closed == "The TorchScript network gives a dict"
