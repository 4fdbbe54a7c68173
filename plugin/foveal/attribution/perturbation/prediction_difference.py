"""Prediction difference analysis: how the prediction changes when a window's content is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from foveal.attribution.options import at_least
from foveal.attribution.perturbation.passes import Where, box, class_units, corners, score_variants
from foveal.attribution.perturbation.patch_gaussian import Conditional, PatchGaussian
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject
from foveal.errors import UsageError, nearest
from foveal.faithfulness.baselines import make_baseline


@dataclass(frozen=True)
class _Plan:
    """Which windows are forgotten, how often each, and how much around them tells what they might be."""

    windows: tuple[int, ...]
    corners: list[tuple[int, ...]]
    samples: int
    pad: int


@input_method(
    "prediction-difference",
    formula="M = log2 odds S(x) - log2 odds E[S(x) | window unknown], averaged over windows",
    source="Zintgraf, Cohen, Adel and Welling, ICLR 2017, arXiv:1702.04595",
    cost="many passes",
    sanity="passes",
    needs=("training samples, for the conditional and marginal fill",),
)
def attribute(
    subject: Subject,
    *,
    window: int | None = None,
    stride: int | None = None,
    samples: int = 10,
    pad: int = 2,
    fill: str = "auto",
    laplace: int = 100_000,
) -> Tensor:
    """Average, over windows that hold a position, the evidence that is lost without the window.

    Parameters
    ----------
    subject
        Classes are explained by their weight of evidence (log2 odds); nodes, and what is made of several
        classes, by the difference of their value.
    window
        Side of a window; by default 10, and 6 in volumes.
    stride
        Step between windows, at most a window; by default half a window (the paper: 1).
    samples
        How often each window's content is drawn.
    pad
        How much around a window tells what it might hold.
    fill
        What stands in a window: ``conditional`` draws from a Gaussian of training patches given the window's
        surroundings, ``marginal`` pastes the window of training samples, ``mean`` sets the sample's own mean
        (drawn once). ``auto`` is conditional where training samples are given, else mean.
    laplace
        N of the Laplace correction (p N + 1) / (N + number of classes); the authors' code takes 100000.

    Returns
    -------
    Tensor
        Maps (B, K, *S): bits for classes, units of the value for nodes.

    Raises
    ------
    UsageError
        For an option out of range, or a fill whose training samples are missing or do not fit.
    """
    for name, value in (("window", window), ("stride", stride), ("samples", samples), ("laplace", laplace)):
        at_least(name, value, 1)
    at_least("pad", pad, 0)
    chosen = _choose_fill(subject, fill)
    sides = tuple(subject.x.shape[2:])
    wished = window or (10 if len(sides) < 3 else 6)
    windows = tuple(min(wished, side) for side in sides)
    step = stride or max(1, wished // 2)
    if step > wished:
        raise UsageError(f"Option 'stride' is {step}, beyond a window of {wished}", f"Give {wished} or less")
    plan = _Plan(windows, corners(sides, windows, step), 1 if chosen == "mean" else samples, pad)
    with torch.no_grad():
        scores = score_variants(subject, subject.probabilities, FILLS[chosen](subject, plan))
        without = scores.reshape(-1, plan.samples, *scores.shape[1:]).mean(1)
        evidence = _evidence(subject, without, laplace)
    return _average(evidence, plan, sides).float()


def _choose_fill(subject: Subject, fill: str) -> str:
    known = ("auto", *FILLS)
    if fill not in known:
        raise UsageError(f"Unknown fill {fill!r}", nearest(fill, known))
    if fill == "auto":
        return "mean" if subject.training is None else "conditional"
    if fill != "mean" and subject.training is None:
        raise UsageError(f"Fill {fill!r} needs training samples", "Give some, or the fill 'mean'")
    return fill


def _training(subject: Subject) -> Tensor:
    """Give the training samples on the batch's device.

    Raises
    ------
    UsageError
        If they do not have the batch's shape.
    """
    training = subject.training
    if training is None or training.shape[1:] != subject.x.shape[1:]:
        shape = None if training is None else tuple(training.shape[1:])
        raise UsageError(
            f"Training samples of shape {shape} do not fit samples of shape {tuple(subject.x.shape[1:])}",
            "Give them as the model takes them",
        )
    return training.detach().to(subject.x)


def _from_mean(subject: Subject, plan: _Plan) -> Iterator[Tensor]:
    mean = make_baseline(subject.x, "mean")
    for corner in plan.corners:
        where = box(corner, plan.windows)
        yield _with_window(subject.x, where, mean[where])


def _from_marginal(subject: Subject, plan: _Plan) -> Iterator[Tensor]:
    training = _training(subject)
    random = torch.Generator().manual_seed(subject.seed)
    for corner in plan.corners:
        where = box(corner, plan.windows)
        for chosen in torch.randint(len(training), (plan.samples,), generator=random).tolist():
            yield _with_window(subject.x, where, training[chosen][where])


def _from_conditional(subject: Subject, plan: _Plan) -> Iterator[Tensor]:
    random = torch.Generator().manual_seed(subject.seed)
    x, sides = subject.x, tuple(subject.x.shape[2:])
    patch = tuple(min(own + 2 * plan.pad, side) for own, side in zip(plan.windows, sides, strict=True))
    gaussian = PatchGaussian.fit(_training(subject), patch, random)
    conditions: dict[tuple[int, ...], Conditional] = {}
    for corner in plan.corners:
        # At the borders the window is not in the middle of its patch.
        bounds = zip(corner, sides, patch, strict=True)
        start = tuple(min(max(0, low - plan.pad), side - own) for low, side, own in bounds)
        offset = tuple(low - own for low, own in zip(corner, start, strict=True))
        if offset not in conditions:
            inside = torch.zeros((x.shape[1], *patch), dtype=torch.bool, device=x.device)
            inside[box(offset, plan.windows)] = True
            conditions[offset] = gaussian.condition(inside)
        values = x[0][box(corner, plan.windows)].shape
        noise = torch.randn((plan.samples, values.numel()), generator=random, dtype=torch.float64)
        drawn = conditions[offset].draw(x[box(start, patch)], noise.to(x.device))
        for one in drawn.to(x.dtype):
            yield _with_window(x, box(corner, plan.windows), one.reshape(-1, *values))


#: What a window's content is replaced by: variants of the batch, window by window, sample by sample.
FILLS: Mapping[str, Callable[[Subject, _Plan], Iterator[Tensor]]] = {
    "conditional": _from_conditional,
    "marginal": _from_marginal,
    "mean": _from_mean,
}


def _with_window(x: Tensor, where: Where, content: Tensor) -> Tensor:
    variant = x.clone()
    variant[where] = content
    return variant


def _evidence(subject: Subject, without: Tensor, laplace: int) -> Tensor:
    """Compare the prediction with what it is without each window (W, B, K)."""
    plain = subject.probabilities(subject.x)
    if subject.output.shape[1] == 1:
        # One logit against class 1: its probability comes with a minus, what remains is that of class 0.
        plain, without = (torch.where(value < 0, 1 + value, value) for value in (plain, without))
    classes = max(2, subject.output.shape[1])
    bits = _log_odds(plain, laplace, classes) - _log_odds(without, laplace, classes)
    likely = class_units(subject) & _is_share(plain) & _is_share(without).all(0)
    return torch.where(likely, bits, plain - without)


def _is_share(value: Tensor) -> Tensor:
    """Tell probabilities from what is made of them, such as contributions."""
    return (value >= 0) & (value <= 1)


def _log_odds(probability: Tensor, laplace: int, classes: int) -> Tensor:
    corrected = (probability.double() * laplace + 1) / (laplace + classes)
    return torch.log2(corrected / (1 - corrected))


def _average(evidence: Tensor, plan: _Plan, sides: tuple[int, ...]) -> Tensor:
    """Give each position the mean evidence of the windows that hold it: (W, B, K) to (B, K, *S)."""
    total = evidence.new_zeros(*evidence.shape[1:], *sides)
    count = evidence.new_zeros(sides)
    for corner, own in zip(plan.corners, evidence, strict=True):
        where = box(corner, plan.windows)
        total[where] += own.reshape(*own.shape, *[1] * len(sides))
        count[where] += 1
    return total / count
