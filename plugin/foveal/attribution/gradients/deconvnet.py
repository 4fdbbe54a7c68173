"""Deconvnet: the signal is rectified on its way back, whatever the ReLUs did on the way forth."""

from __future__ import annotations

from torch import Tensor

from foveal.attribution.functions import Call, replace_backward
from foveal.attribution.gradients.channels import reduce_channels
from foveal.attribution.gradients.rectifiers import pass_back, rectifying
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject


@input_method(
    "deconvnet",
    formula="M = sum_c R_c, through each ReLU: R_h = ReLU(R)",
    source="Zeiler and Fergus, ECCV 2014, arXiv:1311.2901",
    cost="one backward",
    sanity="mixed",
    needs=("ReLU as the only nonlinearity",),
    place="either",
)
def attribute(subject: Subject, *, channels: str = "sum") -> Tensor:
    """Rectify the signal at every ReLU on the way back, to the sum over the channels.

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
    with rectifying(subject, "deconvnet", _rectify_signal, others={"local_response_norm": pass_back}):
        _, gradients = subject.gradients(layer=subject.layer)
    return reduce_channels(gradients, channels)


def _rectify_signal(call: Call, output: Tensor, _open: Tensor) -> Tensor:
    return replace_backward(call.input, output, lambda signal: signal.clamp(min=0))
