"""Which values are 0 and 1 where crops are compared or learned: pictures have a range, traces a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.samples.values import Values

_ODD = 0.01  # share of crops that may reach beyond, so that one spike does not flatten all others
_MARGIN = 0.05  # of what the others span, kept free on either side


@dataclass(frozen=True)
class Span:
    """The values that become 0 and 1.

    Attributes
    ----------
    low, high
        One number for each channel, or one for all of them, every low below its high; both empty for the
        whole range of an unsigned type, whichever that is.
    """

    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def shares(self, values: Values) -> NDArray[np.float32]:
        """Map values (*s, C) to float32 (*s, C); what lies beyond becomes 0 or 1, what is no number 0.5."""
        if not self.low:
            return np.asarray(values.astype(np.float32) / np.iinfo(values.dtype).max, np.float32)
        low, high = np.array(self.low), np.array(self.high)
        shares = np.nan_to_num((values.astype(np.float64) - low) / (high - low), nan=0.5)
        return np.asarray(shares.clip(0, 1), np.float32)

    def values(self, shares: NDArray[np.floating], dtype: np.dtype[Any] | type[np.generic]) -> Values:
        """Map shares (*s, C) back to values of a type."""
        kind = np.dtype(dtype)
        if not self.low:
            return (shares.clip(0, 1) * float(np.iinfo(kind).max)).round().astype(kind)
        low, high = np.array(self.low), np.array(self.high)
        found = shares.astype(np.float64).clip(0, 1) * (high - low) + low
        return found.astype(kind) if kind.kind == "f" else _whole(found, kind)

    def to_json(self) -> dict[str, list[float]]:
        """Write it down; :meth:`of_json` reads it back."""
        return {"low": list(self.low), "high": list(self.high)}

    @classmethod
    def of_json(cls, told: Mapping[str, Sequence[float]]) -> Span:
        """Undo :meth:`to_json`."""
        low, high = (tuple(map(float, told[end])) for end in ("low", "high"))
        if len(low) != len(high) or not all(one < other for one, other in zip(low, high, strict=True)):
            raise ValueError(f"{low} to {high} is no span")
        return cls(low, high)


def _whole(found: NDArray[np.float64], kind: np.dtype[Any]) -> Values:
    ends = np.iinfo(kind)
    return found.round().clip(ends.min, ends.max).astype(kind)


#: What every picture has.
FULL = Span()


def span_of(crops: Sequence[Values]) -> Span:
    """Choose what crops (*s, C) of one library span.

    Unsigned values keep the whole range of their type. Others have a unit of their own: every channel goes
    from what nearly all crops stay above to what they stay below, with some room on either side.
    """
    if all(np.dtype(crop.dtype).kind == "u" for crop in crops):
        return FULL
    alike = len({crop.shape[-1] for crop in crops}) == 1
    ends = np.array([_ends(crop, alike) for crop in crops], np.float64)
    ends = ends[np.isfinite(ends).all((1, 2))]
    if not len(ends):
        return Span((0.0,), (1.0,))
    low, high = np.quantile(ends[:, 0], _ODD, axis=0), np.quantile(ends[:, 1], 1 - _ODD, axis=0)
    room = np.where(high > low, (high - low) * _MARGIN, 0.5)
    return Span(tuple((low - room).tolist()), tuple((high + room).tolist()))


def _ends(crop: Values, by_channel: bool) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the lowest and the highest number of each channel, or of all of them."""
    axes = tuple(range(crop.ndim - 1)) if by_channel else None
    known = np.isfinite(crop)
    low, high = np.where(known, crop, np.inf).min(axes), np.where(known, crop, -np.inf).max(axes)
    return np.atleast_1d(low), np.atleast_1d(high)
