"""DeepLIFT's multipliers: an operation's difference from the reference by that of its input.

A forward of the reference is recorded, operation by operation; the forward of the sample then meets the same
operations in the same order. Values of both go in pairs. Every operation takes the multiplier difference out
by difference in, so that contributions sum up exactly to the difference of the unit's values.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from foveal.attribution.propagation.rules import with_backward_of


@dataclass(frozen=True, eq=False)
class Pair:
    """A tensor in the sample's forward, with its graph, and the same in the reference's."""

    now: Tensor
    then: Tensor

    @property
    def rise(self) -> Tensor:
        """The difference to the reference, detached."""
        return self.now.detach() - self.then

    def __add__(self, other: Pair | float) -> Pair:
        if isinstance(other, Pair):
            return Pair(self.now + other.now, self.then + other.then)
        return Pair(self.now + other, self.then + other)

    def __sub__(self, other: Pair) -> Pair:
        return Pair(self.now - other.now, self.then - other.then)

    def map(self, linear: Callable[[Tensor], Tensor]) -> Pair:
        """Apply a linear function to both."""
        return Pair(linear(self.now), linear(self.then))


def elementwise(pair: Pair, function: Callable[[Tensor], Tensor]) -> Pair:
    """Pass an elementwise function by the rescale rule: difference out by difference in, or else its slope.

    Shrikumar et al., ICML 2017.
    """
    here = pair.now.detach()
    value, reference = function(here), function(pair.then)
    near = pair.rise.abs() <= 16 * torch.finfo(here.dtype).eps * (here.abs() + pair.then.abs())
    multiplier = torch.where(
        near, _slope(function, here), (value - reference) / torch.where(near, 1, pair.rise)
    )
    return Pair(with_backward_of(value, pair.now * multiplier), reference)


def product(one: Pair, other: Pair, times: Callable[[Tensor, Tensor], Tensor] = torch.mul) -> Pair:
    """Multiply two pairs: each factor's difference counts at the other's mean of sample and reference.

    The Shapley value of the two factors, and so exact.
    """
    means = [(pair.now.detach() + pair.then) / 2 for pair in (one, other)]
    surrogate = times(one.now, means[1]) + times(means[0], other.now)
    return Pair(
        with_backward_of(times(one.now.detach(), other.now.detach()), surrogate), times(one.then, other.then)
    )


def softmax(pair: Pair, axis: int) -> Pair:
    """Pass a softmax as exponentials by their sum, both by the rescale rule."""
    top = torch.maximum(pair.now.detach(), pair.then).amax(axis, keepdim=True)
    risen = elementwise(Pair(pair.now - top, pair.then - top), torch.exp)
    return product(risen, elementwise(risen.map(lambda t: t.sum(axis, keepdim=True)), torch.reciprocal))


def attend(query: Pair, key: Pair, value: Pair, scale: float | None, mask: Tensor | None) -> Pair:
    """Mix values (..., S, D) by the softmax of queries' (..., L, D) products with keys; a mask is added."""
    factor = query.now.shape[-1] ** -0.5 if scale is None else scale
    scores = product(query.map(lambda t: t * factor), key.map(lambda t: t.transpose(-1, -2)), torch.matmul)
    if mask is not None:
        scores = scores.map(lambda t: t + mask)
    return product(softmax(scores, -1), value, torch.matmul)


def log_sum_exp(pair: Pair, axis: int) -> Pair:
    """Pass the logarithm of a sum of exponentials, both by the rescale rule."""
    top = torch.maximum(pair.now.detach(), pair.then).amax(axis, keepdim=True)
    risen = elementwise(Pair(pair.now - top, pair.then - top), torch.exp)
    logarithm = elementwise(risen.map(lambda t: t.sum(axis, keepdim=True)), torch.log)
    return Pair(logarithm.now + top, logarithm.then + top)


def standardise(pair: Pair, axes: tuple[int, ...], eps: float) -> Pair:
    """Centre and divide by the standard deviation, which depends on the input too."""
    centred = pair.map(lambda t: t - t.mean(axes, keepdim=True))
    variance = product(centred, centred).map(lambda t: t.mean(axes, keepdim=True))
    return product(centred, elementwise(variance + eps, torch.rsqrt))


def maximum(pair: Pair, pool: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Pair:
    """Pass a maximum over windows.

    From the reference's maximum up to the larger of the two, the rise is the sample's winner's; from there
    down to the sample's maximum, the fall is the reference's winner's. Where both have one winner, its
    multiplier is 1.

    Parameters
    ----------
    pair
        Input (B, C, *S).
    pool
        Gives the maxima (B, C, *P) and their flat positions in S.
    """
    value, winner = pool(pair.now.detach())
    reference, former = pool(pair.then)
    larger = torch.maximum(value, reference)
    rise = torch.where(winner == former, value - reference, larger - reference)
    fall = torch.where(winner == former, 0, value - larger)

    def at(t: Tensor, places: Tensor) -> Tensor:
        return t.flatten(2).gather(2, places.flatten(2)).reshape(places.shape)

    surrogate = at(pair.now, winner) * _divided(rise, at(pair.rise, winner), same=winner == former)
    surrogate = surrogate + at(pair.now, former) * _divided(fall, at(pair.rise, former), same=None)
    return Pair(with_backward_of(value, surrogate), reference)


def _divided(part: Tensor, whole: Tensor, *, same: Tensor | None) -> Tensor:
    """Divide where there is something to divide; 1 where there is a single winner."""
    multiplier = torch.where(part == 0, 0, part / torch.where(part == 0, 1, whole))
    return multiplier if same is None else torch.where(same, 1, multiplier)


def _slope(function: Callable[[Tensor], Tensor], here: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = here.clone().requires_grad_()
        (slope,) = torch.autograd.grad(function(leaf).sum(), leaf)
    return slope
