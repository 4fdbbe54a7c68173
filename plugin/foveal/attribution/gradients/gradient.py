"""Gradient saliency: how fast the unit changes with each value of the sample."""

from __future__ import annotations

from torch import Tensor

from foveal.attribution.gradients.channels import reduce_channels
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject


@input_method(
    "gradient",
    formula="M = max_c |dS/dx_c|",
    source="Simonyan, Vedaldi and Zisserman, ICLR workshop 2014, arXiv:1312.6034",
    cost="one backward",
    sanity="passes",
    place="either",
)
def attribute(subject: Subject, *, channels: str = "max") -> Tensor:
    """Differentiate the unit by the sample: the largest magnitude over the channels.

    Parameters
    ----------
    subject
        What is explained.
    channels
        ``max`` as in the paper, ``norm``, or ``sum`` which keeps the sign.

    Returns
    -------
    Tensor
        Maps (B, K, *S) in units of the score per unit of the sample.
    """
    _, gradients = subject.gradients(layer=subject.layer)
    return reduce_channels(gradients, channels)
