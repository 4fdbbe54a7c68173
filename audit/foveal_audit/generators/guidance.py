"""Draws that excite the audited unit as real crops do: the density is tilted, and no further than that.

Multiplying a mixture of Gaussians by the exponential of a linear function gives a mixture of Gaussians again:
components that excite the unit gain weight, and every one moves towards what excites it. So guidance acts on
the very draws that are served, costs nothing when they are drawn, and is stored like any other mixture.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from .crops import Crops
from .generator import Generator

Activation = Callable[[Crops], NDArray[np.floating]]
REFERENCE = 96  # real crops, and draws, whose activation is compared
_ENOUGH = 0.97  # of the real share: above this nothing is done
_FURTHEST = 1.5  # standard deviations that a component may move
_HALVINGS = 4
_RIDGE = 5.0


class Guidance(TypedDict):
    """What guidance did.

    Attributes
    ----------
    moved
        How far the components moved, in standard deviations; 0 where nothing was needed.
    share_before, share_after
        Share of draws above the lower quartile of real pasted crops (0.75 is the real level).
    """

    moved: float
    share_before: float
    share_after: float


def guided(
    generator: Generator, real: Crops, activation: Activation, seed: int
) -> tuple[Generator, Guidance]:
    """Tilt a generator's density until its draws excite the unit as real crops do.

    Parameters
    ----------
    generator
        Left as it is where its draws reach the real level already.
    real
        (n, C, *s) real crops the generator may know: training crops.
    activation
        The unit's value on crops.
    seed
        Seeds the draws that are looked at.

    Returns
    -------
    The guided generator and what was done. The least tilt that reaches the real level is taken, so that
    draws are never made to exaggerate.
    """
    rows = np.random.default_rng(seed).permutation(len(real))[:REFERENCE]
    known = np.asarray(activation(real[rows]), np.float64)
    floor = float(np.quantile(known, 0.25))
    goal = float((known >= floor).mean())

    def shown(candidate: Generator) -> NDArray[np.float64]:
        return np.asarray(activation(candidate.sample(REFERENCE, seed)), np.float64)

    before = shown(generator)
    share = float((before >= floor).mean())
    if share >= _ENOUGH * goal:
        return generator, _record(0.0, share, share)
    latents = np.concatenate([generator.encode(real[rows]), generator.draw(REFERENCE, seed)])
    direction = _direction(latents, np.concatenate([known, before]), generator)
    return _least_tilt(generator, direction, lambda one: float((shown(one) >= floor).mean()), share, goal)


def _least_tilt(
    generator: Generator,
    direction: NDArray[np.float64],
    share_of: Callable[[Generator], float],
    share: float,
    goal: float,
) -> tuple[Generator, Guidance]:
    """Halve the interval of tilts and keep the one that comes nearest to the real level from below."""
    low, high = 0.0, _FURTHEST
    best, reached, moved = generator, share, 0.0
    for _ in range(_HALVINGS):
        tilt = (low + high) / 2
        candidate = replace(generator, mixture=generator.mixture.tilted(tilt * direction))
        found = share_of(candidate)
        low, high = (tilt, high) if found <= goal else (low, tilt)
        if reached < found <= goal:
            best, reached, moved = candidate, found, tilt
        if _ENOUGH * goal <= found <= goal:
            break
    return best, _record(moved, share, reached)


def _record(moved: float, before: float, after: float) -> Guidance:
    return {"moved": round(moved, 3), "share_before": round(before, 4), "share_after": round(after, 4)}


def _direction(
    latents: NDArray[np.floating], values: NDArray[np.float64], generator: Generator
) -> NDArray[np.float64]:
    """Regress the unit's value on latents; scaled so that 1 moves the typical component by one deviation."""
    z = latents - latents.mean(0, dtype=np.float64)
    gram = z.T @ z + _RIDGE * np.eye(z.shape[1])
    slope = np.linalg.solve(gram, z.T @ (values - values.mean()))
    mixture = generator.mixture
    typical = np.sqrt((mixture.weights.astype(np.float64)[:, None] * mixture.sds**2).sum(0))
    return np.asarray(slope / max(float(np.linalg.norm(typical * slope)), 1e-12), np.float64)
