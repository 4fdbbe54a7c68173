"""What is written down about a sample: the records that travel from the worker to the library.

Standard library and numpy only: the serving worker imports this.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foveal.sources import SOURCES, Source

__all__ = ["SOURCES", "Entry", "Negative", "Observation", "SampleRecord", "Source", "Window", "entry_id"]

#: Half-open box in the original sample's coordinates: y0, x0, y1, x1 (t0, t1 for 1-D; z first for 3-D).
Window = tuple[int, ...]


@dataclass(frozen=True)
class SampleRecord:
    """One observed sample: the event, without any of its pixels.

    Attributes
    ----------
    sample
        The path as the data set gave it, or the request id.
    row
        Row inside the request, 0 where a request holds one sample.
    scores
        The model's raw outputs (logits), one per class.
    activations
        Per node layer the value of every node (conv channels reduced by their spatial mean).
    origin
        Absolute path of the file, where the sample came from one.
    shape
        Sides of the original sample, then its number of channels (height, width, channels of an image).
    spacing
        Size of one step per axis of the original, in seconds (traces) or millimetres (volumes); None where it
        is unknown, and of pictures.
    """

    sample: str
    row: int
    source: Source
    time: str
    predicted: int
    scores: tuple[float, ...]
    activations: dict[str, tuple[float, ...]]
    model_sha256: str
    config_sha256: str
    sample_sha256: str
    shape: tuple[int, ...]
    label: str | None = None
    origin: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    spacing: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Entry:
    """One record of a feature library: a crop, the map's crop and where both come from (claim 5).

    Attributes
    ----------
    id
        Stable identity; see :func:`entry_id`.
    feature
        ``layer:index``, ``class:k`` or ``contribution`` (a window not yet given to a unit).
    window
        Box in the original sample's coordinates; ``()`` where it is still to be found.
    activation
        The value of the unit for the whole sample (for ``contribution``: positive evidence in the window).
    share
        Part of the map's positive mass that lies in the window, 0 to 1.
    crop
        The window cut from the original sample, as PNG or as a NumPy array (see
        :func:`foveal.samples.arrays.encode_crop`); empty where it is still to be cut.
    map
        Raw signed attribution on the layer's grid, cut to the window, float32, with the sample's axes.
    vector
        Per channel contribution summed over the window, float32 (C,); empty for other units.
    threshold
        The activation above which the rule counted the feature as present.
    band
        Lowest and highest frequency of the evidence in the window, in Hz; None where the network's maps have
        no frequencies, or none stands out.
    """

    id: str
    feature: str
    sample: str
    row: int
    source: Source
    window: Window
    activation: float
    share: float
    crop: bytes
    map: NDArray[np.float32]
    vector: NDArray[np.float32]
    predicted: int
    method: str
    layer: str
    threshold: float
    time: str
    model_sha256: str
    config_sha256: str
    label: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    band: tuple[float, float] | None = None


@dataclass(frozen=True)
class Negative:
    """What is still to be developed of an observation: cutting crops need not make a request wait.

    Attributes
    ----------
    encoded
        The sample as it was sent.
    key
        What makes its entries' identity; see :func:`entry_id`.
    frame
        The part of the sample that the network saw, a window of it.
    side
        Sides of the windows.
    most
        Windows per map at most.
    """

    encoded: bytes
    key: str
    frame: Window
    side: tuple[int, ...]
    most: int


@dataclass(frozen=True)
class Observation:
    """A sample's record together with its entries: the unit the spool acknowledges.

    Attributes
    ----------
    negative
        Where it is given, the entries are those of whole maps: their windows are still to be found and
        their crops to be cut (:func:`foveal.developing.develop`). The library never holds it.
    """

    sample: SampleRecord
    entries: tuple[Entry, ...] = ()
    negative: Negative | None = None


def entry_id(sample_key: str, row: int, feature: str, number: int, model_sha256: str) -> str:
    """Make the identity of an entry: the same sample, feature and model always give the same id.

    Parameters
    ----------
    sample_key
        The request id of a production request, or source, name and content hash of a file.
    row
        Row inside the request.
    feature
        The feature as written in :class:`Entry`.
    number
        Rank of the window inside its map, from 0.
    model_sha256
        Hash of the audited model.
    """
    text = "\0".join((sample_key, str(row), feature, str(number), model_sha256))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]
