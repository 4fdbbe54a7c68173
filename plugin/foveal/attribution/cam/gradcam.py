"""Grad-CAM: channels weighted by their mean gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution.registry import layer_method


@layer_method(
    "gradcam",
    formula="M = sum_k mean(g_k) A_k",
    source="Selvaraju et al., ICCV 2017, arXiv:1610.02391",
    sanity="not measured",
)
def combine(activations: Tensor, gradients: Tensor) -> Tensor:
    """Sum the channels, weighted by the spatial mean of their gradients (signed: before the paper's ReLU)."""
    weights = gradients.flatten(2).mean(-1)
    summed = torch.einsum("bc,bcs->bs", weights, activations.flatten(2))
    return summed.reshape(activations.shape[:1] + activations.shape[2:])
