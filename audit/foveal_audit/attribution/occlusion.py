"""Occlusion: how much the score falls when a window of the sample is covered."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution import Subject, input_method
from foveal.attribution.options import at_least
from foveal.attribution.perturbation.passes import repetitions
from foveal.errors import UsageError
from foveal.faithfulness.baselines import make_baseline
from foveal_audit.attribution.loading import load_captum

#: Captum holds so many values at most: for each window one for every unit and value of the batch.
_VALUES = 2**25


@input_method(
    "occlusion",
    formula="M = S(x) - S(x with a window covered), averaged over windows",
    source="Zeiler and Fergus, ECCV 2014, arXiv:1311.2901 (computed by captum)",
    cost="many passes",
    sanity="passes",
)
def attribute(
    subject: Subject, *, window: int | None = None, stride: int | None = None, baseline: str = "zero"
) -> Tensor:
    """Average, over the windows that cover a position, how much the probability falls without them.

    Parameters
    ----------
    subject
        Classes are explained by their probability, nodes by their value.
    window
        Side of a window, at most the sample's; by default an eighth of each side.
    stride
        Step between windows, at most a window; by default half a window.
    baseline
        What covers a window: ``zero``, ``mean`` or ``blur``.

    Returns
    -------
    Tensor
        Maps (B, K, *S) in units of the score.
    """
    at_least("window", window, 1)
    at_least("stride", stride, 1)
    x, sides = subject.x, tuple(subject.x.shape[2:])
    windows = [min(side, window or max(1, side // 8)) for side in sides]
    if stride and window and stride > window:
        raise UsageError(
            f"Option 'stride' is {stride}, beyond a window of {window}", f"Give {window} or less"
        )
    strides = [min(one, stride or max(1, one // 2)) for one in windows]
    channels, size = x.shape[1], subject.count * x.numel()
    method = load_captum().Occlusion(subject.probabilities)
    with torch.no_grad():
        found: Tensor = method.attribute(
            x,
            sliding_window_shapes=(channels, *windows),
            strides=(channels, *strides),
            baselines=make_baseline(x, baseline),
            perturbations_per_eval=max(1, min(repetitions(subject), _VALUES // size)),
        )
    # A window covers all channels: each of them got the same.
    return found[:, 0].reshape(len(x), subject.count, *sides).float()
