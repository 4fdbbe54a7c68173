"""Guided backpropagation, which is DeSaliNet: what speaks for the unit goes back, where ReLUs were open."""

from __future__ import annotations

from torch import Tensor

from foveal.attribution.functions import Call, Override, replace_backward
from foveal.attribution.gradients.channels import reduce_channels
from foveal.attribution.gradients.rectifiers import pass_back, rectifying
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject


@input_method(
    "guided-backprop",
    formula="M = sum_c R_c, through each ReLU of input h: R_h = ReLU(R) [h > 0]",
    source="Springenberg et al., ICLR workshop 2015, arXiv:1412.6806",
    cost="one backward",
    sanity="fails",
    needs=("ReLU as the only nonlinearity",),
    place="either",
)
@input_method(
    "desalinet",
    formula="M = sum_c R_c, through each ReLU of input h: R_h = ReLU(R) [h > 0]",
    source="Mahendran and Vedaldi, ECCV 2016: the same rule under its other name",
    cost="one backward",
    sanity="fails",
    needs=("ReLU as the only nonlinearity",),
    place="either",
)
def attribute(subject: Subject, *, channels: str = "sum") -> Tensor:
    """Send only positive signals back through the ReLUs that were open, to the sum over the channels.

    Max-pools send back by their switches, local response normalisation as if it were not there; a sigmoid
    that weighs features (squeeze-and-excitation) is held constant.

    Parameters
    ----------
    subject
        What is explained.
    channels
        ``sum`` keeps the sign; ``max`` or ``norm`` of the channels' magnitudes.

    Returns
    -------
    Tensor
        Maps (B, K, *S).

    Raises
    ------
    UsageError
        If the unit depends on a nonlinearity other than ReLU.
    """
    return reduce_channels(guided_gradients(subject, subject.layer, "guided-backprop"), channels)


def guided_gradients(subject: Subject, layer: str | None, method: str) -> Tensor:
    """Go back by the guided rule to the sample or a layer's output: (B, K, C, *S)."""
    with guiding(subject, method):
        _, gradients = subject.gradients(layer=layer)
    return gradients


def guiding(subject: Subject, method: str) -> Override:
    """Make the override by whose forward signals go back by the guided rule; `method` is named in errors."""
    return rectifying(subject, method, _guide, others={"local_response_norm": pass_back})


def _guide(call: Call, output: Tensor, open_: Tensor) -> Tensor:
    return replace_backward(call.input, output, lambda signal: signal.clamp(min=0) * open_)
