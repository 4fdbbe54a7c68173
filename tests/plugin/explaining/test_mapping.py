"""One mapper for sample after sample gives what the public call gives, and leaves the model alone."""

from __future__ import annotations

import pytest
import torch
from small_nets import PatentNet, ResidualNet, SharedNet, seeded

import foveal
from foveal.errors import UsageError
from foveal.explaining.mapping import Mapper

METHODS = [
    ("gradcam", {}, "conv2"),
    ("layercam", {}, "conv1"),
    ("gradient", {}, "auto"),
    ("rise", {"samples": 24}, "auto"),
    ("lrp", {}, "auto"),
]


@pytest.mark.parametrize(("method", "options", "layer"), METHODS)
def test_it_gives_what_the_public_call_gives(method, options, layer):
    model = seeded(SharedNet)
    targets = ["top", "fc1:3", "class:1"]
    with Mapper(model, method, layer=layer, targets=targets, options=options, seed=5) as mapper:
        for seed in range(2):
            x = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
            mapped = mapper(x)
            public = foveal.explain(
                model, x, method=method, layer=layer, targets=targets, options=options, seed=5
            )
            assert torch.equal(mapped.maps, public.maps)
            assert torch.equal(mapped.output, public.output)
            assert mapper.layer == public.layer
    assert not any(module._forward_hooks for module in model.modules())


def test_the_layer_is_chosen_once_and_told():
    model = seeded(ResidualNet)
    mapper = Mapper(model, "gradcam")
    assert mapper.layer == "auto"
    mapper.prepare(torch.rand(1, 3, 32, 32))
    chosen = mapper.layer
    assert chosen == foveal.explain(model, torch.rand(1, 3, 32, 32)).layer
    assert mapper(torch.rand(2, 3, 48, 48)).maps.shape[:2] == (2, 1)
    assert mapper.layer == chosen
    mapper.close()


def test_times_of_both_steps_are_told():
    timings = {}
    with Mapper(seeded(PatentNet), "gradcam") as mapper:
        mapper(torch.rand(1, 1, 96, 96), timings)
    assert set(timings) == {"predict", "attribute"}
    assert all(value > 0 for value in timings.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "rise", "options": {"sample": 3}}, "Method 'rise' has no option 'sample'."),
        ({"method": "gradcam", "targets": ["fc1"]}, "Target 'fc1' is not one unit."),
        ({"method": "rise", "layer": "conv1"}, "Method 'rise' maps the input, not layer 'conv1'."),
    ],
)
def test_wrong_wishes_are_told(options, message):
    def ask():
        Mapper(seeded(SharedNet), **options)(torch.rand(1, 1, 16, 16))

    with pytest.raises(UsageError) as caught:
        ask()
    assert str(caught.value).startswith(message)
