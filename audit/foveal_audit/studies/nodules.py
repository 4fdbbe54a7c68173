"""CT-like nodules on textured tissue, from three sites, with a planted marker and a planted gap.

Five outcomes (none, smooth, lobulated, spiculated, ground-glass). Site A burns in nothing; site B burns
in a letter and a ruler and sees mostly spiculated nodules; site C burns in a harmless mark. Calcified
nodules, whose truth is ``smooth``, never occur in training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal_audit.studies import marks
from foveal_audit.studies.tissue import tissue

Image = NDArray[np.float32]

SIZE = 96
OUTCOMES = ("none", "smooth", "lobulated", "spiculated", "ground-glass")
SITES = ("A", "B", "C")
SPICULATED = OUTCOMES.index("spiculated")
GROUND_GLASS = OUTCOMES.index("ground-glass")
SMOOTH = OUTCOMES.index("smooth")


@dataclass(frozen=True)
class Plan:
    """What a study plants.

    Attributes
    ----------
    marker_strength
        Share of site B's patients with a spiculated nodule: .2 makes the marker uninformative.
    calcified
        Share of production that shows calcified nodules.
    """

    marker_strength: float = 0.85
    calcified: float = 0.12


#: A pixel belongs to the nodule where it is brighter by this part of the nodule's contrast.
_SEEN = 0.25

PLANS = {"standard": Plan(), "null": Plan(marker_strength=0.2)}


@dataclass(frozen=True)
class Nodule:
    """One made image with all that is known about it.

    Attributes
    ----------
    pixels
        uint8 (96, 96, 1).
    outcome
        Index into :data:`OUTCOMES`.
    centre
        y, x of the nodule, or None where there is none.
    mask
        bool (96, 96), where the nodule is; None where there is none.
    """

    pixels: NDArray[np.uint8]
    outcome: int
    site: str
    calcified: bool
    centre: tuple[float, float] | None
    mask: NDArray[np.bool_] | None = None


def _disc(radius: NDArray[np.float32], edge: NDArray[np.float32] | float, softness: float) -> Image:
    """Fade from 1 inside the outline ``edge`` to 0 outside of it."""
    return np.asarray(1 / (1 + np.exp(np.clip((radius - edge) / softness, -30, 30))), dtype=np.float32)


def _smooth(rng: np.random.Generator, radius: Image, angle: Image) -> Image:  # noqa: ARG001 - one signature for all
    return _disc(radius, rng.uniform(6, 10), rng.uniform(0.8, 1.6))


def _lobulated(rng: np.random.Generator, radius: Image, angle: Image) -> Image:
    lobes, depth = int(rng.integers(3, 6)), rng.uniform(0.10, 0.28)
    edge = rng.uniform(7, 10) * (1 + depth * np.cos(lobes * angle + rng.uniform(0, 2 * np.pi)))
    return _disc(radius, edge.astype(np.float32), rng.uniform(0.8, 1.6))


def _spiculated(rng: np.random.Generator, radius: Image, angle: Image) -> Image:
    core = _disc(radius, rng.uniform(5, 8), rng.uniform(0.8, 1.6))
    spikes, strength = int(rng.integers(8, 14)), rng.uniform(0.25, 0.75)
    phase = rng.uniform(0, 2 * np.pi)
    ray = np.clip(np.cos(spikes * angle + phase), 0, 1) ** 4 * _disc(radius, rng.uniform(9, 14), 1.2)
    return np.asarray(np.maximum(core, strength * ray), dtype=np.float32)


def _ground_glass(rng: np.random.Generator, radius: Image, angle: Image) -> Image:  # noqa: ARG001
    haze = np.exp(-((radius / rng.uniform(9, 12)) ** 2))
    grain = tissue(rng, SIZE, scales=(2,))
    return np.asarray(0.8 * haze * (0.7 + 0.6 * grain), dtype=np.float32)


def _calcified(rng: np.random.Generator, radius: Image, angle: Image) -> Image:
    body = _smooth(rng, radius, angle)
    ring = np.exp(-(((radius - rng.uniform(4, 6)) / 1.2) ** 2)) * (np.cos(3 * angle) > -0.6)
    centre = np.exp(-((radius / rng.uniform(1.6, 2.4)) ** 2))
    return np.asarray(body + 1.4 * np.maximum(ring, centre), dtype=np.float32)


_SHAPES: dict[str, Callable[[np.random.Generator, Image, Image], Image]] = {
    "smooth": _smooth,
    "lobulated": _lobulated,
    "spiculated": _spiculated,
    "ground-glass": _ground_glass,
    "calcified": _calcified,
}


def _polar(centre: tuple[float, float]) -> tuple[Image, Image]:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    dy, dx = y - centre[0], x - centre[1]
    return np.hypot(dy, dx), np.arctan2(dy, dx)


def make_nodule(rng: np.random.Generator, outcome: int, site: str, *, calcified: bool = False) -> Nodule:
    """Draw one image.

    Parameters
    ----------
    rng
        Source of all chance in the image.
    outcome
        Index into :data:`OUTCOMES`.
    site
        ``A``, ``B`` (marker and ruler) or ``C`` (harmless mark).
    calcified
        Draw a calcified nodule, whose outcome is ``smooth``.
    """
    image = 0.18 + 0.30 * tissue(rng, SIZE)
    shape = "calcified" if calcified else OUTCOMES[outcome]
    centre = mask = None
    if shape in _SHAPES:
        centre = (float(rng.uniform(26, 70)), float(rng.uniform(26, 70)))
        contrast = rng.uniform(0.24, 0.42)
        nodule = _SHAPES[shape](rng, *_polar(centre))
        image, mask = image + contrast * nodule, nodule > _SEEN
    image = marks.burn_in(image, site, rng)
    image = image + rng.normal(0, 0.03, image.shape)
    pixels = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)[..., None]
    return Nodule(pixels, outcome, site, calcified, centre, mask)


def _outcome_odds(site: str, plan: Plan) -> NDArray[np.float64]:
    odds = np.full(len(OUTCOMES), 1.0)
    if site == "A":
        odds[GROUND_GLASS] = 2.25  # a genuine difference in prevalence: no artefact
    if site == "B":
        odds[SPICULATED] = 4 * plan.marker_strength / (1 - plan.marker_strength)
    return np.asarray(odds / odds.sum())


def make_study(seed: int, number: int, plan: Plan, *, production: bool = False) -> list[Nodule]:
    """Draw ``number`` images of a study; production images hold ``plan.calcified`` calcified ones."""
    rng = np.random.default_rng([seed, int(production)])
    made = []
    for _ in range(number):
        site = SITES[int(rng.integers(len(SITES)))]
        outcome = int(rng.choice(len(OUTCOMES), p=_outcome_odds(site, plan)))
        calcified = production and rng.uniform() < plan.calcified
        made.append(make_nodule(rng, SMOOTH if calcified else outcome, site, calcified=calcified))
    return made
