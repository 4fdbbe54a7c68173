"""From what the worker wrote down to what the library keeps: windows are found and crops cut.

Finding the windows of every map, decoding, cutting and packing cost more than everything else about an
observation. They happen where nobody waits for an answer: in the shipper.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from foveal.crops import cut, extent_of, find_windows, shifted
from foveal.errors import UsageError
from foveal.records import Entry, Negative, Observation, Window, entry_id
from foveal.samples.arrays import decode_sample, encode_crop
from foveal.samples.values import Values

_log = logging.getLogger(__name__)


def develop(observation: Observation, values: Values | None = None) -> Observation:
    """Find the windows, cut the crops, and let go of the whole sample.

    Parameters
    ----------
    observation
        As an observer recorded it.
    values
        The sample (*S, C), where it is decoded already.

    Returns
    -------
    Observation
        Its entries have a window and a crop each. Where the sample cannot be read after all the entries
        are left out, and the record of the sample stays.
    """
    negative = observation.negative
    if negative is None:
        return observation
    try:
        whole = decode_sample(negative.encoded, observation.sample.sample) if values is None else values
    except UsageError as fault:
        _log.warning("%s; its entries are lost", fault.fault)
        return Observation(observation.sample)
    crops = _Crops(whole)
    entries = (found for entry in observation.entries for found in _windowed(entry, negative))
    cropped = (replace(entry, crop=crops.cut(entry.window)) for entry in entries)
    return Observation(observation.sample, tuple(cropped))


def _windowed(entry: Entry, negative: Negative) -> Iterator[Entry]:
    """Give an entry for every window of a whole map; one that has its window stays as it is."""
    if entry.window:
        yield entry
        return
    places = find_windows(entry.map, extent_of(negative.frame), negative.side, negative.most)
    for number, found in enumerate(places):
        yield replace(
            entry,
            id=entry_id(negative.key, entry.row, entry.feature, number, entry.model_sha256),
            window=shifted(found.window, negative.frame),
            share=found.score,
            map=np.ascontiguousarray(entry.map[found.cells]),
        )


class _Crops:
    """The crops of one sample; a window that several features share is cut and packed once."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._known: dict[Window, bytes] = {}

    def cut(self, window: Window) -> bytes:
        if window not in self._known:
            self._known[window] = encode_crop(cut(self._values, window))
        return self._known[window]
