"""The kinds of generator there are, and the one way to learn any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError, nearest
from foveal_audit.reproducible import reproducible

from .crops import Crops, as_crops
from .dcgan import DcganGenerator, fit_dcgan
from .errors import FEWEST_CROPS, TooFewCrops
from .generator import Generator
from .pca import PcaGenerator, fit_pca_gmm
from .settings import FitSettings, Perceptual
from .vae import VaeGenerator, fit_pca_vae
from .vae_gan import VaeGanGenerator, fit_vae_gan

DEFAULT_KIND = "pca-vae"


@dataclass(frozen=True)
class Kind:
    """One way to learn a generator.

    Attributes
    ----------
    fit
        Learns it from checked crops.
    restores
        The class that reads it back.
    fewest
        Crops below which ``instead`` is learned.
    instead
        The kind for fewer crops; None where there is none below.
    """

    fit: Callable[[Crops, FitSettings], Generator]
    restores: type[Generator]
    fewest: int
    instead: str | None = None


KINDS: dict[str, Kind] = {
    "pca-vae": Kind(fit_pca_vae, VaeGenerator, fewest=40, instead="pca-gmm"),
    "vae-gan": Kind(fit_vae_gan, VaeGanGenerator, fewest=100, instead="pca-vae"),
    "dcgan": Kind(fit_dcgan, DcganGenerator, fewest=100, instead="pca-gmm"),
    "pca-gmm": Kind(fit_pca_gmm, PcaGenerator, fewest=FEWEST_CROPS),
}


def get_kind(name: str) -> Kind:
    """Look a kind up.

    Raises
    ------
    UsageError
        No such kind; names the nearest ones.
    """
    if name not in KINDS:
        raise UsageError(f"Unknown kind of generator {name!r}", nearest(name, KINDS))
    return KINDS[name]


def fit_generator(
    crops: NDArray[np.floating],
    *,
    kind: str = DEFAULT_KIND,
    seed: int = 0,
    steps: int | None = None,
    perceptual: Perceptual | None = None,
) -> Generator:
    """Learn how a feature looks from its crops (patent US 12,062,225 B2, S6).

    Parameters
    ----------
    crops
        (n, C, *s) in [0, 1], registered beforehand (:func:`.registration.register_crops`), sides from 8.
    kind
        ``pca-vae``, ``vae-gan``, the patent's plain ``dcgan``, or ``pca-gmm`` for a preview within a second.
        With fewer crops than a kind needs, the simpler kind is learned instead; ``origin.asked`` tells.
    seed
        Same crops, seed and versions: the same bits. The caller's random state and threads stay as they are.
    steps
        Optimiser steps; default the kind's own. Cost is proportional to it.
    perceptual
        Maps crops (B, C, *s) in [0, 1] to shallow feature maps of the audited network.

    Raises
    ------
    TooFewCrops
        Fewer than 12 crops.
    UsageError
        Unknown kind.
    ValueError
        Crops of a wrong shape or range.
    """
    wanted = get_kind(kind)
    stack = as_crops(crops)
    if len(stack) < FEWEST_CROPS:
        raise TooFewCrops(len(stack))
    while len(stack) < wanted.fewest and wanted.instead is not None:
        wanted = get_kind(wanted.instead)
    with reproducible(seed):
        return wanted.fit(stack, FitSettings(kind, seed, steps, perceptual))
