"""Grad-CAM: channels weighted by their mean gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution.registry import layer_method


def weigh(gradients: Tensor) -> Tensor:
    """Give the channels' weights (..., C): the means of their gradients (..., C, N) over space."""
    return gradients.mean(-1)


@layer_method(
    "gradcam",
    formula="M = sum_k mean(g_k) A_k",
    source="Selvaraju et al., ICCV 2017, arXiv:1610.02391",
    sanity="passes",
    weigh=weigh,
)
def combine(activations: Tensor, gradients: Tensor) -> Tensor:
    """Sum the channels, weighted by the spatial mean of their gradients (signed: before the paper's ReLU)."""
    weights = weigh(gradients.flatten(2))
    summed = torch.bmm(weights[:, None], activations.flatten(2))
    return summed.reshape(activations.shape[:1] + activations.shape[2:])
