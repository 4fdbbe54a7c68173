"""A trace's values to the tensor that a network takes, and back: waveform or spectrogram."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from foveal.errors import UsageError
from foveal.records import Window
from foveal.samples.kinds import Band
from foveal.samples.normalising import check_normalisation
from foveal.samples.stated import check_keys, numbers, sizes, whole
from foveal.samples.traces.resampling import check_rates, resample, resampled_length
from foveal.samples.traces.spectrogram import Spectrogram, read_spectrogram, strongest
from foveal.samples.values import FULL_SCALE, Values


@dataclass(frozen=True)
class TraceTransform:
    """Fit the channels, resample, cut or fill up, standardise, take the spectrogram, normalise.

    Attributes
    ----------
    rate
        Steps per second that the network takes; None leaves traces at their own rate. A sample that does not
        state its rate is taken to have this one.
    size
        Steps that the network takes, as the side of its one axis: longer traces lose their end, shorter ones
        get zeros there; None leaves them as long as they are.
    channels
        Channels that the network takes; None leaves them as they are.
    standardise
        Whether every channel of every sample is brought to mean 0 and standard deviation 1.
    spectrogram
        How a spectrogram is taken; None gives the waveform.
    mean, std
        Of what the network takes, waveform or spectrogram; one value per channel, or one for all. Whole
        numbers are scaled to [-1, 1) by their type before, floats stay in the sample's unit.
    """

    rate: float | None = None
    size: tuple[int] | None = None
    channels: int | None = None
    standardise: bool = False
    spectrogram: Spectrogram | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)

    _KIND: ClassVar[str] = "signal"

    def __post_init__(self) -> None:
        check_normalisation(self.mean, self.std, self.channels)
        if self.spectrogram and self.spectrogram.mels and self.rate is None:
            raise UsageError("preprocess.spectrogram.mels needs a rate", "Give preprocess.rate")

    @property
    def kind(self) -> str:
        """Name of the kind of samples."""
        return self._KIND

    def __call__(self, values: Values, name: str = "", spacing: tuple[float, ...] = ()) -> Tensor:
        """Turn a trace (T, C) into a float32 tensor (C, t), or (C, f, t) of a spectrogram.

        Parameters
        ----------
        values
            The trace.
        name
            What to call it in an error.
        spacing
            Seconds per step; empty where unknown.

        Raises
        ------
        UsageError
            If the channels do not fit, or the sample cannot be brought to the network's rate; names `name`
            and both counts or rates.
        """
        fitted = self._fit_channels(values, name)
        shares = fitted.astype(np.float32) / np.float32(FULL_SCALE[values.dtype])
        trace = torch.from_numpy(np.ascontiguousarray(shares.T))
        if self.rate is not None and spacing:
            stated = 1 / spacing[0] if spacing[0] else math.inf
            check_rates(trace.shape, stated, self.rate, name)
            trace = resample(trace, stated, self.rate)
        if self.standardise:
            trace = _standardised(trace)
        if self.size is not None:
            (length,) = self.size
            trace = pad(trace[:, :length], (0, max(0, length - trace.shape[1])))
        taken = trace if self.spectrogram is None else self.spectrogram(trace, self.rate)
        return (taken - self._per_channel(self.mean, taken)) / self._per_channel(self.std, taken)

    def blank(self) -> Tensor | None:
        """Give a tensor (1, C, *grid) of zeros, where the size is fixed."""
        if self.size is None:
            return None
        channels = self.channels or max(len(self.mean), len(self.std))
        if self.spectrogram is None:
            return torch.zeros(1, channels, *self.size)
        return torch.zeros(1, channels, self.spectrogram.bands, self.spectrogram.frames(*self.size))

    def inverse(self, tensor: Tensor) -> NDArray[np.float32]:
        """Undo the normalisation: tensor (C, *grid) to values (*grid, C), of a spectrogram its bands."""
        whole_ = tensor.detach()
        values = whole_ * self._per_channel(self.std, whole_) + self._per_channel(self.mean, whole_)
        array: NDArray[np.float32] = values.movedim(0, -1).contiguous().float().numpy()
        return array

    def on_sample(
        self,
        map: NDArray[Any],  # noqa: A002 - the design's word
        shape: tuple[int, ...] = (),
        spacing: tuple[float, ...] = (),
    ) -> NDArray[Any]:
        """Give a map (..., t): frequencies added up, and what lies on filled-up time cut off.

        A trace of half the network's length keeps the first half of the cells; of cells that the end cuts,
        those whose middle it reaches are kept.
        """
        over_time = map if self.spectrogram is None else map.sum(axis=-2)
        if self.size is None or not shape:
            return over_time
        cells = over_time.shape[-1]
        kept = round(cells * min(1.0, self._steps(shape, spacing) / self.size[0]))
        return over_time[..., : max(1, kept)]

    def frame(self, shape: tuple[int, ...], spacing: tuple[float, ...] = ()) -> Window:
        """Give the part of a trace (T, C) that the network sees."""
        steps = self._steps(shape, spacing)
        if self.size is None or steps <= self.size[0]:
            return (0, shape[0])
        return (0, max(1, math.ceil(shape[0] * self.size[0] / steps)))

    def spacing(self, stated: tuple[float, ...]) -> tuple[float, ...]:
        """Give the seconds per step: a trace that states none is taken to have the network's rate."""
        return stated or (() if self.rate is None else (1 / self.rate,))

    def band(
        self,
        map: NDArray[Any],  # noqa: A002 - the design's word
        window: Window,
        shape: tuple[int, ...],
        spacing: tuple[float, ...] = (),
    ) -> Band | None:
        """Say at which frequencies the evidence of a map (f, t) in a window of time lies.

        Around the strongest one, as far as there is half of its evidence, both above what all have.
        """
        rate = self.rate or (1 / spacing[0] if spacing else None)
        if self.spectrogram is None or rate is None:
            return None
        (start, end), cells = self.frame(shape, spacing), self.on_sample(map, shape, spacing).shape[-1]
        first, last = ((side - start) * cells / (end - start) for side in window)
        rows = strongest(map[:, int(first) : max(math.ceil(last), int(first) + 1)].sum(axis=1))
        if rows is None:
            return None
        low, high = (self.spectrogram.hertz(row * self.spectrogram.bands / len(map), rate) for row in rows)
        return low, high

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> TraceTransform:
        """Read the ``preprocess`` section, less its ``kind``.

        Raises
        ------
        UsageError
            For an unknown key (the nearest is named) or a value that does not fit.
        """
        check_keys(mapping, [field.name for field in fields(cls)])
        size, channels, rate = (mapping.get(key) for key in ("size", "channels", "rate"))
        return cls(
            rate=None if rate is None else _rate(rate),
            size=None if size is None else _size(size),
            channels=None if channels is None else whole(channels, "channels"),
            standardise=_truth(mapping.get("standardise", False), "standardise"),
            spectrogram=read_spectrogram(mapping.get("spectrogram")),
            mean=numbers(mapping.get("mean", [0.0]), "mean"),
            std=numbers(mapping.get("std", [1.0]), "std"),
        )

    def to_mapping(self) -> dict[str, Any]:
        """Write the ``preprocess`` section."""
        return {
            "kind": self.kind,
            "rate": self.rate,
            "size": list(self.size) if self.size else None,
            "channels": self.channels,
            "standardise": self.standardise,
            "spectrogram": self.spectrogram.to_mapping() if self.spectrogram else None,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    def _steps(self, shape: tuple[int, ...], spacing: tuple[float, ...]) -> int:
        """Count a trace's steps at the network's rate."""
        if self.rate is None or not spacing:
            return shape[0]
        return resampled_length(shape[0], 1 / spacing[0], self.rate)

    def _per_channel(self, values: tuple[float, ...], like: Tensor) -> Tensor:
        return torch.tensor(values, dtype=torch.float32).reshape(-1, *[1] * (like.ndim - 1))

    def _fit_channels(self, values: Values, name: str) -> Values:
        if self.channels is None or values.shape[1] == self.channels:
            return values
        raise UsageError(
            f"Sample {name!r} has {values.shape[1]} channels, the model takes {self.channels}",
            "Send the channels that it was trained on, or pass its own --channels to `foveal pack`",
        )


@dataclass(frozen=True)
class AudioTransform(TraceTransform):
    """The same for sounds: where the network takes one channel, several are mixed."""

    _KIND: ClassVar[str] = "audio"

    def _fit_channels(self, values: Values, name: str) -> Values:
        if self.channels == 1 and values.shape[1] > 1:
            mixed: Values = values.mean(axis=1, keepdims=True, dtype=np.float64)
            return mixed
        return super()._fit_channels(values, name)


def _standardised(trace: Tensor) -> Tensor:
    """Bring every channel to mean 0 and standard deviation 1; a constant one to 0."""
    centred = trace - trace.mean(1, keepdim=True)
    spread = centred.square().mean(1, keepdim=True).sqrt()
    return torch.where(spread > 0, centred / spread.clamp(min=torch.finfo(spread.dtype).tiny), 0.0)


def _rate(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf:
        return float(value)
    raise UsageError(f"preprocess.rate is {value!r}", "Give steps per second, above 0")


def _size(value: object) -> tuple[int]:
    (steps,) = sizes(value if isinstance(value, list | tuple) else [value], "size", ["steps"])
    return (steps,)


def _truth(value: object, key: str) -> bool:
    if isinstance(value, bool):
        return value
    raise UsageError(f"preprocess.{key} is {value!r}", "Give true or false")
