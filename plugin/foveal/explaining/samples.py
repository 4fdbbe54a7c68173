"""Explain samples on disk with a loaded model: prediction, maps and the objects on them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveal.archives.model import AuditedModel
from foveal.attribution import InputMethod, Method, get_method
from foveal.capture import naming_samples
from foveal.crops import extent_of, framed, shifted, whole
from foveal.explaining.mapping import Mapper, timed
from foveal.records import Window
from foveal.regions import FINE, Region, find_regions, smooth
from foveal.samples.kinds import Band, Decoded, Transform
from foveal.samples.places import known_spacing
from foveal.samples.values import Values
from foveal.segmenting.outlines import Masks, masks_of


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model says of a sample.

    Attributes
    ----------
    scores
        The model's raw outputs; where it has one at every position, their means.
    index
        The predicted class.
    label
        Its name, where the model states one.
    probability
        Softmax of the predicted class; for one logit, the sigmoid on the predicted side.
    """

    scores: tuple[float, ...]
    index: int
    label: str | None
    probability: float

    @classmethod
    def of(cls, output: Tensor, labels: Sequence[str]) -> Prediction:
        """Read the output (1, n) or (1, n, *S) for a single sample."""
        scores = (output.flatten(2).mean(-1) if output.ndim > 2 else output)[0].double()
        if len(scores) == 1:
            index, probability = int(scores[0] > 0), torch.sigmoid(scores[0].abs())
        else:
            index = int(scores.argmax())
            probability = scores.softmax(0)[index]
        label = labels[index] if index < len(labels) else None
        return cls(tuple(scores.tolist()), index, label, float(probability))

    @property
    def name(self) -> str:
        """The class for people."""
        return self.label or f"class {self.index}"


@dataclass(frozen=True, eq=False)
class Finding:
    """The map of one target, and what was found on it.

    Attributes
    ----------
    target
        As it was asked for.
    map
        Raw signed map on the layer's grid, float32.
    shown
        The map that is drawn and searched, with the sample's axes: the raw one, or a smoothed copy.
    regions
        The objects on it.
    frame
        The part of the sample that the map covers.
    bands
        Per object the frequencies in Hz where its evidence lies; None where the map has no frequencies.
    """

    target: str
    map: NDArray[np.float32]
    shown: NDArray[np.floating]
    regions: tuple[Region, ...]
    frame: Window
    bands: tuple[Band | None, ...]


@dataclass(frozen=True, eq=False)
class SampleExplanation:
    """What a model looks at in one sample.

    Attributes
    ----------
    sample
        The path as it was given.
    sha256
        Hash of the file's bytes.
    original
        The sample as its file has it.
    x
        The sample as the model took it (1, C, *grid).
    prediction
        What the model says.
    method, options, layer
        How the maps were made; layer ``input`` where they lie on the input.
    findings
        One per target.
    smoothing
        Standard deviation, in cells of the map, of the smoothed copy that is drawn and searched; None where
        the raw map is.
    timings
        Milliseconds of wall time per step.
    masks
        What the network found where, if it is one that segments.
    spacing
        Size of one step per axis, in seconds or millimetres; None where it is unknown, and of pictures.
    """

    sample: str
    sha256: str
    original: Decoded
    x: Tensor
    prediction: Prediction
    method: Method
    options: Mapping[str, Any]
    layer: str
    findings: tuple[Finding, ...]
    smoothing: float | None
    timings: dict[str, float]
    masks: Masks | None = None
    spacing: tuple[float, ...] | None = None

    @property
    def values(self) -> Values:
        """The original sample (*S, C)."""
        return self.original.values


class SampleExplainer:
    """Explains files one by one; a context manager.

    Parameters
    ----------
    model
        The loaded model.
    method, layer
        Override the model's own configuration.
    targets
        ``top``, ``contribution``, ``class:K``, ``LAYER:INDEX`` and the like.
    options
        The method's own options.
    seed, training
        For methods that draw, or need samples.

    Raises
    ------
    UsageError
        For an unknown method or option, or a target that cannot be read.
    """

    def __init__(
        self,
        model: AuditedModel,
        *,
        method: str | None = None,
        layer: str | None = None,
        targets: Sequence[str] = ("top",),
        options: Mapping[str, Any] | None = None,
        seed: int = 0,
        training: Tensor | None = None,
    ) -> None:
        self.model, self.targets, self.seed, self.training = model, tuple(targets), seed, training
        chosen = get_method(method or model.config.method)
        # The configured layer is where requests are watched; a method that maps the input needs none.
        configured = model.config.layer if chosen.place == "layer" else "auto"
        self._mapper = Mapper(
            model.module,
            chosen.name,
            layer=layer or configured,
            targets=targets,
            options=options,
            seed=seed,
            training=training,
        )

    def __enter__(self) -> SampleExplainer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mapper.close()

    def explain(self, path: Path) -> SampleExplanation:
        """Explain one sample.

        Raises
        ------
        UsageError
            If the file is not readable, does not fit the model, or the layer or target does not exist.
        """
        timings: dict[str, float] = {}
        with timed(timings, "decode"):
            data = self.model.kind.read(path)
            sample = self.model.kind.decode(data, str(path))
            x = self.model.tensor(sample, str(path))[None]
        with naming_samples([str(path)], x):
            mapped = self._mapper(x, timings)
        maps: NDArray[np.float32] = mapped.maps[0].cpu().numpy()
        fine = is_fine(self._mapper.method, maps.shape[1:], x)
        frame = self.model.transform.frame(sample.values.shape, sample.spacing)
        return SampleExplanation(
            sample=str(path),
            sha256=hashlib.sha256(data).hexdigest(),
            original=sample,
            x=x,
            prediction=Prediction.of(mapped.output, self.model.labels),
            method=self._mapper.method,
            options=self._mapper.options,
            layer=self._mapper.layer,
            findings=tuple(
                find(target, map_, sample, self.model.transform, fine=fine)
                for target, map_ in zip(self.targets, maps, strict=True)
            ),
            smoothing=smooth(self.model.transform.on_sample(maps[0]))[1] if fine else None,
            timings=timings,
            masks=masks_of(self.model.module, x, frame, sample.values.shape, self.model.labels),
            spacing=known_spacing(self.model.transform.spacing(sample.spacing), sample.values.ndim - 1),
        )


def is_fine(method: Method, grid: Sequence[int], x: Tensor) -> bool:
    """Tell maps that are noisy: those of every single position of the input, and of very fine layers."""
    on_input = isinstance(method, InputMethod) and tuple(grid) == tuple(x.shape[2:])
    return on_input or min(grid) > FINE


def find(
    target: str,
    map: NDArray[np.float32],  # noqa: A002 - the design's word
    sample: Decoded,
    transform: Transform,
    *,
    fine: bool,
) -> Finding:
    """Find the objects on a map; a fine one, on the input's own grid, is smoothed for it first."""
    shape, spacing = sample.values.shape, sample.spacing
    laid, frame = transform.on_sample(map, shape, spacing), transform.frame(shape, spacing)
    shown = smooth(laid)[0] if fine else laid
    regions = tuple(_placed(one, frame, shape) for one in find_regions(shown, extent_of(frame)))
    bands = tuple(transform.band(map, one.window, shape, spacing) for one in regions)
    return Finding(target, map, shown, regions, frame, bands)


def _placed(region: Region, frame: Window, shape: tuple[int, ...]) -> Region:
    """Give an object of a part of a sample its place in the whole."""
    if frame == whole(shape, len(frame) // 2):
        return region
    mask = framed(region.mask, frame, shape)
    return Region(shifted(region.window, frame), region.score, region.level, mask)
