"""Grad-CAM++: channels weighted by their positive gradients, position by position."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution.registry import layer_method


@layer_method(
    "gradcam++",
    formula="M = sum_k w_k A_k, w_k = sum(alpha ReLU(g_k)), alpha = g^2 / (2 g^2 + sum(A) g^3)",
    source="Chattopadhay et al., WACV 2018, arXiv:1710.11063",
    sanity="fails",
)
def combine(activations: Tensor, gradients: Tensor) -> Tensor:
    """Weight channels by the sum of alpha * ReLU(gradient), alpha from the paper's closed form."""
    A, g = activations.flatten(2), gradients.flatten(2)
    denominator = 2 * g**2 + A.sum(-1, keepdim=True) * g**3
    # Where the closed form has no value (a gradient of zero, a pole) the position has no say.
    alpha = torch.where(denominator.abs() > torch.finfo(g.dtype).tiny, g**2 / denominator, 0.0)
    weights = (alpha * g.clamp(min=0)).sum(-1)
    summed = torch.einsum("bc,bcs->bs", weights, A)
    return summed.reshape(activations.shape[:1] + activations.shape[2:])
