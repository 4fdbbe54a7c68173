"""What ``/explanations/MODEL`` answers: where the network looked and what it found, in a few kilobytes."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d

from foveal.capture import Forward, TopClass, class_probabilities, predicted_classes
from foveal.crops import extent_of, find_windows, shifted, window_size
from foveal.errors import UsageError, nearest
from foveal.features import CLASS, FeatureName
from foveal.observer import Observer
from foveal.samples.kinds import Band, get_kind

Form = Literal["png", "npy"]
FORMS: tuple[Form, ...] = ("png", "npy")
#: Chooses the form of the map.
FORM_HEADER = "X-Foveal-Map"

#: Features that are named, the most active first.
_FEATURES = 5
#: Maps with longer sides are averaged down to this, by their number of axes: larger ones explain nothing.
_LONGEST = {1: 1024, 2: 128, 3: 32}
_AVERAGED = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


@dataclass(frozen=True)
class Asked:
    """What is asked about one row.

    Attributes
    ----------
    size
        Sides of the sample as it was sent; its channels may follow.
    form
        How the map is to be written.
    spacing
        Size of one step per axis; empty where it is unknown.
    """

    size: tuple[int, ...]
    form: Form = "png"
    spacing: tuple[float, ...] = ()


def asked_form(headers: Mapping[str, object]) -> Form:
    """Read from a request's headers how the map is to be written; PNG where nothing is said.

    Raises
    ------
    UsageError
        For an unknown form; the nearest is named.
    """
    named = (value for name, value in headers.items() if name.lower() == FORM_HEADER.lower())
    wanted = str(next(named, FORMS[0])).strip().lower()
    known: dict[str, Form] = {form: form for form in FORMS}
    if wanted not in known:
        raise UsageError(f"Header {FORM_HEADER} is {wanted!r}", nearest(wanted, FORMS))
    return known[wanted]


def explain_rows(
    observer: Observer, x: Tensor, asked: Sequence[Asked], labels: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Explain the predicted class of every row of a batch.

    Parameters
    ----------
    observer
        Watches the network.
    x
        The batch (B, C, *grid).
    asked
        What is asked about each row.
    labels
        Names of the classes by their numbers, as in TorchServe's ``index_to_name.json``.

    Returns
    -------
    list of dict
        Per row ``class``, ``index``, ``score``; ``map`` (see :func:`written_map`) with ``layer`` and
        ``method``; ``boxes``, each a ``window`` (y0, x0, y1, x1 of an image, half-open, in the sample's own
        steps) and its ``score``, the share of the map's positive mass that lies in it, with the frequencies
        in ``hertz`` (lowest, highest) of its evidence where the network sees any; ``features`` with their
        ``activation``. Of traces and volumes ``spacing``, the size of one step per axis, and its ``unit``
        (``s``, ``mm``), where it is known.

    Raises
    ------
    UsageError
        If the batch does not fit the model, or its map holds numbers that are not finite.
    """
    forward = observer.forward(x)
    config = observer.config
    maps = forward.attribute([TopClass()], config.method)[:, 0].cpu().numpy()
    classes = predicted_classes(forward.output)
    scores = class_probabilities(forward.output.float()).gather(1, classes[:, None])[:, 0]
    return [
        {
            "class": str(index) if labels is None else labels.get(str(index), str(index)),
            "index": index,
            "score": score,
            "map": {"layer": observer.layer, "method": config.method, **written_map(map_, one.form)},
            "boxes": _boxes(map_, one, observer),
            **_measures(one, observer),
            "features": _strongest(forward, observer.features, row),
        }
        for row, (index, score, map_, one) in enumerate(
            zip(classes.tolist(), scores.tolist(), maps, asked, strict=True)
        )
    ]


def written_map(map_: NDArray[np.float32], form: Form) -> dict[str, Any]:
    """Write a map as text.

    Returns
    -------
    dict
        ``form``, ``shape``, ``min``, ``max``, and ``data`` in base64. A PNG holds grey values from 0 to 255,
        which stand for ``min`` to ``max``, in one row where the map has one axis; an npy file holds the
        float32 values themselves, and those of maps with three axes whatever was asked for.
    """
    small, form = _small(map_), form if map_.ndim < 3 else "npy"
    low, high = float(small.min()), float(small.max())
    data = _WRITERS[form](small, low, high)
    return {
        "form": form,
        "shape": list(small.shape),
        "min": low,
        "max": high,
        "data": base64.b64encode(data).decode("ascii"),
    }


def _png(map_: NDArray[np.float32], low: float, high: float) -> bytes:
    """Write a map as a grey image."""
    span = high - low
    grey = np.zeros(map_.shape) if span <= 0 else (map_.astype(np.float64) - low) / span
    out = io.BytesIO()
    Image.fromarray(np.rint(np.atleast_2d(grey) * 255).astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


def _npy(map_: NDArray[np.float32], _low: float, _high: float) -> bytes:
    """Write a map as it is."""
    out = io.BytesIO()
    np.save(out, map_.astype(np.float32), allow_pickle=False)
    return out.getvalue()


_WRITERS = {"png": _png, "npy": _npy}


def _small(map_: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average a map down whose sides are too long."""
    sides = tuple(min(side, _LONGEST[map_.ndim]) for side in map_.shape)
    if sides == map_.shape:
        return map_
    averaged = _AVERAGED[map_.ndim](torch.from_numpy(map_)[None, None], sides)  # type: ignore[arg-type]
    small: NDArray[np.float32] = averaged[0, 0].numpy()
    return small


def _boxes(map_: NDArray[np.float32], asked: Asked, observer: Observer) -> list[dict[str, Any]]:
    """Find the windows that hold the most of a map: the same that a library's entries show."""
    laid, frame = observer.laid(map_, asked.size, asked.spacing)
    extent = extent_of(frame)
    side = window_size(observer.config.window, extent, laid.ndim)
    found = find_windows(laid, extent, side, observer.config.max_windows)
    places = [shifted(one.window, frame) for one in found]
    bands = [observer.band(map_, place, asked.size, asked.spacing) for place in places]
    return [
        {"window": list(place), "score": one.score, **({} if band is None else {"hertz": _hertz(band)})}
        for one, place, band in zip(found, places, bands, strict=True)
    ]


def _hertz(band: Band) -> list[float]:
    return [round(edge, 3) for edge in band]


def _measures(asked: Asked, observer: Observer) -> dict[str, Any]:
    """Say how large the steps are that windows count in; nothing where nobody knows."""
    if observer.transform is None:
        return {}
    kind = get_kind(observer.transform.kind)
    spacing = observer.spacing(asked.spacing, len(kind.axes))
    return {} if spacing is None else {"spacing": list(spacing), "unit": kind.unit}


def _strongest(forward: Forward, features: Sequence[FeatureName], row: int) -> list[dict[str, Any]]:
    """Name the watched features that are most active in a row."""
    values = {**{name: nodes[row].tolist() for name, nodes in forward.nodes.items()}}
    values[CLASS] = forward.output[row].tolist()
    active = [(str(one), float(values[one.layer][one.index or 0])) for one in features]
    active.sort(key=lambda one: -one[1])
    return [{"feature": name, "activation": value} for name, value in active[:_FEATURES]]
