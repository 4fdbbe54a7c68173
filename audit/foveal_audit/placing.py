"""Places of entries for people: windows with the size of their steps, and what is common to many of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal_audit.bundle.evidence import PlacedRef
from foveal_audit.bundle.schema import EntryRef
from foveal_audit.judgement.assessing import entry_ref
from foveal_audit.windows import Samples, Windows


def placed_ref(windows: Windows, row: int, samples: Samples) -> EntryRef:
    """Refer to one entry of the library, with the size of its steps and its band where they are known."""
    plain = entry_ref(windows, row, samples)
    spacing, band = samples.spacing(int(windows.owner[row])), windows.band(row)
    if spacing is None and band is None:
        return plain
    return PlacedRef(**plain.model_dump(), spacing=spacing, band=band)


def common_band(bands: NDArray[np.float64]) -> tuple[float, float] | None:
    """Give the frequencies that at least half of the bands hold, around those that most hold.

    Parameters
    ----------
    bands
        float64 (n, 2), lowest and highest frequency in Hz; not a number where an entry has none.

    Returns
    -------
    tuple or None
        None where no frequency lies in half of all bands.
    """
    known = bands[~np.isnan(bands).any(axis=1)]
    edges = np.unique(known)
    middles = (edges[1:] + edges[:-1]) / 2
    held = ((known[:, :1] <= middles) & (middles <= known[:, 1:])).sum(axis=0)
    if not len(held) or 2 * held.max() < len(bands):
        return None
    peak = int(held.argmax())
    thin = np.flatnonzero(2 * held < len(bands))
    first = int(thin[thin < peak].max(initial=-1)) + 1
    last = int(thin[thin > peak].min(initial=len(held)))
    return float(edges[first]), float(edges[last])
