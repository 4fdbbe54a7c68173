"""A comparison summed up: means with intervals per method, layer and measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from foveal.attribution import METHODS
from foveal_audit.comparing.intervals import LEVEL, RESAMPLES, Estimate, estimate
from foveal_audit.comparing.running import BASELINE, MEASURES, TOLERANCE, Scores

#: What each measure says, in the words of reports.
EXPLAINED: Mapping[str, str] = {
    "sensitivity": "share of the truth that is marked, where as many pixels are marked as the truth has",
    "specificity": "share of the rest that is not marked, with the same threshold",
    "auc": "chance that a pixel of the truth has a larger value than one outside; no threshold",
    "pointing": "share of maps whose maximum lies on the truth or within the tolerance of it",
    "mass": "share of the positive values that lies on the truth",
    "insertion": "area under the probability as pixels come back into a blurred sample, most evidence first",
    "deletion": "area under the probability as pixels are blurred, most evidence first; small is good",
}


@dataclass(frozen=True)
class Result:
    """What one method reached at one place.

    Attributes
    ----------
    method, layer
        Which.
    sanity
        What the registry says of weight randomisation; empty for a baseline.
    measures
        Per measure its estimate; those that were not taken are left out.
    refused
        Why the model cannot be explained so; empty where it can.
    """

    method: str
    layer: str
    sanity: str
    measures: Mapping[str, Estimate]
    refused: str = ""


def sum_up(scores: Sequence[Scores], seed: int = 0) -> list[Result]:
    """Estimate the mean of every measure of every contender, each with the same draws of samples."""
    return [
        Result(
            method=one.contender.method,
            layer=one.contender.layer,
            sanity="" if one.contender.layer == BASELINE else METHODS[one.contender.method].sanity,
            measures={
                name: estimate(np.array(values), seed)
                for name, values in one.values.items()
                if values and not one.refused
            },
            refused=one.refused,
        )
        for one in scores
    ]


def as_record(
    facts: Mapping[str, Any], samples: Sequence[str], scores: Sequence[Scores], results: Sequence[Result]
) -> dict[str, Any]:
    """Put everything about a comparison into plain values, as compare.json holds them.

    Parameters
    ----------
    facts
        What was compared: model, data, truth, target, seed and the like.
    samples
        Names of the samples, in the order of the values.
    scores, results
        In the same order.
    """
    return {
        **facts,
        "samples": list(samples),
        "interval": f"{LEVEL:.0%} percentile bootstrap over samples, {RESAMPLES} draws",
        "tolerance_share": TOLERANCE,
        "measures": {name: EXPLAINED[name] for name in MEASURES},
        "results": [
            {
                **asdict(result),
                "values": {name: values for name, values in one.values.items() if name in result.measures},
            }
            for one, result in zip(scores, results, strict=True)
        ],
    }
