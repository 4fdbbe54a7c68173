"""A small generator of spiky blobs, its real crops, and a model that looks at them: made in a second."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import planted
from scipy.ndimage import gaussian_filter

from foveal_audit.generators import Learned, learn_generator
from foveal_audit.generators.pasting import Pasting
from foveal_audit.generators.unit_value import unit_measure
from foveal_audit.lattice import Frames, Lattice, RealCrops, make_lattice

SIDE = 32
#: What the first axes are called in tests; the third tries to be read as code.
LABELS = (
    "brighter",
    "larger and further up",
    "</script><img src=x onerror=alert(1)>",
    "“<b>spiky</b>” & wide",
    "no plain word for it",
)


def blobs(n, seed=0, channels=1):
    """Draw n bright blobs with spikes on soft noise, (n, C, 32, 32)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    angle, radius = np.arctan2(y, x), np.hypot(y, x)
    crops = np.empty((n, channels, SIDE, SIDE), np.float32)
    for crop in crops:
        edge = rng.uniform(5, 9) + 3 * np.cos(rng.integers(5, 9) * angle + rng.uniform(0, 6))
        noise = 0.06 * gaussian_filter(rng.standard_normal((SIDE, SIDE)), 1) / 0.28
        picture = 0.3 + rng.uniform(0.3, 0.5) / (1 + np.exp(radius - edge)) + noise
        crop[:] = picture * np.linspace(1, 0.7, channels)[:, None, None]
    return crops.clip(0, 1)


@lru_cache(maxsize=2)
def learned(channels=1) -> Learned:
    """Learn the generator."""
    return learn_generator(blobs(160, channels=channels), steps=40)


@lru_cache(maxsize=1)
def learned_traces() -> Learned:
    """Learn the generator of bumps that come earlier or later, of more or less height, in two channels."""
    rng = np.random.default_rng(0)
    times = np.arange(64)
    bumps = rng.uniform(0.2, 0.5, (120, 1)) * np.exp(-(((times - rng.uniform(24, 40, (120, 1))) / 4) ** 2))
    traces = 0.3 + bumps[:, None] * np.linspace(1, 0.5, 2)[:, None] + rng.normal(0, 0.01, (120, 2, 64))
    return learn_generator(traces.clip(0, 1), kind="pca-gmm", max_shift=0)


def real_crops(found: Learned) -> RealCrops:
    """Give what it was learned from; the samples' names are hostile."""
    names = [f"site <b>{row}</b>\n/x.png" for row in range(len(found.crops))]
    return RealCrops(found.crops, found.originals, [f"{row:024x}" for row in range(len(names))], names)


def pasting() -> Pasting:
    """Give the value of class "disc" of the planted model for crops pasted into pictures of stripes."""
    rng = np.random.default_rng(0)
    hosts = [planted.picture(rng, 0) for _ in range(6)]
    return Pasting(unit_measure(planted.model(), 1), hosts, [(0.2, 0.2, 0.9, 0.9), (0.1, 0.1, 0.8, 0.8)])


def frames() -> Frames:
    """Give the frames of the toy."""
    found = learned()
    return Frames(found.generator, real_crops(found), pasting())


@lru_cache(maxsize=1)
def lattice() -> Lattice:
    """Give its lattice."""
    return make_lattice(learned().generator, labels=LABELS, guard=learned().guard)
