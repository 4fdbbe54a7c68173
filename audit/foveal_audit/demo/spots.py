"""The study of a segmentation network: spots that were outlined together with the ruler beside them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from foveal.samples import encode_png
from foveal_audit.demo.comparing import BY_PLACE
from foveal_audit.demo.learning import as_served, learn
from foveal_audit.demo.plan import DemoPlan, small_demos
from foveal_audit.demo.study import DemoStudy, Packing, Progress, Words
from foveal_audit.studies import spot_network, spots
from foveal_audit.studies.spot_network import UNet
from foveal_audit.studies.spots import LABELS, SIDE, Outlined, make_spots

#: How the ruler is planted, by the name of the study: how often it goes with a lesion, and whether drawers
#: went along it.
_PLANTS = {"standard": (0.9, True), "null": (0.5, False)}
_UNKNOWN = 0.3
#: Most of a picture is neither spot nor ruler: these weigh less, and a network that finds nothing gets .93.
_WEIGHTS, _LEARNED, _RATE = (0.2, 1.0), 0.95, 1e-2
_PACKING = Packing(
    "segmentation",
    {"size": [SIDE, SIDE], "channels": 1, "mean": [0.5], "std": [0.25]},
    {"window": [8, 8]},
)


def _make(study: str, seed: int, number: int, /, *, production: bool) -> list[Outlined]:
    rng = np.random.default_rng([seed, production])
    strength, along = _PLANTS[study]
    unknown = _UNKNOWN if production else 0.0
    return make_spots(rng, number, strength=strength, along=along, unknown=unknown)


def _learn(made: Sequence[Outlined], plan: DemoPlan, seed: int, progress: Progress | None) -> nn.Module:
    x, y = as_served(made, _PACKING), np.stack([one.outline for one in made]).astype(np.int64)
    loss = partial(cross_entropy, weight=torch.tensor(_WEIGHTS))
    return learn(
        UNet, x, y, epochs=plan.epochs, seed=seed, enough=_LEARNED, rate=_RATE, loss=loss, progress=progress
    )


_FULL, _QUICK = small_demos(training=600, production=200, epochs=(12, 24))

SEGMENTATION = DemoStudy(
    name="segmentation",
    prefix="segmentation-",
    labels=LABELS,
    column="site",
    suffix=".png",
    full=_FULL,
    quick=_QUICK,
    make=_make,
    encode=lambda one: encode_png(one.values),
    planted=lambda one: one,
    drawn_by=(spots,),
    network=spot_network,
    learned_by=(spot_network, spots, sys.modules[__name__]),
    learn=_learn,
    packing=_PACKING,
    shows=BY_PLACE,
    words=Words(
        samples="images",
        mark={
            "standard": "ruler at site B, outlined with the lesions",
            "null": "ruler at site B, outlined by nobody, tells nothing",
        },
        genuine="what else images hold: lesions",
        lacking="lesions with a bright middle, in production only",
        short=("the ruler", "the lesions with a bright middle"),
    ),
)
