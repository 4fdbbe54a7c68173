"""The audited model on its own samples, as deployed: what it answers when a sample is changed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foveal.archives import AuditedModel
from foveal.capture.layers import find_layer
from foveal.records import Window
from foveal.samples import read_image
from foveal.samples.images import Pixels
from foveal_audit.units.unit import Unit
from foveal_audit.windows import Samples

_BATCH = 64
#: Decoded samples that are kept: so many, and together so many bytes at most.
_KEPT_IN_MEMORY, _KEPT_BYTES = 4096, 1 << 28


def is_unchanged(origin: str | None, sha256: str) -> bool:
    """Tell whether a sample's file is still the one that was collected."""
    if origin is None or not Path(origin).is_file():
        return False
    return hashlib.sha256(Path(origin).read_bytes()).hexdigest() == sha256


def find_readable(samples: Samples) -> NDArray[np.bool_]:
    """Mark the samples whose file is there and unchanged."""
    pairs = zip(samples.origins, samples.sha256, strict=True)
    return np.array([is_unchanged(*pair) for pair in pairs], dtype=bool)


def _number_kept(samples: Samples) -> int:
    largest = max((int(np.prod(shape)) for shape in samples.shapes), default=1)
    return int(np.clip(_KEPT_BYTES // max(largest, 1), 1, _KEPT_IN_MEMORY))


class ModelBench:
    """Ask the audited model about its samples and about changed ones.

    Parameters
    ----------
    model
        As deployed: its network and its preprocessing.
    samples
        The library's samples; those whose file is there and unchanged are :attr:`readable`.
    readable
        The same, where :func:`find_readable` was asked before: it reads every file.
    """

    def __init__(
        self, model: AuditedModel, samples: Samples, readable: NDArray[np.bool_] | None = None
    ) -> None:
        self._module, self._transform, self._samples = model.module, model.transform, samples
        self.readable = find_readable(samples) if readable is None else readable
        self._read = lru_cache(maxsize=_number_kept(samples))(self._decode)

    def _decode(self, sample: int) -> Pixels:
        return read_image(Path(str(self._samples.origins[sample])))

    def pixels(self, sample: int) -> Pixels:
        """Read one sample (H, W, C) by its position."""
        return self._read(int(sample))

    def inputs(self, samples: Sequence[Pixels]) -> Iterator[tuple[slice, Tensor]]:
        """Preprocess samples into batches (b, C, h, w) of one size, each with the rows that it holds."""
        tensors = [self._transform(pixels) for pixels in samples]
        start = 0
        for stop in range(1, len(tensors) + 1):
            full = stop - start == _BATCH or stop == len(tensors)
            if full or tensors[stop].shape != tensors[start].shape:
                yield slice(start, stop), torch.stack(tensors[start:stop])
                start = stop

    def probabilities(self, samples: Sequence[Pixels]) -> NDArray[np.float64]:
        """Ask the model: softmax over its outputs, float64 (n, classes)."""
        with torch.no_grad():
            return _softmax([self._module(batch) for _, batch in self.inputs(samples)])

    def probabilities_held(
        self, changed: Sequence[Pixels], clean: Sequence[Pixels], windows: Sequence[Window], unit: Unit
    ) -> NDArray[np.float64]:
        """Ask about changed samples while the unit keeps the value it has in the clean ones."""
        layer = find_layer(self._module, unit.layer)
        masks = [_mask(window, pixels.shape, unit) for window, pixels in zip(windows, clean, strict=True)]
        answers = []
        with torch.no_grad():
            for (rows, after), (_, before) in zip(self.inputs(changed), self.inputs(clean), strict=True):
                kept = _output_of(self._module, layer, before)
                with _replaced(layer, _holder(kept, masks[rows], unit)):
                    answers.append(self._module(after))
        return _softmax(answers)


#: Where a unit is held, as shares of the grid: (y0, x0, y1, x1).
_Share = tuple[float, float, float, float]


def _mask(window: Window, shape: Sequence[int], unit: Unit) -> _Share:
    if not unit.local:
        return 0.0, 0.0, 1.0, 1.0
    y0, x0, y1, x1 = window
    return y0 / shape[0], x0 / shape[1], y1 / shape[0], x1 / shape[1]


def _holder(kept: Tensor, shares: Sequence[_Share], unit: Unit) -> Callable[[Tensor], Tensor]:
    """Make the function that puts the kept values of a unit back into a layer's output."""
    channels = list(unit.channels)

    def hold(output: Tensor) -> Tensor:
        held = output.clone()
        if held.ndim < 4:
            held[:, channels] = kept[:, channels]
            return held
        height, width = held.shape[2:4]
        for row, (top, left, bottom, right) in enumerate(shares):
            rows = slice(int(top * height), int(np.ceil(bottom * height)))
            columns = slice(int(left * width), int(np.ceil(right * width)))
            held[row, channels, rows, columns] = kept[row, channels, rows, columns]
        return held

    return hold


@contextmanager
def _replaced(layer: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let a layer give ``change(output)`` in place of its output."""
    handle = layer.register_forward_hook(lambda _module, _inputs, output: change(output))
    try:
        yield
    finally:
        handle.remove()


def _output_of(module: nn.Module, layer: nn.Module, batch: Tensor) -> Tensor:
    seen: list[Tensor] = []

    def keep(output: Tensor) -> Tensor:
        seen.append(output.detach().clone())
        return output

    with _replaced(layer, keep):
        module(batch)
    return seen[-1]


def _softmax(outputs: list[Tensor]) -> NDArray[np.float64]:
    logits = torch.cat(outputs).double()
    if logits.shape[1] == 1:  # one output: the odds of class 1
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
    return np.asarray(logits.softmax(dim=1).numpy())
