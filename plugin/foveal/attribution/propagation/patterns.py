"""Patterns: how a linear operation's input moves with its output, fitted on training samples.

A weight w also filters distractors away, so it does not show the signal; the pattern a does. With y = w x
(the bias left out) and E+ the mean over samples with y + b > 0::

    linear          a = cov(x, y) / var(y)
    two-component   a = (E+[x y] - E+[x] E[y]) / (E+[y y] - E+[y] E[y])

An output that no sample makes positive takes the linear estimator. The sums over patches that a convolution
needs are its weight's gradients, and so come without unfolding, for any linear operation. Both estimators
give w a = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields

import torch
from torch import Tensor

from foveal.attribution.functions import check_visible
from foveal.attribution.propagation.cutting import Cut
from foveal.attribution.propagation.linear import Linear
from foveal.attribution.propagation.rules import Rule, ratio
from foveal.attribution.subject import Subject

#: Training samples in one forward.
_ROWS = 16

#: Estimator by name -> which outputs count: from y + b to a mask.
ESTIMATORS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "two-component": lambda output: output > 0,
    "linear": lambda output: torch.ones_like(output, dtype=torch.bool),
}


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over those outputs of a linear operation that count.

    Attributes
    ----------
    xy, x
        Of input times output, and of the input: of the weight's shape.
    yy, y, count
        Of the output squared, of the output, and of 1: (channels,).
    """

    xy: Tensor
    x: Tensor
    yy: Tensor
    y: Tensor
    count: Tensor

    @classmethod
    def of(cls, signal: Tensor, weight: Tensor, axis: int, mask: Tensor) -> Sums:
        """Sum over a signal = run(x, weight) with its graph to the weight, where a mask is 1."""
        y = signal.detach()

        def patches(outputs: Tensor) -> Tensor:
            return torch.autograd.grad(signal, weight, outputs, retain_graph=True)[0].double()

        def channels(outputs: Tensor) -> Tensor:
            axes = [one for one in range(outputs.ndim) if one != outputs.ndim + axis]
            return outputs.double().sum(axes)

        return cls(
            patches(mask * y), patches(mask), channels(mask * y * y), channels(mask * y), channels(mask)
        )

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


@dataclass(frozen=True, eq=False)
class Statistics:
    """Sums over the outputs that count, and over all, of which a pattern is made."""

    counted: Sums
    every: Sums

    @classmethod
    def of(cls, one: Linear, counts: Callable[[Tensor], Tensor], rows: Tensor) -> Statistics:
        """Sum over one forward, of whose samples only those count whose row is 1."""
        weight = one.weight.clone().requires_grad_()
        with torch.enable_grad():
            signal = one.run(one.x.detach(), weight)
        every = _spread(rows, signal.detach())
        mask = counts(one.output).to(every.dtype) * every
        return cls(Sums.of(signal, weight, one.axis, mask), Sums.of(signal, weight, one.axis, every))

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(self.counted + other.counted, self.every + other.every)

    def pattern(self, one: Linear) -> Tensor:
        """Give the pattern, of the weight's shape; 0 where an output never moved."""
        mean = ratio(self.every.y, self.every.count)
        counted, every = _pattern(self.counted, mean, one), _pattern(self.every, mean, one)
        seen = (self.counted.count > 0).to(counted.dtype)
        return (one.scale(counted, seen) + one.scale(every, 1 - seen)).to(one.weight.dtype)


def _pattern(sums: Sums, mean: Tensor, one: Linear) -> Tensor:
    """Divide the covariance of input and output by the output's variance."""
    share = ratio(torch.ones_like(sums.count), sums.count)
    covariance = one.scale(sums.xy, share) - one.scale(sums.x, share * mean)
    variance = share * (sums.yy - sums.y * mean)
    moving = variance.abs() > 1e-12 * share * sums.yy
    return one.scale(covariance, torch.where(moving, ratio(torch.ones_like(variance), variance), 0))


@dataclass(eq=False)
class _Fit(Cut):
    """Handlers that add every linear operation's outputs to its statistics."""

    counts: Callable[[Tensor], Tensor] = ESTIMATORS["two-component"]
    rows: Tensor = field(default_factory=lambda: torch.ones(1))
    statistics: dict[int, Statistics] = field(default_factory=dict)

    def visit(self, one: Linear) -> None:
        found = Statistics.of(one, self.counts, self.rows)
        known = self.statistics.get(one.index)
        self.statistics[one.index] = found if known is None else known + found


def fit(subject: Subject, training: Tensor, estimator: str) -> dict[int, Statistics]:
    """Run the training samples (N, C, *S) through the model: statistics by the operations' index."""
    check_visible(subject.model)
    batch = len(subject.x)
    step = batch * max(1, _ROWS // batch)
    statistics: dict[int, Statistics] = {}
    for start in range(0, len(training), step):
        samples = training[start : start + step].to(subject.x)
        rows = (torch.arange(step, device=samples.device) < len(samples)).to(samples.dtype)
        # A model with further inputs takes whole batches: the last is filled up, but that does not count.
        filled = samples.repeat(-(-step // len(samples)), *[1] * (samples.ndim - 1))[:step]
        propagation = _Fit(counts=ESTIMATORS[estimator], rows=rows, statistics=statistics)
        with torch.enable_grad(), propagation.override():
            subject.scores(filled.requires_grad_())
    return statistics


def along(statistics: Mapping[int, Statistics], direction: Callable[[Tensor, Tensor], Tensor]) -> Rule:
    """Go back along patterns: the rule whose weights are made of weight and pattern."""

    def rule(one: Linear) -> Tensor:
        return one.run(one.x, direction(one.weight, statistics[one.index].pattern(one)))

    return rule


def _spread(rows: Tensor, y: Tensor) -> Tensor:
    """Repeat a factor per sample over what an operation made of it; ones where its first axis is another."""
    if len(y) % len(rows):
        return torch.ones_like(y)
    repeated = rows.repeat_interleave(len(y) // len(rows))
    return repeated.reshape(-1, *[1] * (y.ndim - 1)).expand_as(y)
