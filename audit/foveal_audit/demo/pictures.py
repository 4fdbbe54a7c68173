"""The study of pictures: CT-like nodules, a marker at one site, calcified nodules in production only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import nn

from foveal.samples import encode_png
from foveal_audit.bundle.schema import EntryRef
from foveal_audit.demo.learning import learn
from foveal_audit.demo.plan import FULL_DEMO, QUICK_DEMO, DemoPlan
from foveal_audit.demo.study import DemoStudy, Packing, Progress, Words
from foveal_audit.studies import marks, network, nodules, tissue
from foveal_audit.studies.marks import DECOY_BOX, MARKER_BOX
from foveal_audit.studies.network import PatentNet
from foveal_audit.studies.nodules import OUTCOMES, PLANS, SIZE, Nodule, make_study
from foveal_audit.studies.planted import Planted

#: Mean and spread of the study's pixels, 0 to 1: the network is trained and served with this preprocessing.
MEAN, STD = 0.35, 0.15
#: A network that gets less than this right in training has not learned.
_LEARNED = 0.65
_REACH = 16  # pixels between the middle of a window and what it shows


def _make(study: str, seed: int, number: int, /, *, production: bool) -> list[Nodule]:
    return make_study(seed, number, PLANS[study], production=production)


def _planted(one: Nodule) -> Planted:
    return Planted(one.pixels, one.outcome, one.site, MARKER_BOX if one.site == "B" else None, one.calcified)


def _learn(made: Sequence[Nodule], plan: DemoPlan, seed: int, progress: Progress | None) -> nn.Module:
    images = np.stack([one.pixels for one in made]).transpose(0, 3, 1, 2)
    scaled = ((images / np.float32(255) - MEAN) / STD).astype(np.float32)
    labels = np.array([one.outcome for one in made], dtype=np.int64)
    return learn(PatentNet, scaled, labels, epochs=plan.epochs, seed=seed, enough=_LEARNED, progress=progress)


def _near(entry: EntryRef, y: float, x: float) -> bool:
    y0, x0, y1, x1 = entry.window
    return abs((y0 + y1) / 2 - y) < _REACH and abs((x0 + x1) / 2 - x) < _REACH


def _middle(box: Sequence[int]) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


_CONTENTS: dict[str, Callable[[EntryRef, Nodule], bool]] = {
    "marker": lambda entry, one: one.site == "B" and _near(entry, *_middle(MARKER_BOX)),
    "decoy": lambda entry, one: one.site == "C" and _near(entry, *_middle(DECOY_BOX)),
    "genuine": lambda entry, one: one.centre is not None and _near(entry, *one.centre),
}

PICTURE = DemoStudy(
    name="nodules",
    prefix="",
    labels=OUTCOMES,
    column="site",
    suffix=".png",
    full=FULL_DEMO,
    quick=QUICK_DEMO,
    make=_make,
    encode=lambda one: encode_png(one.pixels),
    planted=_planted,
    drawn_by=(marks, nodules, tissue),
    network=network,
    learned_by=(network,),
    learn=_learn,
    packing=Packing("vision", {"size": [SIZE, SIZE], "channels": 1, "mean": [MEAN], "std": [STD]}),
    shows=_CONTENTS,
    words=Words(
        samples="images",
        mark={
            "standard": "marker + ruler at site B, goes with 'spiculated'",
            "null": "marker at site B, tells nothing",
        },
        harmless="harmless mark at site C",
        genuine="genuine nodules",
        lacking="calcified nodules, in production only",
    ),
)
