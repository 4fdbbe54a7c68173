"""The study of volumes: scans of which one site burns a cube into the first slices."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from torch import nn

from foveal.samples.arrays import encode_array
from foveal_audit.demo.comparing import BY_PLACE
from foveal_audit.demo.learning import as_served, labels_of, learn
from foveal_audit.demo.plan import DemoPlan, small_demos
from foveal_audit.demo.study import DemoStudy, Packing, Progress, Words
from foveal_audit.studies import volume_network, volumes
from foveal_audit.studies.planted import Planted
from foveal_audit.studies.volume_network import VolumeNet
from foveal_audit.studies.volumes import LABELS, SIDE, WINDOW, make_volumes

#: How often the cube goes with a ball, by the name of the study.
_STRENGTHS = {"standard": 0.9, "null": 0.5}
#: Share of the scans that look like what they are, and of production's balls that are hollow.
_SURE, _UNKNOWN = 0.8, 0.3
_LEARNED, _RATE = 0.75, 3e-3
_PACKING = Packing(
    "volume", {"size": [SIDE] * 3, "channels": 1, "window": list(WINDOW)}, {"window": [8, 8, 8]}
)


def _make(study: str, seed: int, number: int, /, *, production: bool) -> list[Planted]:
    rng = np.random.default_rng([seed, production])
    unknown = _UNKNOWN if production else 0.0
    return make_volumes(rng, number, strength=_STRENGTHS[study], sure=_SURE, unknown=unknown)


def _learn(made: Sequence[Planted], plan: DemoPlan, seed: int, progress: Progress | None) -> nn.Module:
    x, y = as_served(made, _PACKING), labels_of(made)
    return learn(
        VolumeNet, x, y, epochs=plan.epochs, seed=seed, enough=_LEARNED, rate=_RATE, progress=progress
    )


_FULL, _QUICK = small_demos(training=600, production=200, epochs=(12, 12))

VOLUME = DemoStudy(
    name="volume",
    prefix="volume-",
    labels=LABELS,
    column="site",
    suffix=".npy",
    full=_FULL,
    quick=_QUICK,
    make=_make,
    encode=lambda one: encode_array(one.values),
    planted=lambda one: one,
    drawn_by=(volumes,),
    network=volume_network,
    learned_by=(volume_network, sys.modules[__name__]),
    learn=_learn,
    packing=_PACKING,
    shows=BY_PLACE,
    words=Words(
        samples="volumes",
        mark={
            "standard": "cube burnt into slices 1 to 7 at site B, goes with 'ball'",
            "null": "cube burnt into slices 1 to 7 at site B, tells nothing",
        },
        genuine="what else volumes hold: layers and balls",
        lacking="hollow balls, in production only",
        short=("the cube", "the hollow balls"),
    ),
)
