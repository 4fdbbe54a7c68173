"""Explain image files with a loaded model: prediction, map and the objects on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from foveal.archives.model import AuditedModel
from foveal.attribution import get_method
from foveal.capture import Tap, choose_layer, naming_samples, parse_target, predicted_classes
from foveal.explaining.explanation import target_layers
from foveal.regions import Region, find_regions
from foveal.samples.images import Pixels, decode_image, read_file


@dataclass(frozen=True, eq=False)
class SampleExplanation:
    """What a model looks at in one sample.

    Attributes
    ----------
    sample
        The path as it was given.
    sha256
        Hash of the file's bytes.
    pixels
        The original sample (H, W, C).
    scores
        The model's raw outputs.
    predicted
        The predicted class.
    label
        Its name, where the model states one.
    map
        Raw signed map, float32 (h, w), on the layer's grid.
    regions
        The objects on the map.
    timings
        Milliseconds of wall time per step.
    """

    sample: str
    sha256: str
    pixels: Pixels
    scores: tuple[float, ...]
    predicted: int
    label: str | None
    map: NDArray[np.float32]
    regions: tuple[Region, ...]
    timings: dict[str, float]


class SampleExplainer:
    """Explains files one by one with one tap on the model; a context manager.

    Parameters
    ----------
    model
        The loaded model.
    method, layer
        Override the model's own configuration.
    target
        ``top``, ``contribution``, ``class:K`` or ``LAYER:INDEX``.

    Raises
    ------
    UsageError
        For an unknown method or a target that cannot be read.
    """

    def __init__(
        self, model: AuditedModel, *, method: str | None = None, layer: str | None = None, target: str = "top"
    ) -> None:
        self.model, self.target = model, target
        self.method = get_method(method or model.config.method).name
        self._target = parse_target(target)
        self._layer = layer or model.config.layer
        self._tap: Tap | None = None

    def __enter__(self) -> SampleExplainer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tap is not None:
            self._tap.close()

    @property
    def layer(self) -> str:
        """Where the maps are taken; ``auto`` until the first sample."""
        return self._tap.layer if self._tap is not None else self._layer

    def explain(self, path: Path) -> SampleExplanation:
        """Explain one image file.

        Raises
        ------
        UsageError
            If the file is no readable image, does not fit the model, or the layer or target does not exist.
        """
        timings: dict[str, float] = {}
        with _timed(timings, "decode"):
            data = read_file(path)
            pixels = decode_image(data, str(path))
            x = self.model.transform(pixels, str(path))[None]
        with naming_samples([str(path)], x):
            tap = self._tapped(x)
            with _timed(timings, "predict"):
                forward = tap.forward(x)
        with _timed(timings, "attribute"):
            map_: NDArray[np.float32] = forward.attribute([self._target], self.method)[0, 0].cpu().numpy()
            regions = tuple(find_regions(map_, pixels.shape))
        predicted = int(predicted_classes(forward.output)[0])
        return SampleExplanation(
            sample=str(path),
            sha256=hashlib.sha256(data).hexdigest(),
            pixels=pixels,
            scores=tuple(forward.output[0].tolist()),
            predicted=predicted,
            label=self._label(predicted),
            map=map_,
            regions=regions,
            timings=timings,
        )

    def _tapped(self, x: Tensor) -> Tap:
        """Put the tap on when the first sample has shown what the layers look like."""
        if self._tap is None:
            layer = choose_layer(self.model.module, x) if self._layer == "auto" else self._layer
            self._tap = Tap(self.model.module, layer, target_layers([self._target]))
            self._tap.calibrate(x)
        return self._tap

    def _label(self, index: int) -> str | None:
        return self.model.labels[index] if index < len(self.model.labels) else None


@contextmanager
def _timed(timings: dict[str, float], step: str) -> Iterator[None]:
    start = perf_counter()
    yield
    timings[step] = round((perf_counter() - start) * 1e3, 3)
