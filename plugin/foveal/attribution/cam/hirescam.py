"""HiResCAM: gradient times activation, position by position."""

from __future__ import annotations

from torch import Tensor

from foveal.attribution.registry import layer_method


@layer_method(
    "hirescam",
    formula="M = sum_k g_k A_k",
    source="Draelos and Carin 2020, arXiv:2011.08891",
    sanity="passes",
)
@layer_method(
    "gradxact",
    formula="M = sum_k g_k A_k",
    source="Gradient times activation of the layer, the same product under its older name",
    sanity="passes",
)
def combine(activations: Tensor, gradients: Tensor) -> Tensor:
    """Sum gradient * activation over the channels.

    Between the layer and the unit one linear step: the map sums to the unit minus its bias (completeness).
    """
    return (gradients * activations).sum(1)
