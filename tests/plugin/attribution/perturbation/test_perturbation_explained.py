"""Perturbation methods and attention through ``foveal.explain``, on networks with awkward habits."""

from __future__ import annotations

import copy

import pytest
import torch
from small_nets import ResidualNet, seeded
from tiny_transformers import TinyTransformer

import foveal
from foveal.errors import UsageError

PERTURBATIONS = {
    "rise": {"samples": 30},
    "sliding-window": {},
    "prediction-difference": {"samples": 2, "stride": 8},
    "meaningful-perturbation": {"steps": 3},
}
ATTENTIONS = {"attention": {}, "attention-rollout": {}, "gradient-rollout": {}}
CASES = [(name, options, "net") for name, options in PERTURBATIONS.items()]
CASES += [(name, options, "transformer") for name, options in (PERTURBATIONS | ATTENTIONS).items()]


def _made(kind):
    random = torch.Generator().manual_seed(0)
    if kind == "net":
        return seeded(ResidualNet), torch.randn(2, 3, 16, 16, generator=random), "layer2:3"
    return seeded(TinyTransformer), torch.randn(2, 1, 8, 8, generator=random), "mlps.1:3"


@pytest.mark.parametrize(("name", "options", "kind"), CASES)
class TestThroughExplain:
    def test_the_model_is_left_as_it_was(self, name, options, kind):
        net, x, node = _made(kind)
        net.fc.weight.requires_grad_(False)
        weights, given = copy.deepcopy(net.state_dict()), x.clone()
        found = foveal.explain(net, x, method=name, targets=["top", "class:1", node], options=options)
        assert found.maps.shape == (2, 3, *x.shape[2:])
        assert found.layer == "input"
        assert all(torch.equal(value, weights[key]) for key, value in net.state_dict().items())
        assert all(parameter.grad is None for parameter in net.parameters())
        assert [name for name, one in net.named_parameters() if not one.requires_grad] == ["fc.weight"]
        assert not any(module._forward_hooks or module.training for module in net.modules())
        assert torch.equal(x, given)

    @pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
    def test_the_mode_of_the_caller_does_not_matter(self, name, options, kind, mode):
        net, x, node = _made(kind)
        plain = foveal.explain(net, x, method=name, targets=["top", node], options=options)
        with mode():
            same = foveal.explain(net, x.clone(), method=name, targets=["top", node], options=options)
        assert torch.equal(same.maps, plain.maps)


def test_training_samples_are_used_where_they_are_given():
    net, x, _ = _made("net")
    training = torch.randn(20, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    options = {"samples": 2, "window": 4, "stride": 4}
    with_samples, without = (
        foveal.explain(net, x, method="prediction-difference", options=options, training=given).maps
        for given in (training, None)
    )
    assert not torch.equal(with_samples, without)


def test_attention_needs_a_transformer():
    net, x, _ = _made("net")
    with pytest.raises(UsageError) as caught:
        foveal.explain(net, x, method="attention-rollout")
    assert str(caught.value) == (
        "The model has no attention layers. "
        "Choose a method that does not follow the attention, such as gradcam or rise."
    )
