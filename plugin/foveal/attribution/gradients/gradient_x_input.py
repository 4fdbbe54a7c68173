"""Gradient times input: each value's share of the unit, were the network linear."""

from __future__ import annotations

from torch import Tensor

from foveal.attribution.gradients.channels import reduce_channels
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject


@input_method(
    "gradient-x-input",
    formula="M = sum_c x_c dS/dx_c",
    source="Shrikumar et al. 2016, arXiv:1605.01713",
    cost="one backward",
    sanity="mixed",
    place="either",
)
def attribute(subject: Subject) -> Tensor:
    """Multiply gradient and sample, summed over the channels.

    A network of ReLUs without biases is complete: its maps sum to the unit's value.

    Returns
    -------
    Tensor
        Maps (B, K, *S), signed, in units of the score.
    """
    values, gradients = subject.gradients(layer=subject.layer)
    return reduce_channels(gradients * values[:, None], "sum")
