"""Pixels to the tensor that a network takes, and back: the preprocessing an archive states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from foveal.errors import UsageError, nearest
from foveal.records import Window
from foveal.samples.formats import names_of, suffixes_of
from foveal.samples.images import Pixels
from foveal.samples.kinds import Band, Kind
from foveal.samples.normalising import check_normalisation
from foveal.samples.pictures import FORMATS, as_sent, decode_picture
from foveal.samples.tile_files import cut, read_picture
from foveal.samples.windowing import Window as Levels
from foveal.samples.windowing import read_window, to_unit

#: Pillow's (ITU-R 601) weights of red, green and blue in grey.
_LUMA = np.array([19595, 38470, 7471], dtype=np.float64) / 65536


@dataclass(frozen=True)
class ImageTransform:
    """Scale to [0, 1], fit the channels, resize, normalise.

    Attributes
    ----------
    size
        Height and width that the network takes; None leaves images as large as they are.
    channels
        Channels that the network takes; None leaves them as they are.
    mean, std
        One value per channel, or one for all.
    window
        Which values become 0 and 1, see :mod:`foveal.samples.windowing`; None for the whole range of their
        type.
    """

    size: tuple[int, int] | None = None
    channels: int | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    window: Levels = None

    def __post_init__(self) -> None:
        check_normalisation(self.mean, self.std, self.channels)

    @property
    def kind(self) -> str:
        """Name of the kind of samples."""
        return "image"

    def __call__(self, pixels: Pixels, name: str = "", spacing: tuple[float, ...] = ()) -> Tensor:  # noqa: ARG002
        """Turn pixels (H, W, C) into a float32 tensor (C, h, w).

        Values are scaled by the window, or their type's maximum. Resizing is bilinear with antialiasing, as
        Pillow does it, and does not keep the aspect.

        Raises
        ------
        UsageError
            If the channels do not fit; names `name` and both counts.
        """
        fitted = self._fit_channels(pixels, name)
        values = torch.from_numpy(to_unit(fitted, self.window))
        tensor = values.permute(2, 0, 1).contiguous()
        if self.size is not None and tensor.shape[1:] != self.size:
            tensor = interpolate(
                tensor[None], self.size, mode="bilinear", align_corners=False, antialias=True
            )[0]
        return (tensor - self._per_channel(self.mean)) / self._per_channel(self.std)

    def inverse(self, tensor: Tensor) -> NDArray[np.float32]:
        """Undo the normalisation: tensor (C, h, w) to values (h, w, C) clipped to [0, 1]."""
        values = tensor.detach() * self._per_channel(self.std) + self._per_channel(self.mean)
        clipped: NDArray[np.float32] = values.clamp(0, 1).permute(1, 2, 0).contiguous().float().numpy()
        return clipped

    def blank(self) -> Tensor | None:
        """Give a tensor (1, C, h, w) of zeros, where the size is fixed."""
        if self.size is None:
            return None
        named = max(len(self.mean), len(self.std))
        channels = self.channels or (named if named > 1 else 3)
        return torch.zeros(1, channels, *self.size)

    def on_sample(
        self,
        map: NDArray[Any],  # noqa: A002 - the design's word
        shape: tuple[int, ...] = (),  # noqa: ARG002 - resizing takes the whole sample, whatever its shape
        spacing: tuple[float, ...] = (),  # noqa: ARG002
    ) -> NDArray[Any]:
        """Give the map (..., h, w): its axes are the sample's already."""
        return map

    def frame(self, shape: tuple[int, ...], spacing: tuple[float, ...] = ()) -> Window:  # noqa: ARG002
        """Give the whole sample (H, W, C)."""
        return (0, 0, *shape[:2])

    def spacing(self, stated: tuple[float, ...]) -> tuple[float, ...]:  # noqa: ARG002
        """Give none: pictures are told in pixels."""
        return ()

    def band(
        self,
        map: NDArray[Any],  # noqa: A002, ARG002 - the design's word; there are no frequencies
        window: Window,  # noqa: ARG002
        shape: tuple[int, ...],  # noqa: ARG002
        spacing: tuple[float, ...] = (),  # noqa: ARG002
    ) -> Band | None:
        """Give none: images have no frequencies."""
        return None

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ImageTransform:
        """Read the ``preprocess`` section of a ``model-config.yaml``.

        Raises
        ------
        UsageError
            For an unknown key (the nearest is named) or a value that does not fit.
        """
        known = [field.name for field in fields(cls)]
        for key in mapping:
            if key not in known:
                raise UsageError(f"Unknown key 'preprocess.{key}'", nearest(str(key), known))
        size, channels = mapping.get("size"), mapping.get("channels")
        return cls(
            size=None if size is None else _size(size),
            channels=None if channels is None else _whole(channels, "channels"),
            mean=_numbers(mapping.get("mean", [0.0]), "mean"),
            std=_numbers(mapping.get("std", [1.0]), "std"),
            window=read_window(mapping.get("window")),
        )

    def to_mapping(self) -> dict[str, Any]:
        """Write the ``preprocess`` section; :meth:`from_mapping` reads it back."""
        stated = {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }
        if self.window is None:  # as sections were written before there was one, so that archives stay equal
            del stated["window"]
        return stated

    def _per_channel(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1)

    def _fit_channels(self, pixels: Pixels, name: str) -> Pixels:
        have, want = pixels.shape[2], self.channels
        if want is None or have == want:
            return pixels
        if have == 4 and want in (1, 3) and _is_opaque(pixels):
            return self._fit_channels(pixels[..., :3], name)
        if (have, want) == (1, 3):
            return cast("Pixels", np.repeat(pixels, 3, axis=2))
        if (have, want) == (3, 1):
            return _grey(pixels)
        raise UsageError(
            f"Sample {name!r} has {have} channels, the model takes {want}",
            "Convert the sample, or pass the model's own --channels to `foveal pack`",
        )


def _is_opaque(pixels: Pixels) -> bool:
    return pixels.dtype.kind == "u" and bool((pixels[..., 3] == np.iinfo(pixels.dtype).max).all())


def _grey(pixels: Pixels) -> Pixels:
    """Make grey of colour, for 8 bits bit for bit as Pillow does it."""
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).convert("L"), dtype=np.uint8)[
            ..., None
        ]
    weighed = pixels @ _LUMA
    grey = (weighed if pixels.dtype.kind == "f" else np.rint(weighed)).astype(pixels.dtype)
    return cast("Pixels", grey[..., None])


def _whole(value: object, key: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise UsageError(f"preprocess.{key} is {value!r}", "Give a whole number above 0")


def _size(value: object) -> tuple[int, int]:
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        return _whole(value[0], "size"), _whole(value[1], "size")
    raise UsageError(f"preprocess.size is {value!r}", "Give [height, width] or null")


def _numbers(value: object, key: str) -> tuple[float, ...]:
    items: Sequence[Any] = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if items and all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in items):
        return tuple(float(item) for item in items)
    raise UsageError(f"preprocess.{key} is {value!r}", "Give a list of numbers, one per channel")


#: Images: photographs, slices, radiographs.
KIND = Kind(
    name="image",
    axes=("y", "x"),
    suffixes=suffixes_of(FORMATS),
    formats=names_of(FORMATS),
    decode=decode_picture,
    transform=ImageTransform.from_mapping,
    example="foveal explain model_store/nodules.mar image.png -o explained",
    read=read_picture,
    spooled=as_sent,
    tiles=cut,
)
