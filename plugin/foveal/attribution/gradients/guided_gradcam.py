"""Guided Grad-CAM: the fine grain of guided backpropagation where Grad-CAM speaks for the unit."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution.cam.gradcam import combine
from foveal.attribution.gradients.channels import reduce_channels
from foveal.attribution.gradients.guided_backprop import guided_gradients
from foveal.attribution.registry import input_method
from foveal.attribution.resizing import resize
from foveal.attribution.subject import Subject


@input_method(
    "guided-gradcam",
    formula="M = sum_c R_c * up(ReLU(sum_k mean(g_k) A_k)), R by guided-backprop",
    source="Selvaraju et al., ICCV 2017, arXiv:1610.02391",
    cost="many passes",
    sanity="fails",
    needs=("ReLU as the only nonlinearity",),
    place="layer",
)
def attribute(subject: Subject, *, channels: str = "sum") -> Tensor:
    """Multiply guided backpropagation with the layer's ReLU(Grad-CAM), enlarged to the sample's grid.

    Two forwards and two backwards: Grad-CAM's gradients are the plain ones.

    Parameters
    ----------
    subject
        What is explained; Grad-CAM is taken at its layer.
    channels
        Of guided backpropagation: ``sum`` keeps the sign; ``max`` or ``norm`` of the channels' magnitudes.

    Returns
    -------
    Tensor
        Maps (B, K, *S) on the sample's grid.

    Raises
    ------
    UsageError
        If the unit depends on a nonlinearity other than ReLU.
    """
    guided = guided_gradients(subject, None, "guided-gradcam")
    activations, gradients = subject.gradients(layer=subject.layer)
    cams = torch.stack([combine(activations, one) for one in gradients.unbind(1)], dim=1)
    weights = resize(cams.clamp(min=0), guided.shape[3:])
    return reduce_channels(guided * weights[:, :, None], channels)
