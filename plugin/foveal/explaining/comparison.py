"""Several methods on one sample: their maps, what they cost, and how far the prediction follows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveal.archives.model import AuditedModel
from foveal.attribution import Method, get_method
from foveal.capture import Tap, TappedSubject, Target, parse_target
from foveal.errors import UsageError
from foveal.explaining.explanation import target_layers
from foveal.explaining.mapping import Mapper, timed
from foveal.explaining.samples import Finding, find, is_fine
from foveal.faithfulness import (
    STEPS,
    Faithfulness,
    insertion_deletion,
    random_insertion_deletion,
    random_maps,
)
from foveal.records import Window
from foveal.samples.kinds import Decoded

#: Stands where a method's name stands, for maps that know nothing.
RANDOM = "random"
#: Grid of the random maps where no compared method works on a layer's grid.
_RANDOM_GRID = 8


@dataclass(frozen=True, eq=False)
class Compared:
    """One method on one sample.

    Attributes
    ----------
    method
        The method.
    layer
        Where its maps lie.
    findings
        One per target; none where the method cannot explain this model.
    milliseconds
        Wall time of prediction and maps together, once.
    faithfulness
        How the prediction follows the maps.
    fault
        Why there are none.
    """

    method: Method
    layer: str
    findings: tuple[Finding, ...] = ()
    milliseconds: float = 0.0
    faithfulness: Faithfulness | None = None
    fault: str | None = None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Several methods on one sample.

    Attributes
    ----------
    targets
        As they were asked for.
    compared
        One per method, in the order in which they were named.
    chance
        The faithfulness of random maps.
    grid
        Their grid.
    start
        The targets' own values on the sample (K,): what the curves fall from or rise to.
    random
        One of the random maps, along the sample's axes.
    frame
        The part of the sample that the maps cover.
    """

    targets: tuple[str, ...]
    compared: tuple[Compared, ...]
    chance: Faithfulness
    grid: tuple[int, ...]
    start: tuple[float, ...]
    random: NDArray[np.float32]
    frame: Window


class Comparer:
    """Compares methods sample after sample; a context manager.

    Parameters
    ----------
    model
        The loaded model.
    methods
        Names of the methods.
    layer
        For the methods that work on a layer.
    targets
        As :func:`foveal.explain` takes them.
    options
        Options by method name.
    seed, training
        For methods that draw, or need samples.
    steps
        Steps of the curves.

    Raises
    ------
    UsageError
        For an unknown method or option, or a target that cannot be read.
    """

    def __init__(
        self,
        model: AuditedModel,
        methods: Sequence[str],
        *,
        layer: str | None = None,
        targets: Sequence[str] = ("top",),
        options: Mapping[str, Mapping[str, Any]] | None = None,
        seed: int = 0,
        training: Tensor | None = None,
        steps: int = STEPS,
    ) -> None:
        self._model, self._seed, self._steps = model, seed, steps
        self.targets = tuple(targets)
        self._parsed: list[Target] = [parse_target(target) for target in targets]
        self._mappers = [
            Mapper(
                model.module,
                name,
                layer=_layer_for(get_method(name), layer, model.config.layer),
                targets=targets,
                options=(options or {}).get(name),
                seed=seed,
                training=training,
            )
            for name in methods
        ]
        self._open = ExitStack()
        for mapper in self._mappers:
            self._open.push(mapper)

    def __enter__(self) -> Comparer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def compare(self, x: Tensor, sample: Decoded) -> Comparison:
        """Compare the methods on a sample (1, C, *grid), made from `sample`.

        A method that cannot explain this model is kept, with the reason.
        """
        with Tap(self._model.module, None, target_layers(self._parsed)) as tap:
            subject = TappedSubject(tap, x, self._parsed)
            compared = tuple(self._compared(mapper, subject, sample) for mapper in self._mappers)
            grid = _grid(compared, x)
            chance = random_insertion_deletion(
                subject.probabilities,
                subject.x,
                len(self.targets),
                grid,
                steps=self._steps,
                seed=self._seed,
            )
            with torch.no_grad():
                start = subject.probabilities(subject.x)[0]
        shape, transform = sample.values.shape, self._model.transform
        random = transform.on_sample(random_maps(1, 1, grid)[0, 0].numpy(), shape, sample.spacing)
        frame = transform.frame(shape, sample.spacing)
        return Comparison(self.targets, compared, chance, grid, tuple(start.tolist()), random, frame)

    def _compared(self, mapper: Mapper, subject: TappedSubject, sample: Decoded) -> Compared:
        times: dict[str, float] = {}
        try:
            mapper.prepare(subject.x)
            with timed(times, "all"):
                maps = mapper(subject.x).maps
        except UsageError as error:
            return Compared(mapper.method, mapper.layer, fault=str(error))
        fine = is_fine(mapper.method, maps.shape[2:], subject.x)
        findings = tuple(
            find(target, map_.cpu().numpy(), sample, self._model.transform, fine=fine)
            for target, map_ in zip(self.targets, maps[0], strict=True)
        )
        faithfulness = insertion_deletion(
            subject.probabilities, subject.x, maps, steps=self._steps, seed=self._seed
        )
        return Compared(mapper.method, mapper.layer, findings, times["all"], faithfulness)


def _layer_for(method: Method, asked: str | None, configured: str) -> str:
    """Give a layer to those methods alone that work on one."""
    if method.place == "input":
        return "auto"
    return asked or (configured if method.place == "layer" else "auto")


def _grid(compared: Sequence[Compared], x: Tensor) -> tuple[int, ...]:
    """Choose the grid of the random maps: that of the coarsest method, so that chance has its chance."""
    grids = [one.findings[0].map.shape for one in compared if one.findings]
    coarse = [grid for grid in grids if grid != tuple(x.shape[2:])]
    return min(coarse, key=prod, default=(_RANDOM_GRID,) * (x.ndim - 2))
