"""Rules for the first layer, which share out relevance by what the input could be, not by multiples of it.

The rules of the other layers give an input of 0 no relevance. At the first layer 0 is a colour like any
other, and z-box, w^2 and flat share out over *anchors* instead: the box's bounds, or ones. Anchors are leaves
of the graph beside the input, so that relevance is, as everywhere, value times cotangent:
R = sum of anchor * c_anchor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import torch
from torch import Tensor

from foveal.attribution.propagation.linear import Linear
from foveal.attribution.propagation.rules import ratio
from foveal.errors import UsageError

#: A linear operation to the surrogate and the anchors that it depends on.
Anchored: TypeAlias = Callable[[Linear], tuple[Tensor, list[Tensor]]]


def w_square(one: Linear) -> tuple[Tensor, list[Tensor]]:
    """Share out by squared weights: R_i = sum_j w_ij^2 R_j / sum_i w_ij^2 (Montavon et al. 2017)."""
    return _share(one, one.weight.square())


def flat(one: Linear) -> tuple[Tensor, list[Tensor]]:
    """Share out equally among an output's inputs (Bach et al., ICIP 2016)."""
    return _share(one, torch.ones_like(one.weight))


def _share(one: Linear, weight: Tensor) -> tuple[Tensor, list[Tensor]]:
    anchor = torch.ones_like(one.x).detach().requires_grad_()
    spread = one.run(anchor, weight)
    return spread * ratio(one.output, spread.detach()), [anchor]


@dataclass(frozen=True)
class Box:
    """Share out by x_i w_ij - low w_ij+ - high w_ij-, for inputs between two bounds (Montavon et al. 2017).

    Attributes
    ----------
    x
        The model's input, whose bounds these are.
    low, high
        The bounds.

    Raises
    ------
    UsageError
        If the bounds do not bound the input.
    """

    x: Tensor
    low: float
    high: float

    def __post_init__(self) -> None:
        least, most = self.x.min().item(), self.x.max().item()
        if not self.low <= least <= most <= self.high:
            raise UsageError(
                f"The input lies in [{least:.6g}, {most:.6g}], "
                f"outside of low={self.low:g} and high={self.high:g}",
                "Give bounds of the input as the model takes it, after preprocessing",
            )

    def __call__(self, one: Linear) -> tuple[Tensor, list[Tensor]]:
        """Give the surrogate and its anchors: the layer's input and the bounds on it."""
        here = one.x.detach()
        ends = self._bounds(one.x)
        anchors = [tensor.clone().requires_grad_() for tensor in (here, *ends)]
        value, low, high = anchors
        spread = one.run(value, one.weight)
        spread = spread - one.run(low, one.weight.clamp(min=0)) - one.run(high, one.weight.clamp(max=0))
        return spread * ratio(one.output, spread.detach()), anchors

    def _bounds(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Carry the bounds through what the model does to its input before the first layer."""
        x, here = self.x.detach(), t.detach()
        if t.shape == x.shape and torch.equal(here, x):
            return torch.full_like(here, self.low), torch.full_like(here, self.high)
        ends = [here + _pushed(t, self.x, end - x) for end in (self.low, self.high)]
        return torch.minimum(*ends), torch.maximum(*ends)


@dataclass(frozen=True, eq=False)
class FirstLayer:
    """The first layer's rule at work in one forward.

    Attributes
    ----------
    rule
        Shares out over anchors.
    x
        The model's input: a leaf that requires a gradient.
    strict
        Whether to raise where the rule cannot be used, rather than to leave it to the other layers' rule.
    anchors
        What was met: the layer's input, its slope by the model's input, and an anchor on it.
    """

    rule: Anchored
    x: Tensor
    strict: bool
    anchors: list[tuple[Tensor, Tensor, Tensor]] = field(default_factory=list)

    def share(self, one: Linear) -> Tensor | None:
        """Give the surrogate of a first linear operation; None where its inputs are not the model's own.

        Raises
        ------
        UsageError
            If so, and the rule was asked for.
        """
        slope = self._slope(one.x)
        if slope is None:
            if self.strict:
                raise UsageError(
                    "The first layer does not read the input value by value",
                    "Choose first=same for this model",
                )
            return None
        surrogate, anchors = self.rule(one)
        self.anchors.extend((one.x, slope, anchor) for anchor in anchors)
        return surrogate

    def relevance(self, anchor: int, cotangents: Tensor) -> Tensor:
        """Turn cotangents (K, *shape) of an anchor into relevance (K, *input's shape)."""
        t, slope, leaf = self.anchors[anchor]
        return torch.stack([_pulled(t, self.x, row) / slope for row in cotangents * leaf.detach()])

    def _slope(self, t: Tensor) -> Tensor | None:
        """Give the slopes of t by the input where t holds its values: each once, scaled, shifted or moved."""
        if t.numel() != self.x.numel():
            return None
        slope = _pulled(t, self.x, torch.ones_like(t))
        marks = torch.linspace(0, 1, t.numel(), dtype=t.dtype, device=t.device)
        found = (_pulled(t, self.x, marks.reshape(t.shape)) / slope).flatten().sort().values
        return slope if torch.allclose(found, marks, atol=1e-3 / len(marks), rtol=1e-3) else None


def _pulled(t: Tensor, x: Tensor, cotangent: Tensor) -> Tensor:
    """Give the product of a cotangent of t with the derivative of t by x."""
    (pulled,) = torch.autograd.grad(t, x, cotangent, retain_graph=True)
    return pulled


def _pushed(t: Tensor, x: Tensor, step: Tensor) -> Tensor:
    """Give the product of the derivative of t by x with a step of x, as the derivative of a derivative."""
    cotangent = torch.zeros_like(t).requires_grad_()
    (pulled,) = torch.autograd.grad(t, x, cotangent, create_graph=True)
    (pushed,) = torch.autograd.grad(pulled, cotangent, step)
    return pushed
