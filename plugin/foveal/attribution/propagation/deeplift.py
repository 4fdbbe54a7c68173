"""DeepLIFT: what each input's difference from a reference contributes to the unit's."""

from __future__ import annotations

import torch
from torch import Tensor

from foveal.attribution.functions import check_visible
from foveal.attribution.propagation.baselines import baseline as make_baseline
from foveal.attribution.propagation.differences import Difference
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject
from foveal.errors import UsageError

#: Rounding errors of contributions, as a share of the scores, from which on they say nothing.
_ROUNDING = 0.01


@input_method(
    "deeplift",
    formula="M = sum_c (x - x0) m; m = (f(z) - f(z0)) / (z - z0) through every nonlinearity f (rescale rule)",
    source="Shrikumar et al., ICML 2017, arXiv:1704.02685",
    cost="one backward",
    sanity="mixed",
    needs=("eager model",),
    place="either",
)
def deeplift(subject: Subject, *, baseline: str = "zero") -> Tensor:
    """Share out the difference of the unit's value from its value at a reference.

    Parameters
    ----------
    subject
        What is explained.
    baseline
        The reference: ``zero``; ``mean``, of each sample's channel; ``blur``, the sample out of focus;
        ``training``, the mean training sample.

    Returns
    -------
    Tensor
        Contributions (B, K, *grid), signed. On the input they sum up to S(x) - S(x0).

    Raises
    ------
    UsageError
        For an unknown baseline, an operation without a rule, a model whose path depends on its input, or
        contributions so large that their sum is lost in rounding.
    """
    check_visible(subject.model)
    x0 = make_baseline(subject, baseline)
    difference = Difference()
    with torch.no_grad(), difference.record():
        before = subject.scores(x0)
    with difference.compare():
        values, multipliers = subject.gradients(layer=subject.layer)
    reference = x0 if subject.layer is None else subject.gradients(x0, layer=subject.layer)[0]
    contributions = (values - reference)[:, None] * multipliers
    with torch.no_grad():
        _check_precision(contributions, before.abs() + subject.scores(subject.x).abs())
    return contributions.sum(2).float()


def _check_precision(contributions: Tensor, scores: Tensor) -> None:
    """Raise a UsageError where contributions (B, K, C, *S) are too large for scores (B, K)."""
    size = contributions.abs().flatten(2).sum(2)
    if (size * torch.finfo(contributions.dtype).eps > _ROUNDING * scores).any():
        raise UsageError(
            f"Contributions of {size.max().item():.1e} to scores of {scores.max().item():.1e} "
            "are lost in rounding",
            "Choose another baseline: at this one a norm divides by next to nothing",
        )
