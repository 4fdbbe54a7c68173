"""Torchvision's classifiers with seeded random weights: nothing is downloaded."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import torch
from torch import nn

SIDE = 224


@dataclass(frozen=True)
class Architecture:
    """Where the maps of one network lie, and which nodes are explained.

    Attributes
    ----------
    layer
        Its last block.
    nodes
        The layer that gives the penultimate nodes (its class token, of tokens); None where no module does,
        classes stand in then.
    head
        The last Linear.
    """

    layer: str
    nodes: str | None
    head: str


ARCHITECTURES = {
    "resnet18": Architecture("layer4", "avgpool", "fc"),
    "resnet50": Architecture("layer4", "avgpool", "fc"),
    "densenet121": Architecture("features.norm5", None, "classifier"),
    "mobilenet_v3_large": Architecture("features.16", "classifier.1", "classifier.3"),
    "convnext_tiny": Architecture("features.7", "classifier.1", "classifier.2"),
    "vit_b_16": Architecture("encoder.layers.encoder_layer_11.ln_1", "encoder.ln", "heads.head"),
}


def build(name: str, seed: int = 0) -> nn.Module:
    """Make a network in eval mode whose activations and gradients are of natural size."""
    importlib.import_module("torchvision_shim")
    models = importlib.import_module("torchvision.models")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = getattr(models, name)(weights=None)
        _wake(net, ARCHITECTURES[name].head)
        _calibrate(net)
    return net.eval()


def _wake(net: nn.Module, head: str) -> None:
    """Draw anew what starts at (nearly) zero; the gradients of such a network would be zero."""
    nn.init.trunc_normal_(net.get_submodule(head).weight, std=0.02)
    for name, parameter in net.named_parameters():
        if name.endswith("layer_scale"):
            nn.init.uniform_(parameter, 0.1, 0.5)


def _calibrate(net: nn.Module) -> None:
    """Fit the batch norms to two random batches."""
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    with torch.no_grad():
        for _ in range(2):
            net.train()(torch.randn(4, 3, SIDE, SIDE))
