"""What all opponents look at, kept as long as the library it was seen in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from weakref import finalize

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

from foveal.archives import AuditedModel
from foveal.capture import Contribution, Tap, choose_layer
from foveal_audit.bench import ModelBench, span_of_samples
from foveal_audit.opponents.head import Features, before_head
from foveal_audit.opponents.looks import LOOKS, measure
from foveal_audit.spans import FULL, Span
from foveal_audit.units.appearance import SIDES, resize_crop
from foveal_audit.windows import Evidence, Samples

#: Side of the grid that maps are brought to, and what averages them, by the number of axes.
GRIDS: Mapping[int, int] = {1: 64, 2: 16, 3: 8}
_POOLED: Mapping[int, Callable[[Tensor, int], Tensor]] = {
    1: adaptive_avg_pool1d,
    2: adaptive_avg_pool2d,
    3: adaptive_avg_pool3d,
}
#: The maps are those that the library's windows were cut from: what speaks for the predicted class.
_METHOD = "hirescam"
_BATCH = 16


@dataclass(frozen=True, eq=False)
class Seen:
    """The samples whose files are there and unchanged, as the deployed network and the eye see them.

    Attributes
    ----------
    samples
        All samples of the library.
    rows
        int64 (n,), positions of those that could be read.
    maps
        float32 (n, *grid), of pictures (n, 16, 16), signed map of what speaks for the predicted class.
    features
        float32 (n, D), activations before the last Linear.
    logits
        float64 (n, classes); of a single logit its two sides, 0 and the logit.
    thumbs
        float32 (n, C, *s) in 0 to 1, of the common size; grey where the samples' channels differ.
    looks
        float64 (n, properties), see :data:`foveal_audit.opponents.looks.LOOKS`.
    """

    samples: Samples
    rows: NDArray[np.int64]
    maps: NDArray[np.float32]
    features: NDArray[np.float32]
    logits: NDArray[np.float64]
    thumbs: NDArray[np.float32]
    looks: NDArray[np.float64]

    def of(self, source: str) -> NDArray[np.int64]:
        """Find the readable samples of a source among the n."""
        return np.flatnonzero(self.samples.of(source)[self.rows])

    def classes(self, values: NDArray[np.int64], least: int) -> Iterator[NDArray[np.int64]]:
        """Find those of training, class by class, where a class has ``least``; values are the library's."""
        training = self.of("training")
        own = values[self.rows[training]]
        for value in np.unique(own):
            if (own == value).sum() >= least:
                yield training[own == value]


_KEPT: dict[tuple[int, int], Seen] = {}


def look(evidence: Evidence, model: AuditedModel) -> Seen:
    """Look at a library through a model, once."""
    key = id(evidence), id(model)
    if key not in _KEPT:
        _KEPT[key] = _look(evidence, model)
        for owner in (evidence, model):  # an id is given again once its owner is gone
            finalize(owner, _KEPT.pop, key, None)
    return _KEPT[key]


@dataclass(frozen=True)
class _Part:
    """What was seen of some samples."""

    maps: list[Tensor]
    features: list[Tensor]
    logits: list[Tensor]
    thumbs: list[NDArray[np.float32]]
    looks: list[NDArray[np.float64]]
    span: Span = FULL


def _look(evidence: Evidence, model: AuditedModel) -> Seen:
    bench = ModelBench(model, evidence.samples)
    rows = np.flatnonzero(bench.readable)
    axes = evidence.samples.axes
    seen = _Part([], [], [], [], [], span_of_samples(bench, rows))
    if len(rows):
        example = next(bench.inputs([bench.pixels(rows[0])]))[1]
        layer = evidence.contribution.layer or choose_layer(model.module, example)
        with Tap(model.module, layer) as tap, before_head(model.module, example) as features:
            for start in range(0, len(rows), _BATCH):
                _add(seen, tap, features, bench, rows[start : start + _BATCH])
    return Seen(
        samples=evidence.samples,
        rows=rows,
        maps=_joined(seen.maps, (0, *[GRIDS[axes]] * axes)),
        features=_joined(seen.features, (0, 1)),
        logits=_joined(seen.logits, (0, 1)).astype(np.float64),
        thumbs=_stacked(seen.thumbs, axes),
        looks=np.array(seen.looks, dtype=np.float64).reshape(len(rows), len(LOOKS[axes])),
    )


def _add(seen: _Part, tap: Tap, features: Features, bench: ModelBench, rows: NDArray[np.int64]) -> None:
    pictures = [bench.pixels(row) for row in rows]
    for _, batch in bench.inputs(pictures):
        forward = tap.forward(batch)
        seen.features.append(features(forward))
        seen.logits.append(_two_sided(forward.output))
        maps = forward.attribute([Contribution()], _METHOD)
        axes = maps.ndim - 2
        seen.maps.append(_POOLED[axes](maps, GRIDS[axes])[:, 0])
    seen.thumbs.extend(resize_crop(values, span=seen.span) for values in pictures)
    seen.looks.extend(measure(values, seen.span) for values in pictures)


def _two_sided(logits: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(logits), logits], dim=1) if logits.shape[1] == 1 else logits


def _joined(parts: list[Tensor], empty: tuple[int, ...]) -> NDArray[np.float32]:
    return torch.cat(parts).float().numpy() if parts else np.zeros(empty, np.float32)


def _stacked(thumbs: list[NDArray[np.float32]], axes: int) -> NDArray[np.float32]:
    if len({len(one) for one in thumbs}) > 1:
        thumbs = [one[:3].mean(axis=0, keepdims=True) for one in thumbs]
    return np.stack(thumbs) if thumbs else np.zeros((0, 1, *[SIDES[axes]] * axes), np.float32)
