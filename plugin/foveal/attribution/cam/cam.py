"""CAM: channels weighted by the class's own weights, where the head is an average and one Linear."""

from __future__ import annotations

from math import prod

from torch import Tensor

from foveal.attribution.cam import gradcam
from foveal.attribution.registry import layer_method


@layer_method(
    "cam",
    formula="M = sum_k W[c, k] A_k",
    source="Zhou et al., CVPR 2016, arXiv:1512.04150",
    sanity="passes",
    needs=("a head of one average over space and one Linear",),
    linear_head=True,
)
def combine(activations: Tensor, gradients: Tensor) -> Tensor:
    """Sum the channels, weighted as the class weighs them.

    Behind such a head every position's gradient is W[c, k] / positions, so that CAM is Grad-CAM times the
    number of positions; its mean over space is the logit minus its bias.
    """
    return gradcam.combine(activations, gradients) * prod(activations.shape[2:])
