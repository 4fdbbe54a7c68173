"""What is noted of a row that a foreign handler predicted: its image as it was sent, and whence it came."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timezone
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from foveal.config import FovealConfig
from foveal.errors import EnvironmentFault, UsageError
from foveal.observer import Seen
from foveal.samples.arrays import encode_array
from foveal.samples.geometry import FrameFinder, image_size
from foveal.samples.keeping import kept_picture, kept_values
from foveal.samples.kinds import get_kind
from foveal.samples.values import Values
from foveal_handlers.requests import Origin, kept_metadata, sample_bytes, sent_texts
from foveal_handlers.wrapped.scope import Scope

Frame = tuple[int, int, int, int]
#: Its bytes, its shape, and the part of it that the network saw; None for all of it.
_Sample: TypeAlias = tuple[bytes, tuple[int, ...], Frame | None]
#: Axes of what a network of pictures is given, the channels among them.
_PICTURE = 3
#: Channels that a picture is drawn in; others are kept as numbers.
_DRAWN = (1, 3, 4)


def seen_row(
    scope: Scope, row: int, origin: Origin, x: Tensor, config: FovealConfig, frames: FrameFinder
) -> Seen:
    """Say what is known of a row.

    Parameters
    ----------
    row, origin
        The row in its batch, and the request that it belongs to.
    x
        What the network was given for it (C, h, w).
    config
        Says which headers, and texts beside the image, may be kept.
    frames
        Tells which part of an image the network saw. Where it cannot, as for numbers in JSON, what the
        network was given is the sample, unless it has the shape of what the file holds.

    Raises
    ------
    UsageError
        If what the network was given is no image.
    """
    request_id = scope.request_ids[origin.request]
    sent = _sent(scope.rows[row])
    found = frames.find(sent, x) if sent else None
    bare = b"" if found is None else _bare(sent, request_id, config)
    whole = _decoded(sent, request_id, x, config) if found is None else None
    encoded, size, frame = (bare, *found) if found is not None and bare else whole or _drawn(x)
    return Seen(
        sample=request_id,
        row=origin.row,
        values=None,
        source="production",
        time=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        key=request_id,
        metadata=kept_metadata(scope.headers(origin.request), config.keep, sent_texts(scope.rows[row])),
        sha256=hashlib.sha256(sent or encoded).hexdigest(),
        encoded=encoded,
        size=size,
        frame=frame,
    )


def _sent(content: object) -> bytes:
    """Give a row's bytes as they were sent; none where it holds something else."""
    try:
        return sample_bytes(content)
    except UsageError:
        return b""


def _bare(sent: bytes, request_id: str, config: FovealConfig) -> bytes:
    """Give what may be kept of an image's bytes; none where it is damaged, though its own handler read it."""
    try:
        return kept_picture(sent, request_id, hide_text=config.keep.hides_text)
    except UsageError:
        return b""


def _decoded(sent: bytes, request_id: str, x: Tensor, config: FovealConfig) -> _Sample | None:
    """Give what an array, DICOM or wide TIFF holds where the network was given all of it; else None.

    It is told by the shape: a picture of such a file has more channels or bits than what is drawn keeps.
    """
    if not sent or x.ndim != _PICTURE or image_size(sent) is not None:
        return None
    try:
        values = get_kind("image").decode(sent, request_id).values
    except (UsageError, EnvironmentFault):
        return None
    if (values.shape[-1], *values.shape[:-1]) != tuple(x.shape):
        return None
    return encode_array(kept_values(values, hide_text=config.keep.hides_text)), values.shape, None


def _drawn(x: Tensor) -> _Sample:
    """Draw what the network was given (C, *S): pictures as pictures, traces and volumes as they are."""
    values = x.detach().float().cpu().numpy()
    if values.ndim - 1 not in _DRAWINGS or not values.size or not np.isfinite(values).all():
        raise UsageError(
            f"The network's input of shape {tuple(x.shape)} is no sample",
            "Only images, traces and volumes are observed so far",
        )
    drawn = _DRAWINGS[values.ndim - 1](values)
    return encode_array(drawn), drawn.shape, None


def _picture(values: NDArray[np.float32]) -> Values:
    """Draw a picture from its lowest value to its highest, or from 0 to 1; other channels stay as given."""
    if len(values) not in _DRAWN:
        return _as_given(values)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        values = (values - low) / max(high - low, 1e-12)
    pixels: Values = np.rint(values * 255).astype(np.uint8).transpose(1, 2, 0)
    return pixels


def _as_given(values: NDArray[np.float32]) -> Values:
    return np.moveaxis(values, 0, -1)


_DRAWINGS: dict[int, Callable[[NDArray[np.float32]], Values]] = {1: _as_given, 2: _picture, 3: _as_given}
