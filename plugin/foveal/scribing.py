"""A sample as it came in, and the entries that are written of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from foveal.config import FovealConfig
from foveal.crops import Found, extent_of, find_windows, shifted, window_size
from foveal.evidence import Floats
from foveal.records import Entry, Negative, SampleRecord, Source, Window, entry_id
from foveal.samples.kinds import Band
from foveal.samples.values import Values
from foveal.segmenting.fields import Fields
from foveal.segmenting.patches import Patch, find_patches

_NO_VECTOR: Floats = np.empty(0, np.float32)


@dataclass(frozen=True)
class Seen:
    """A sample as it came in.

    Attributes
    ----------
    sample
        The path as the data set gave it, or the request id.
    row
        Row inside the request.
    values
        The original sample (*S, C), before any resize; None where only its bytes are at hand.
    source
        Where it came from.
    time
        When it was seen, ISO 8601 in UTC.
    key
        What makes its entries' identity: the request id, or source, name and content hash of a file.
    sha256
        Hash of the sample's bytes; of its values where none is given.
    encoded
        The sample as it was sent, from which whoever develops the observation
        (:func:`foveal.developing.develop`) cuts the crops; not needed where `values` are at hand then.
    size
        Sides and number of channels of the original; those of `values` where none are given.
    frame
        The part of the original that the network saw; None where the preprocessing tells it.
    spacing
        Size of one step per axis; empty where it is unknown.
    label, metadata, origin
        As in :class:`~foveal.records.SampleRecord`.
    """

    sample: str
    row: int
    values: Values | None
    source: Source
    time: str
    key: str
    label: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    origin: str | None = None
    sha256: str = ""
    encoded: bytes = b""
    size: tuple[int, ...] | None = None
    frame: Window | None = None
    spacing: tuple[float, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Sides and number of channels of the original."""
        if self.size is not None:
            return self.size
        if self.values is None:
            raise ValueError(f"sample {self.sample!r} was seen without its size")
        return self.values.shape


class Laying(Protocol):
    """What knows how maps lie on samples: the observer."""

    @property
    def config(self) -> FovealConfig:
        """How to watch."""

    def laid(
        self, map_: Floats, shape: tuple[int, ...], spacing: tuple[float, ...] = ()
    ) -> tuple[Floats, Window]:
        """Lay a map along a sample's axes; gives the part of the sample too that it covers."""

    def frame(self, shape: tuple[int, ...], spacing: tuple[float, ...], axes: int) -> Window:
        """Say which part of a sample the network sees."""

    def band(
        self, map_: Floats, window: Window, shape: tuple[int, ...], spacing: tuple[float, ...] = ()
    ) -> Band | None:
        """Say at which frequencies a map's evidence in a window of a sample lies."""


class Scribe:
    """Writes the entries of one sample."""

    def __init__(self, seen: Seen, record: SampleRecord, observer: Laying) -> None:
        self._seen, self._record, self._observer = seen, record, observer
        config, axes = observer.config, len(seen.shape) - 1
        self._frame = seen.frame or observer.frame(seen.shape, seen.spacing, axes)
        self._extent = extent_of(self._frame)
        side = window_size(config.window, self._extent, len(self._extent))
        self.negative = Negative(seen.encoded, seen.key, self._frame, side, config.max_windows)

    def laid(self, map_: Floats) -> Floats:
        """Lay a map (..., *grid) on the network's grid along the sample's axes."""
        return self._observer.laid(map_, self._seen.shape, self._seen.spacing)[0]

    def windows(self, map_: Floats) -> list[Found]:
        """Find the windows of one map."""
        return find_windows(map_, self._extent, self.negative.side, self.negative.most)

    def patches(self, map_: Floats, fields: Fields) -> list[Patch]:
        """Find the patches of one map of a layer with these receptive fields."""
        return find_patches(map_, fields, self._extent, self.negative.most)

    def place(self, found: Found | Patch) -> Window:
        """Give a window's place in the original."""
        return shifted(found.window, self._frame)

    def band(self, map_: Floats, window: Window) -> Band | None:
        """Say at which frequencies the evidence of a map (*grid) on the network's grid lies in a window."""
        return self._observer.band(map_, window, self._seen.shape, self._seen.spacing)

    def id(self, feature: str, number: int) -> str:
        """Give the identity of the entry of a feature's window, by the window's rank."""
        return entry_id(self._seen.key, self._seen.row, feature, number, self._record.model_sha256)

    def entry(
        self,
        feature: str,
        map_: Floats,
        *,
        activation: float,
        method: str,
        layer: str,
        id: str = "",  # noqa: A002 - the record's word
        window: Window = (),
        share: float = 0.0,
        vector: Floats = _NO_VECTOR,
        threshold: float = 0.0,
        band: Band | None = None,
    ) -> Entry:
        """Write one entry; without identity, window and share where these are still to be found."""
        seen, record = self._seen, self._record
        return Entry(
            id=id,
            feature=feature,
            sample=seen.sample,
            row=seen.row,
            source=seen.source,
            window=window,
            activation=activation,
            share=share,
            crop=b"",
            map=map_,
            vector=vector,
            predicted=record.predicted,
            method=method,
            layer=layer,
            threshold=threshold,
            time=seen.time,
            model_sha256=record.model_sha256,
            config_sha256=record.config_sha256,
            label=seen.label,
            metadata=seen.metadata,
            band=band,
        )
