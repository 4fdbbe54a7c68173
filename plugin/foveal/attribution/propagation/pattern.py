"""PatternNet and PatternAttribution: the signal that a unit saw, and where it was."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from foveal.attribution.propagation.engine import Propagation, propagate
from foveal.attribution.propagation.options import choose
from foveal.attribution.propagation.patterns import ESTIMATORS, along, fit
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject
from foveal.errors import UsageError

_NEEDS = ("eager model", "training samples")


@input_method(
    "pattern-net",
    formula="M = the unit's value sent back with patterns a in the place of weights, summed over channels",
    source="Kindermans et al., ICLR 2018, arXiv:1705.05598",
    cost="many passes",
    sanity="fails",
    needs=_NEEDS,
    place="either",
)
def pattern_net(subject: Subject, *, estimator: str = "two-component") -> Tensor:
    """Estimate the signal that made the unit respond: what it saw, without distractors.

    Parameters
    ----------
    subject
        What is explained; patterns are fitted on its training samples.
    estimator
        How: ``two-component`` (outputs above 0, as a rectifier lets through) or ``linear``.

    Returns
    -------
    Tensor
        The signal (B, K, *grid), its channels summed, signed.

    Raises
    ------
    UsageError
        Without training samples, or for an unknown estimator.
    """
    return _send_back(subject, estimator, lambda _weight, pattern: pattern)


@input_method(
    "pattern-attribution",
    formula="M = the unit's value sent back with w a in the place of w, summed over channels; a: pattern",
    source="Kindermans et al., ICLR 2018, arXiv:1705.05598",
    cost="many passes",
    sanity="mixed",
    needs=_NEEDS,
    place="either",
)
def pattern_attribution(subject: Subject, *, estimator: str = "two-component") -> Tensor:
    """Share the unit's value out by what the signal contributes: the root point is signal-free input.

    Parameters
    ----------
    subject
        What is explained; patterns are fitted on its training samples.
    estimator
        How: ``two-component`` (outputs above 0, as a rectifier lets through) or ``linear``.

    Returns
    -------
    Tensor
        Shares (B, K, *grid), their channels summed, signed, in units of the explained value.

    Raises
    ------
    UsageError
        Without training samples, or for an unknown estimator.
    """
    return _send_back(subject, estimator, lambda weight, pattern: weight * pattern)


def _send_back(subject: Subject, estimator: str, direction: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    choose("estimator", estimator, ESTIMATORS)
    if subject.training is None or not len(subject.training):
        raise UsageError(
            "Patterns are fitted on training samples, and none were given",
            "Give some: training= in Python, a few hundred are enough",
        )
    statistics = fit(subject, subject.training, estimator)
    _, sent = propagate(subject, Propagation(along(statistics, direction)))
    with torch.no_grad():
        value = subject.scores(subject.x)
    return (sent.sum(2) * value.reshape(*value.shape, *[1] * (sent.ndim - 3))).float()
