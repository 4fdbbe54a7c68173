"""Rules: how a linear operation shares out the relevance of its outputs among its inputs.

Relevance R travels as c = R / x, the cotangent of autograd. So sums, several consumers, concatenations, pools
and views are right by autograd itself, and a rectifier passes c where it is open. What is left to a rule is a
linear operation, and all rules of this family have one form: with the positive and negative contributions
(x_i w_ij)+ and (x_i w_ij)-, ::

    R_i = sum_j c_j (k+_j (x_i w_ij)+  +  k-_j (x_i w_ij)-)

with gains k that depend on the forward alone. A rule therefore gives a *surrogate*: an expression whose
derivative is this, its gains held constant. The network's own result keeps its value and takes the
surrogate's derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from foveal.attribution.propagation.linear import Linear

#: A linear operation to the expression whose derivative shares out its relevance.
Rule: TypeAlias = Callable[[Linear], Tensor]


def epsilon(stabiliser: float) -> Rule:
    """Share out by contribution, outputs near zero damped: R_i = sum_j x_i w_ij R_j / (y_j + eps sign y_j).

    Bach et al., PLoS ONE 2015, eq. 58. With 0 it is the plain derivative (LRP-0).
    """
    if stabiliser == 0:
        return lambda one: one.signal

    def rule(one: Linear) -> Tensor:
        size = one.output.abs()
        return one.signal * (size / (size + stabiliser))

    return rule


def gamma(favour: float) -> Rule:
    """Favour contributions that agree with the output by the factor 1 + favour.

    Montavon et al., Explainable AI 2019, p. 201, extended to inputs and outputs of both signs.
    """

    def rule(one: Linear) -> Tensor:
        rises, falls = one.contributions()
        more, less = one.bias_parts()
        up = one.output > 0
        agreeing = torch.where(up, rises.detach() + more, falls.detach() + less)
        gain = ratio(one.output, one.output + favour * agreeing)
        return rises * torch.where(up, (1 + favour) * gain, gain) + falls * torch.where(
            up, gain, (1 + favour) * gain
        )

    return rule


def alpha_beta(alpha: float) -> Rule:
    """Share out alpha times R among positive, minus (alpha - 1) times R among negative contributions.

    Bach et al., PLoS ONE 2015, eq. 60.
    """

    def rule(one: Linear) -> Tensor:
        rises, falls = one.contributions()
        more, less = one.bias_parts()
        positive = rises * (alpha * ratio(one.output, rises.detach() + more))
        return positive - falls * ((alpha - 1) * ratio(one.output, falls.detach() + less))

    return rule


def z_plus(one: Linear) -> Tensor:
    """Share out among positive contributions alone: R_i = sum_j (x_i w_ij)+ R_j / (sum_i (x_i w_ij)+ + b_j+).

    Montavon et al., Pattern Recognition 2017; alpha-beta with alpha = 1.
    """
    rises, _ = one.contributions()
    more, _ = one.bias_parts()
    return rises * ratio(one.output, rises.detach() + more)


def excitation(one: Linear) -> Tensor:
    """Share out among the positive contributions, the bias left out.

    Zhang et al., IJCV 2018, eq. 1: the probability of walking down to each input.
    """
    rises, _ = one.contributions()
    return rises * ratio(one.output, rises.detach())


def inhibition(one: Linear) -> Tensor:
    """Share out among the negative contributions, the bias left out: excitation by negated weights."""
    _, falls = one.contributions()
    return falls * ratio(one.output, falls.detach())


def ratio(above: Tensor, below: Tensor) -> Tensor:
    """Divide, with 0 where there is nothing to share out among."""
    there = below.abs() > torch.finfo(below.dtype).tiny
    return torch.where(there, above, 0) / torch.where(there, below, 1)


def with_backward_of(value: Tensor, surrogate: Tensor) -> Tensor:
    """Give a value, bit for bit, the derivative of another expression."""
    return value.detach() + (surrogate - surrogate.detach())
