"""Methods against the truth: every method at every layer, on the same samples, by the same measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from foveal.attribution import Method, all_methods, get_method
from foveal.capture import ClassTarget, Tap, TappedSubject, Target, choose_layer, naming_samples
from foveal.errors import UsageError
from foveal.explaining import explain
from foveal.explaining.explanation import INPUT, read_unit, target_layers
from foveal.faithfulness import insertion_deletion
from foveal_audit.comparing.baselines import BASELINES
from foveal_audit.comparing.cases import LABEL, Case, batches, stacked
from foveal_audit.comparing.layers import layers_by_depth
from foveal_audit.comparing.measures import LOCALISATION, Truth

#: A near miss counts as a hit within this part of the sample's shorter side: 15 pixels of 500, as in the
#: pointing game of Zhang et al. (ECCV 2016).
TOLERANCE = 0.03
#: Samples per pass.
BATCH = 16
#: Measures of what the prediction does as evidence comes and goes; the second is better the smaller it is.
FAITHFULNESS = ("insertion", "deletion")
MEASURES = (*LOCALISATION, *FAITHFULNESS)
BASELINE = "baseline"

_MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class Contender:
    """A method at a place.

    Attributes
    ----------
    method
        Name of the method or baseline.
    layer
        Name of the layer, ``input``, or ``baseline``.
    """

    method: str
    layer: str


@dataclass
class Scores:
    """What one contender reached.

    Attributes
    ----------
    contender
        Which.
    values
        Per measure one value per sample, in the order of the samples.
    refused
        Why the model cannot be explained so; empty where it can.
    """

    contender: Contender
    values: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in MEASURES})
    refused: str = ""


@dataclass(frozen=True)
class Question:
    """What is explained and how it is judged.

    Attributes
    ----------
    target
        As for ``foveal explain``, or ``label``: the class that each case is labelled with.
    tolerance
        Pixels by which a pointing hit may miss; None for :data:`TOLERANCE` of the shorter side.
    faithful
        Whether to measure insertion and deletion, which cost 34 passes for every map.
    seed
        Seeds methods that draw.
    training
        Samples (N, C, *S) for methods that need data.
    options
        Options by method name.
    """

    target: str = "top"
    tolerance: float | None = None
    faithful: bool = True
    seed: int = 0
    training: Tensor | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def choose_methods(names: Sequence[str] = ()) -> list[Method]:
    """Look methods up; by default those that cost one backward pass at most, ``all`` for every one.

    Raises
    ------
    UsageError
        For an unknown name.
    """
    known = all_methods()
    if "all" in names:
        return list(known.values())
    cheap = [name for name, method in known.items() if method.cost in ("one forward", "one backward")]
    return [get_method(name) for name in dict.fromkeys(names)] or [known[name] for name in cheap]


def contenders(
    model: nn.Module, x: Tensor, methods: Sequence[Method], layers: Sequence[str] = ()
) -> list[Contender]:
    """List which methods are compared where.

    Parameters
    ----------
    model, x
        The network and a batch, to find its layers.
    methods
        The methods; see :func:`choose_methods`.
    layers
        Names of layers, or ``auto``; by default one per resolution, shallow to deep. Methods that can map
        input and layers both are compared on the input, and on layers that are named.
    """
    named = [choose_layer(model, x) if layer == "auto" else layer for layer in layers]
    depths = list(dict.fromkeys(named)) if named else layers_by_depth(model, x)
    places = {"layer": depths, "either": [INPUT, *named], "input": [INPUT]}
    listed = [Contender(method.name, layer) for method in methods for layer in places[method.place]]
    return listed + [Contender(name, BASELINE) for name in BASELINES]


def compare(
    model: nn.Module,
    cases: Sequence[Case],
    listed: Sequence[Contender],
    question: Question = Question(),
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> list[Scores]:
    """Score every contender on every case.

    A method that refuses the model at a place is recorded with its reason, and not tried again.

    Parameters
    ----------
    model
        The network, in eval mode.
    cases
        Samples with their truth.
    listed
        The contenders; see :func:`contenders`.
    question
        What is explained.
    progress
        Told the contender, how many maps are done and how many there are.

    Returns
    -------
    list of Scores
        In the order of the contenders.

    Raises
    ------
    UsageError
        If the samples do not fit the model or the target does not exist.
    """
    scores = [Scores(one) for one in listed]
    done = 0
    for group in batches(cases, BATCH):
        with _Jury(model, group, question) as jury:
            for score in scores:
                jury.hear(score)
                done += len(group)
                progress(
                    f"{score.contender.method} at {score.contender.layer}", done, len(cases) * len(listed)
                )
    return scores


class _Jury:
    """Judges contenders on one batch."""

    def __init__(self, model: nn.Module, cases: Sequence[Case], question: Question) -> None:
        self._model, self._cases, self._question = model, cases, question
        self._x = stacked(cases)
        self._unit = _unit(question.target, cases)
        self._truths = [_truth(case.mask, question.tolerance) for case in cases]
        self._tap = Tap(model, None, target_layers([self._unit]))
        try:
            with naming_samples([case.name for case in cases], self._x):
                self._subject = TappedSubject(self._tap, self._x, [self._unit])
        except BaseException:
            self._tap.close()
            raise

    def __enter__(self) -> _Jury:
        return self

    def __exit__(self, *_: object) -> None:
        self._tap.close()

    def hear(self, score: Scores) -> None:
        """Add the batch's values to a contender's."""
        if score.refused:
            return
        try:
            maps = self._maps(score.contender)
        except UsageError as error:
            score.refused = str(error)
            return
        for name, values in self._measured(maps):
            score.values[name].extend(values)

    def _maps(self, contender: Contender) -> Tensor:
        """Make raw maps (B, *grid)."""
        if contender.layer == BASELINE:
            return self._baseline(contender.method)
        explanation = explain(
            self._model,
            self._x,
            method=contender.method,
            layer=contender.layer,
            targets=[self._unit],
            seed=self._question.seed,
            training=self._question.training,
            options=self._question.options.get(contender.method),
        )
        return explanation.maps[:, 0]

    def _baseline(self, name: str) -> Tensor:
        seeds = [[self._question.seed, *case.name.encode()] for case in self._cases]
        return torch.stack([torch.from_numpy(BASELINES[name](self._x.shape[2:], seed)) for seed in seeds])

    def _measured(self, maps: Tensor) -> Iterator[tuple[str, list[float]]]:
        large = [_enlarged(map_, truth.mask.shape) for map_, truth in zip(maps, self._truths, strict=True)]
        for name, measure in LOCALISATION.items():
            yield name, [measure(map_, truth) for map_, truth in zip(large, self._truths, strict=True)]
        if self._question.faithful:
            found = insertion_deletion(self._subject.probabilities, self._x, maps[:, None])
            for name in FAITHFULNESS:
                yield name, getattr(found, f"{name}_auc")[:, 0].tolist()


def _unit(target: str, cases: Sequence[Case]) -> Target:
    if target != LABEL:
        return read_unit(target)
    return ClassTarget(torch.tensor([-1 if case.label is None else case.label for case in cases]))


def _truth(mask: NDArray[np.bool_], tolerance: float | None) -> Truth:
    return Truth.of(mask, max(1, round(TOLERANCE * min(mask.shape))) if tolerance is None else tolerance)


def _enlarged(map_: Tensor, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Interpolate a map (*grid) linearly between cell centres to the shape of its sample."""
    if tuple(map_.shape) != shape:
        mode = _MODES[len(shape)]
        map_ = interpolate(map_.float()[None, None], shape, mode=mode, align_corners=False)[0, 0]
    large: NDArray[np.float32] = map_.float().cpu().numpy()
    return large
