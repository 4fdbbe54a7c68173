"""Which part of an image a network saw, found by looking: a foreign handler's preprocessing is unknown.

Two habits cover nearly every handler: the whole image is resized, or its shorter side is, and the middle is
cut out. Which of them, and how much of the shorter side is left, is found once by comparing what the network
was given with what each would have given. Later images need but their size.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from foveal.errors import UsageError
from foveal.samples.images import FORMATS, Pixels, decode_image

Floats = NDArray[np.float64]

#: Side of the pictures that are compared.
_SIDE = 32
#: Correlation from which two pictures count as the same: resampling differs, contents do not.
_ALIKE = 0.98
#: Shares of the shorter side that are tried: what is usual (224 of 256, of 232, ..), and all between.
_SHARES = (1.0, *(224 / side for side in (232, 236, 248, 256)), *np.linspace(0.70, 0.995, 60).tolist())
#: Images looked at before we give up: the first may be blank, or all of one shape.
_MOST_LOOKS = 8


@dataclass(frozen=True)
class Geometry:
    """How images reach a network.

    Attributes
    ----------
    share
        Part of the shorter side that is left after the middle has been cut out; None where the whole image
        is resized, whatever its aspect.
    """

    share: float | None

    def frame(self, size: tuple[int, ...], grid: tuple[int, int]) -> tuple[int, int, int, int]:
        """Give the part of an image (H, W) that becomes the network's (h, w): y0, x0, y1, x1."""
        height, width = size[:2]
        if self.share is None:
            return 0, 0, height, width
        scale = min(height, width) * self.share / min(grid)
        tall, wide = (
            max(1, min(whole, round(side * scale))) for whole, side in zip(size, grid, strict=False)
        )
        top, left = (height - tall) // 2, (width - wide) // 2
        return top, left, top + tall, left + wide


class FrameFinder:
    """Finds the geometry of a handler from its first images, and then every image's frame."""

    def __init__(self) -> None:
        self.geometry: Geometry | None = None
        self._looks = 0

    def find(self, data: bytes, x: Tensor) -> tuple[tuple[int, int, int], tuple[int, int, int, int]] | None:
        """Say which part of an image the network saw.

        Parameters
        ----------
        data
            The image as it was sent.
        x
            What the network was given for it (C, h, w), normalised or not.

        Returns
        -------
        tuple or None
            Height, width and channels of the image, and the frame y0, x0, y1, x1; nothing where the bytes are
            no image, or the network's input does not look like it.
        """
        size = image_size(data)
        if size is None:
            return None
        if self.geometry is None and self._looks < _MOST_LOOKS:
            self._looks += 1
            self.geometry = _look(data, x)
        if self.geometry is None:
            return None
        return size, self.geometry.frame(size, (int(x.shape[1]), int(x.shape[2])))


def image_size(data: bytes) -> tuple[int, int, int] | None:
    """Read height, width and channels of an image from its header; nothing where it is none."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            return image.height, image.width, 3 if image.mode == "P" else len(image.getbands())
    except Exception:  # noqa: BLE001 - decoders fail in many ways on foreign bytes
        return None


def _look(data: bytes, x: Tensor) -> Geometry | None:
    """Compare what the network got with what each geometry would have given it."""
    try:
        pixels = _grey(decode_image(data, "request"))
    except UsageError:
        return None
    given = adaptive_avg_pool2d(x.detach().float().mean(0)[None, None], _SIDE)[0, 0].cpu().double().numpy()
    grid = (int(x.shape[1]), int(x.shape[2]))
    candidates = [Geometry(None), *(Geometry(share) for share in _SHARES)]
    scores = [_alike(given, _shrunk(pixels, one.frame(pixels.shape, grid))) for one in candidates]
    best = int(np.argmax(scores))
    return candidates[best] if scores[best] >= _ALIKE else None


def _grey(pixels: Pixels) -> NDArray[np.float32]:
    values: NDArray[np.float32] = pixels[..., :3].astype(np.float32).mean(axis=2)
    return values


def _shrunk(pixels: NDArray[np.float32], frame: tuple[int, int, int, int]) -> Floats:
    y0, x0, y1, x1 = frame
    picture = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.BOX, box=(x0, y0, x1, y1))
    return np.asarray(picture, np.float64)


def _alike(first: Floats, second: Floats) -> float:
    """Correlate two pictures; blank ones are like nothing."""
    if first.std() < 1e-6 or second.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])
