"""What each latent axis does to the picture, in words, and which metadata go with it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from .associations import Association, associations
from .crops import Crops, Latents
from .generator import Generator
from .looks import LOOKS, measure_looks

MOST_AXES = 8  # described: sliders beyond these hardly move the picture
_BASES = 24  # draws whose coordinate on the axis is moved
_SPREAD = 300  # real crops that give the scale of a statistic
_CLEAR = 0.3  # standard deviations of the real crops below which a change is not worth a word
_CONFIDENCE = 0.975


class Change(TypedDict):
    """One statistic along an axis.

    Attributes
    ----------
    effect
        Mean change from one deviation below to one above, in standard deviations among real crops.
    low, high
        95 % interval over the draws that were moved.
    """

    look: str
    effect: float
    low: float
    high: float


class Axis(TypedDict):
    """A slider.

    Attributes
    ----------
    number
        0 moves the picture most.
    variance
        Share of the picture's change along all axes that is along this one.
    words
        The strongest changes as one phrase, or that there is no word for it.
    changes
        The clear changes, strongest first.
    metadata
        Columns that go with the training crops' coordinate at a false-discovery rate of 5 %.
    """

    number: int
    variance: float
    words: str
    changes: list[Change]
    metadata: list[Association]


def describe_axes(
    generator: Generator,
    train: Crops,
    metadata: Mapping[str, Sequence[str]] | None = None,
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
) -> list[Axis]:
    """Say what changes along the first axes.

    Parameters
    ----------
    generator
        Its decoder is walked; grain is left out.
    train
        (n, C, *s) the crops it was learned from.
    metadata
        Per column one value per training crop, "" where there is none.
    groups
        What each training crop belongs to: one crop of each enters the tests.
    seed
        Seeds the draws.
    """
    count = min(MOST_AXES, generator.latent_dim)
    bases = generator.draw(_BASES, seed)
    scale = {name: float(values.std()) for name, values in measure_looks(train[:_SPREAD]).items()}
    shares = _variance_shares(generator)
    found = associations(generator.encode(train)[:, :count], metadata or {}, groups)
    return [
        _described(number, float(shares[number]), _changes(generator, bases, number, scale), found)
        for number in range(count)
    ]


def _described(number: int, share: float, changes: list[Change], found: Sequence[Association]) -> Axis:
    return {
        "number": number,
        "variance": round(share, 4),
        "words": _words(changes),
        "changes": changes,
        "metadata": [one for one in found if one["axis"] == number],
    }


def _words(changes: Sequence[Change]) -> str:
    named = [LOOKS[one["look"]][one["effect"] < 0] for one in changes[:2]]
    return " and ".join(named) if named else "no plain word for it"


def _changes(generator: Generator, bases: Latents, axis: int, scale: Mapping[str, float]) -> list[Change]:
    ends = [measure_looks(generator.decode(_moved(bases, axis, step, generator))) for step in (-1.0, 1.0)]
    changes = [_change(name, (ends[1][name] - ends[0][name]) / sd) for name, sd in scale.items() if sd > 1e-9]
    clear = [one for one in changes if abs(one["effect"]) >= _CLEAR and one["low"] * one["high"] > 0]
    return sorted(clear, key=lambda one: (-abs(one["effect"]), one["look"]))


def _moved(bases: Latents, axis: int, step: float, generator: Generator) -> Latents:
    """Put every draw's coordinate on one axis at its mean plus or minus a deviation."""
    moved = bases.copy()
    moved[:, axis] = generator.mixture.mean[axis] + step * generator.axis_sd[axis]
    return moved


def _change(name: str, steps: NDArray[np.float64]) -> Change:
    effect = float(steps.mean())
    error = float(steps.std(ddof=1)) / np.sqrt(len(steps))
    reach = float(student.ppf(_CONFIDENCE, len(steps) - 1)) * error
    return {
        "look": name,
        "effect": round(effect, 3),
        "low": round(effect - reach, 3),
        "high": round(effect + reach, 3),
    }


def _variance_shares(generator: Generator) -> NDArray[np.float64]:
    """Mean squared change of the picture along each axis, as shares of their sum."""
    middle = generator.mixture.mean[None].repeat(2 * generator.latent_dim, axis=0)
    steps = np.diag(generator.axis_sd)
    ends = generator.decode((middle + np.concatenate([-steps, steps])).astype(np.float32))
    low, high = np.split(ends.astype(np.float64), 2)
    moved = ((high - low) ** 2).mean(tuple(range(1, high.ndim)))
    return np.asarray(moved / max(float(moved.sum()), 1e-30))
