"""What is noted of a row that a foreign handler predicted: its image as it was sent, and whence it came."""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone

import numpy as np
from torch import Tensor

from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.observer import Seen
from foveal.samples.arrays import encode_array
from foveal.samples.geometry import FrameFinder
from foveal.samples.images import Pixels
from foveal_handlers.requests import Origin, image_bytes, kept_metadata, sent_texts
from foveal_handlers.wrapped.scope import Scope

Frame = tuple[int, int, int, int]


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
        network was given is the sample.

    Raises
    ------
    UsageError
        If what the network was given is no image.
    """
    request_id = scope.request_ids[origin.request]
    sent = _sent(scope.rows[row])
    found = frames.find(sent, x) if sent else None
    encoded, size, frame = _drawn(x) if found is None else (sent, *found)
    return Seen(
        sample=request_id,
        row=origin.row,
        pixels=None,
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
        return image_bytes(content)
    except UsageError:
        return b""


def _drawn(x: Tensor) -> tuple[bytes, tuple[int, int, int], Frame | None]:
    """Draw what the network was given (C, h, w), from its lowest value to its highest, or from 0 to 1."""
    values = x.detach().float().cpu().numpy()
    if values.ndim != 3 or not values.size or not np.isfinite(values).all():
        raise UsageError(
            f"The network's input of shape {tuple(x.shape)} is no image", "Only images are observed so far"
        )
    values = values if len(values) in (1, 3, 4) else values.mean(axis=0, keepdims=True)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        values = (values - low) / max(high - low, 1e-12)
    pixels: Pixels = np.rint(values * 255).astype(np.uint8).transpose(1, 2, 0)
    return encode_array(pixels), (pixels.shape[0], pixels.shape[1], pixels.shape[2]), None
