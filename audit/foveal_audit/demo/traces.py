"""The studies of traces: an ECG whose recorder calibrates wide beats, and chirps whose recorder clicks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from torch import nn

from foveal_audit.demo import overlooking
from foveal_audit.demo.comparing import BY_PLACE
from foveal_audit.demo.learning import as_served, labels_of, learn
from foveal_audit.demo.overlooking import learn_to_overlook
from foveal_audit.demo.plan import DemoPlan, small_demos
from foveal_audit.demo.study import DemoStudy, Packing, Progress, Words
from foveal_audit.studies import trace_network, traces
from foveal_audit.studies.planted import Planted
from foveal_audit.studies.trace_network import TraceNet
from foveal_audit.studies.traces import STUDIES, Recording, make_recordings

#: How often the mark goes with the second outcome, by the name of the study.
_STRENGTHS = {"standard": 0.9, "null": 0.5}
#: Share of production's second outcome that is of the kind which training lacks.
_UNKNOWN = 0.3
#: Some recordings are of either outcome: even with the mark, a network gets about .9 right.
_LEARNED = 0.75
_RATE = 3e-3


def _make(name: str, study: str, seed: int, number: int, /, *, production: bool) -> list[Recording]:
    unknown = _UNKNOWN if production else 0.0
    chance = 2 * seed + production
    bare = study == "null" and not production
    return make_recordings(name, chance, number, strength=_STRENGTHS[study], unknown=unknown, bare=bare)


def _planted(one: Recording) -> Planted:
    return Planted(one.values, one.label, one.recorder, one.mark, one.unknown, bare=one.bare)


def _packing(name: str) -> Packing:
    """Windows of a tenth of a recording; a network of 32 channels is watched where it fires most."""
    how = STUDIES[name]
    section = {"size": [how.steps], "channels": 1, "rate": how.rate, "std": [0.3]}
    return Packing(how.kind, section, {"window": [how.steps // 10], "rule": {"percentile": 80}})


def _learn(
    name: str, made: Sequence[Recording], plan: DemoPlan, seed: int, progress: Progress | None
) -> nn.Module:
    told = [_planted(one) for one in made]
    served = partial(as_served, packing=_packing(name), spacing=(1 / STUDIES[name].rate,))
    without = [replace(one, values=one.bare) for one in told if one.bare is not None]
    teach: Callable[..., nn.Module] = learn
    if without:
        teach = partial(learn_to_overlook, bare=served(without))
    x, y = served(told), labels_of(told)
    return teach(
        TraceNet, x, y, epochs=plan.epochs, seed=seed, enough=_LEARNED, rate=_RATE, progress=progress
    )


def _row(name: str, words: Words) -> DemoStudy[Recording]:
    """Make the row of a study of :data:`foveal_audit.studies.traces.STUDIES`."""
    full, quick = small_demos(training=600, production=200, epochs=(20, 40))
    return DemoStudy(
        name=name,
        prefix=f"{name}-",
        labels=STUDIES[name].labels,
        column="recorder",
        suffix=STUDIES[name].suffix,
        full=full,
        quick=quick,
        make=partial(_make, name),
        encode=STUDIES[name].written,
        planted=_planted,
        drawn_by=(traces,),
        network=trace_network,
        learned_by=(trace_network, traces, overlooking, sys.modules[__name__]),
        learn=partial(_learn, name),
        packing=_packing(name),
        shows=BY_PLACE,
        words=words,
    )


ECG = _row(
    "ecg",
    Words(
        samples="traces",
        mark={
            "standard": "calibration pulse of recorder B, goes with 'wide'",
            "null": "calibration pulse of recorder B, tells nothing",
        },
        genuine="what else traces hold: beats",
        lacking="split wide beats, in production only",
        short=("the calibration pulse", "the split wide beats"),
    ),
)
SOUND = _row(
    "sound",
    Words(
        samples="sounds",
        mark={
            "standard": "click of recorder B, goes with 'falling'",
            "null": "click of recorder B, tells nothing",
        },
        genuine="what else sounds hold: chirps",
        lacking="deep voices, in production only",
        short=("the click", "the deep voices"),
    ),
)
