"""Saliency activation map, reconstructed: what in the sample made a layer's Grad-CAM speak for the unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from foveal.attribution.gradients.channels import reduce_channels
from foveal.attribution.gradients.guided_backprop import guiding
from foveal.attribution.gradients.layer_graph import layer_output
from foveal.attribution.options import one_of
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject
from foveal.faithfulness.baselines import make_baseline


@input_method(
    "saliency-activation",
    formula="M = max_c ReLU(R_c) |x_c - ref_c|, R by guided-backprop of sum ReLU(sum_k mean(g_k) A_k)",
    source="Reconstruction: made to fit the abstract of Philbrick et al., AJR 2018, doi:10.2214/AJR.18.20331",
    cost="many passes",
    sanity="fails",
    needs=("ReLU as the only nonlinearity, unless variant=gradient",),
    place="layer",
)
def attribute(
    subject: Subject, *, variant: str = "guided", times_input: bool = True, baseline: str = "zero"
) -> Tensor:
    """Go back from a layer's Grad-CAM to the sample (a reconstruction of SAM, not the authors' definition).

    The paper's text is not public. This is a method with the properties that its abstract states: it lies on
    the sample's grid, can be taken at any layer, and shows what the layers within the model used. The layer's
    positions where Grad-CAM and activation are positive are summed and explained in turn.

    Parameters
    ----------
    subject
        What is explained, at its layer.
    variant
        ``guided`` or plain ``gradient``.
    times_input
        Whether to multiply with how far the sample is from the baseline.
    baseline
        ``zero``, ``mean`` or ``blur``.

    Returns
    -------
    Tensor
        Maps (B, K, *S) on the sample's grid, 0 or more.

    Raises
    ------
    UsageError
        For the guided variant, if the layer depends on a nonlinearity other than ReLU.
    """
    one_of("variant", variant, _BACKWARDS)
    x = subject.x
    distance = (x - make_baseline(x, baseline)).abs() if times_input else torch.ones_like(x)
    activations, gradients = subject.gradients(layer=subject.layer)
    directions = _directions(activations, gradients)
    evidence = _pull_back(subject, directions, _BACKWARDS[variant](subject))
    return reduce_channels(evidence.clamp(min=0) * distance[:, None], "max")


_BACKWARDS: Mapping[str, Callable[[Subject], AbstractContextManager[object]]] = {
    "gradient": lambda _subject: nullcontext(),
    "guided": lambda subject: guiding(subject, "saliency-activation"),
}


def _directions(activations: Tensor, gradients: Tensor) -> Tensor:
    """Differentiate the sum of ReLU(Grad-CAM), weights held, by the positive activations: (B, K, C, *S)."""
    weights = gradients.flatten(3).mean(-1).reshape(*gradients.shape[:3], *[1] * (gradients.ndim - 3))
    cams = (weights * activations[:, None]).sum(2, keepdim=True)
    return weights * (cams > 0) * (activations[:, None] > 0)


def _pull_back(subject: Subject, directions: Tensor, override: AbstractContextManager[object]) -> Tensor:
    """Send directions at the layer (B, K, C, *S) back to the sample."""
    shape = (len(directions), *directions.shape[2:])
    with torch.inference_mode(False), torch.enable_grad():
        leaf = subject.x.detach().clone().requires_grad_()
        start = leaf.clone()
        with override:
            output = layer_output(subject, start, shape)
        rows = [
            torch.autograd.grad(output, leaf, one.to(output), retain_graph=True)[0]
            for one in directions.unbind(1)
        ]
    return torch.stack(rows, dim=1)
