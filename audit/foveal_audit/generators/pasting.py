"""How strongly crops excite the audited unit: pasted into samples that leave it cold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.records import Window
from foveal.samples.values import Values
from foveal_audit.judgement.filling import fill_from
from foveal_audit.spans import FULL, Span
from foveal_audit.units.resizing import resized

from .crops import Crops

#: The unit's value in whole samples: n samples (*S, C) to (n,).
Measure = Callable[[Sequence[Values]], NDArray[np.float64]]
#: Place of a window as shares of the sample's axes: all starts, then all ends; of a picture y0, x0, y1, x1.
Place = tuple[float, ...]


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
        Samples (*S, C) that leave the unit cold, one or more.
    places
        Where the feature was seen, one or more.
    span
        Which values of the samples stand for 0 and 1 in crops.
    """

    measure: Measure
    hosts: Sequence[Values]
    places: Sequence[Place]
    span: Span = FULL

    def __call__(self, crops: Crops) -> NDArray[np.float64]:
        """Give the unit's value (n,) for each of the crops (n, C, *s) in [0, 1]."""
        return self.measure([self._pasted(crop, row) for row, crop in enumerate(crops)])

    def _pasted(self, crop: NDArray[np.float32], row: int) -> Values:
        host = self.hosts[row % len(self.hosts)]
        window = _window(self.places[row % len(self.places)], host.shape[:-1])
        shares = np.moveaxis(resized(np.moveaxis(crop, 0, -1), _sides(window)), 0, -1)
        return fill_from(host, window, self.span.values(shares, host.dtype))


def _window(place: Place, sides: tuple[int, ...]) -> Window:
    """Give the window of a sample with these sides, one step long at least along each."""
    axes = len(sides)
    starts = [min(round(share * side), side - 1) for share, side in zip(place[:axes], sides, strict=True)]
    ends = (round(share * side) for share, side in zip(place[axes:], sides, strict=True))
    return *starts, *(max(end, start + 1) for start, end in zip(starts, ends, strict=True))


def _sides(window: Window) -> tuple[int, ...]:
    axes = len(window) // 2
    return tuple(end - start for start, end in zip(window[:axes], window[axes:], strict=True))


def coldest(measure: Measure, candidates: Sequence[Values], count: int) -> list[Values]:
    """Choose the samples in which the unit is lowest."""
    if not candidates:
        return []
    order = np.argsort(measure(candidates), kind="stable")
    return [candidates[int(row)] for row in order[:count]]
