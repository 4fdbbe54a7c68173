"""Which rule goes where: composites of rules, and the run that applies one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from torch import Tensor

from foveal.attribution.propagation.engine import Propagation, relevance, relevance_over_anchors
from foveal.attribution.propagation.first import Anchored, Box, FirstLayer, flat, w_square
from foveal.attribution.propagation.linear import Linear
from foveal.attribution.propagation.options import choose
from foveal.attribution.propagation.rules import Rule
from foveal.attribution.subject import Subject
from foveal.errors import UsageError

#: Rules of the first layer; ``auto`` is z-box where bounds are given, else w^2, where the layer allows it.
FIRST = ("auto", "box", "w2", "flat", "same")


def by_kind(dense: Rule, conv: Rule) -> Rule:
    """Take one rule for dense layers, another for convolutions and for batch norms that follow none."""
    table = {"linear": dense, "conv": conv, "batch_norm": conv}

    def rule(one: Linear) -> Tensor:
        return table[one.kind](one)

    return rule


def run(
    subject: Subject, rule: Rule, *, first: str = "same", low: float | None, high: float | None
) -> Tensor:
    """Propagate relevance to the input, the first layer by a rule of its own, or to the subject's layer.

    Raises
    ------
    UsageError
        For an unknown rule, missing or wrong bounds, or a model that relevance does not pass.
    """
    choose("first", first, dict.fromkeys(FIRST))
    _check_bounds(first, low, high)
    anchored = None if subject.layer is not None else _anchored(first, bounded=low is not None)
    if anchored is None:
        return relevance(subject, Propagation(rule))
    x = subject.x.detach().clone().requires_grad_()
    shares = anchored(x, low, high)
    return relevance_over_anchors(subject, rule, FirstLayer(shares, x, strict=first != "auto"))


_Make = Callable[..., Anchored]


def _box(x: Tensor, low: float, high: float) -> Anchored:
    return Box(x, low, high)


def _plain(shares: Anchored, *_args: object) -> Anchored:
    return shares


_MAKES: Mapping[str, _Make] = {
    "box": _box,
    "w2": partial(_plain, w_square),
    "flat": partial(_plain, flat),
}


def _anchored(first: str, *, bounded: bool) -> _Make | None:
    name = ("box" if bounded else "w2") if first == "auto" else first
    return _MAKES.get(name)


def _check_bounds(first: str, low: float | None, high: float | None) -> None:
    if (low is None) != (high is None):
        raise UsageError("Only one of the options low and high is given", "Give both bounds, or none")
    if first == "box" and low is None:
        raise UsageError(
            "Option first='box' needs bounds", "Give low and high, between which the model's input lies"
        )
