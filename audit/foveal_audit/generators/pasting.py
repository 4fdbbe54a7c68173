"""How strongly crops excite the audited unit: pasted into samples that leave it cold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.records import Window
from foveal.samples.images import Pixels
from foveal_audit.judgement.filling import fill_from

from .crops import Crops

#: The unit's value in whole samples: n samples (H, W, C) to (n,).
Measure = Callable[[Sequence[Pixels]], NDArray[np.float64]]
#: Place of a window as shares of the sample's height and width: y0, x0, y1, x1.
Place = tuple[float, float, float, float]


@dataclass(frozen=True)
class Pasting:
    """Measure crops by what the unit makes of them inside foreign samples.

    Crop i goes into host i at place i, both taken round and round: real and generated crops are measured in
    the same hosts at the same places, so that only the crops differ. Patches fade in at their border.

    Attributes
    ----------
    measure
        The unit's value in whole samples.
    hosts
        Samples (H, W, C) that leave the unit cold, one or more.
    places
        Where the feature was seen, one or more.
    """

    measure: Measure
    hosts: Sequence[Pixels]
    places: Sequence[Place]

    def __call__(self, crops: Crops) -> NDArray[np.float64]:
        """Give the unit's value (n,) for each of the crops (n, C, h, w) in [0, 1]."""
        return self.measure([self._pasted(crop, row) for row, crop in enumerate(crops)])

    def _pasted(self, crop: NDArray[np.float32], row: int) -> Pixels:
        host = self.hosts[row % len(self.hosts)]
        window = _window(self.places[row % len(self.places)], host)
        return fill_from(host, window, _patch(crop, window, host.dtype))


def _window(place: Place, host: Pixels) -> Window:
    height, width = host.shape[:2]
    y0, x0 = min(round(place[0] * height), height - 1), min(round(place[1] * width), width - 1)
    return y0, x0, max(round(place[2] * height), y0 + 1), max(round(place[3] * width), x0 + 1)


def _patch(crop: NDArray[np.float32], window: Window, kind: np.dtype[np.integer]) -> Pixels:
    """Bring a crop (C, h, w) to pixels (height, width, C) of a kind."""
    size = (window[3] - window[1], window[2] - window[0])
    planes = [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR)) for plane in crop]
    scaled = np.stack(planes, axis=-1).clip(0, 1) * float(np.iinfo(kind).max)
    patch: Pixels = scaled.round().astype(kind)
    return patch


def coldest(measure: Measure, candidates: Sequence[Pixels], count: int) -> list[Pixels]:
    """Choose the samples in which the unit is lowest."""
    if not candidates:
        return []
    order = np.argsort(measure(candidates), kind="stable")
    return [candidates[int(row)] for row in order[:count]]
