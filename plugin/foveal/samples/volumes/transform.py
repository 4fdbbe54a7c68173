"""A volume's values to the tensor that a network takes, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool3d, interpolate

from foveal.errors import UsageError
from foveal.records import Window
from foveal.samples.kinds import Band
from foveal.samples.normalising import check_normalisation
from foveal.samples.stated import check_keys, numbers, sizes, whole
from foveal.samples.values import Values
from foveal.samples.windowing import Window as Levels
from foveal.samples.windowing import read_window, to_unit


@dataclass(frozen=True)
class VolumeTransform:
    """Window the values, fit the channels, resize, normalise.

    Attributes
    ----------
    size
        Depth, height and width that the network takes; None leaves volumes as large as they are.
    channels
        Channels that the network takes; None leaves them as they are.
    window
        Which values become 0 and 1, see :mod:`foveal.samples.windowing`.
    mean, std
        One value per channel, or one for all.
    """

    size: tuple[int, int, int] | None = None
    channels: int | None = None
    window: Levels = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        check_normalisation(self.mean, self.std, self.channels)

    @property
    def kind(self) -> str:
        """Name of the kind of samples."""
        return "volume"

    def __call__(self, values: Values, name: str = "", spacing: tuple[float, ...] = ()) -> Tensor:  # noqa: ARG002
        """Turn a volume (z, y, x, C) into a float32 tensor (C, d, h, w).

        An axis that shrinks is averaged over the voxels below each new one, an axis that grows interpolated
        linearly between voxels.

        Raises
        ------
        UsageError
            If the channels do not fit; names `name` and both counts.
        """
        self._check_channels(values, name)
        tensor = torch.from_numpy(to_unit(values, self.window)).permute(3, 0, 1, 2)
        if self.channels == 3 and len(tensor) == 1:
            tensor = tensor.repeat(3, 1, 1, 1)
        resized = _resized(tensor.contiguous(), self.size)
        return (resized - self._per_channel(self.mean)) / self._per_channel(self.std)

    def blank(self) -> Tensor | None:
        """Give a tensor (1, C, d, h, w) of zeros, where the size is fixed."""
        if self.size is None:
            return None
        return torch.zeros(1, self.channels or max(len(self.mean), len(self.std)), *self.size)

    def inverse(self, tensor: Tensor) -> NDArray[np.float32]:
        """Undo the normalisation: tensor (C, d, h, w) to shares of the window (d, h, w, C) in [0, 1]."""
        values = tensor.detach() * self._per_channel(self.std) + self._per_channel(self.mean)
        clipped: NDArray[np.float32] = values.clamp(0, 1).permute(1, 2, 3, 0).contiguous().float().numpy()
        return clipped

    def on_sample(
        self,
        map: NDArray[Any],  # noqa: A002 - the design's word
        shape: tuple[int, ...] = (),  # noqa: ARG002 - resizing takes the whole sample, whatever its shape
        spacing: tuple[float, ...] = (),  # noqa: ARG002
    ) -> NDArray[Any]:
        """Give the map (..., d, h, w): its axes are the sample's already."""
        return map

    def frame(self, shape: tuple[int, ...], spacing: tuple[float, ...] = ()) -> Window:  # noqa: ARG002
        """Give the whole sample (z, y, x, C)."""
        return (0, 0, 0, *shape[:3])

    def spacing(self, stated: tuple[float, ...]) -> tuple[float, ...]:
        """Give what the file states, millimetres: windows count in its own voxels."""
        return stated

    def band(
        self,
        map: NDArray[Any],  # noqa: A002, ARG002 - the design's word; there are no frequencies
        window: Window,  # noqa: ARG002
        shape: tuple[int, ...],  # noqa: ARG002
        spacing: tuple[float, ...] = (),  # noqa: ARG002
    ) -> Band | None:
        """Give none: volumes have no frequencies."""
        return None

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> VolumeTransform:
        """Read the ``preprocess`` section of a ``model-config.yaml``.

        Raises
        ------
        UsageError
            For an unknown key (the nearest is named) or a value that does not fit.
        """
        check_keys(mapping, [field.name for field in fields(cls)])
        size, channels = mapping.get("size"), mapping.get("channels")
        return cls(
            size=None if size is None else _size(size),
            channels=None if channels is None else whole(channels, "channels"),
            window=read_window(mapping.get("window")),
            mean=numbers(mapping.get("mean", [0.0]), "mean"),
            std=numbers(mapping.get("std", [1.0]), "std"),
        )

    def to_mapping(self) -> dict[str, Any]:
        """Write the ``preprocess`` section; :func:`foveal.samples.kinds.read_transform` reads it back."""
        stated = asdict(self).items()
        return {"kind": self.kind} | {
            key: list(value) if isinstance(value, tuple) else value for key, value in stated
        }

    def _check_channels(self, values: Values, name: str) -> None:
        have, want = values.shape[-1], self.channels
        if want not in (None, have) and (have, want) != (1, 3):
            raise UsageError(
                f"Sample {name!r} has {have} channels, the model takes {want}",
                "Convert the sample, or pass the model's own --channels to `foveal pack`",
            )

    def _per_channel(self, values: tuple[float, ...]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).reshape(-1, 1, 1, 1)


def _size(value: object) -> tuple[int, int, int]:
    depth, height, width = sizes(value, "size", ("depth", "height", "width"))
    return depth, height, width


def _resized(tensor: Tensor, size: tuple[int, int, int] | None) -> Tensor:
    """Resize (C, d, h, w): average axes that shrink, then interpolate axes that grow."""
    if size is None or tuple(tensor.shape[1:]) == size:
        return tensor
    depth, height, width = (min(have, want) for have, want in zip(tensor.shape[1:], size, strict=True))
    averaged = adaptive_avg_pool3d(tensor[None], (depth, height, width))
    if (depth, height, width) == size:
        return averaged[0]
    return interpolate(averaged, size, mode="trilinear", align_corners=False)[0]
