"""The audited model on its own samples, as deployed: what it answers when a sample is changed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax as _softmax
from torch import Tensor

from foveal.archives import AuditedModel
from foveal.capture.layers import find_layer
from foveal.records import Window
from foveal.samples import read_image
from foveal.samples.images import Pixels
from foveal_audit.holding import held, share_of
from foveal_audit.units.unit import Unit
from foveal_audit.windows import Samples

#: Few at a time: what a network needs in between stays near the processor, which takes two thirds as long.
_BATCH = 16
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
        self._spreads: dict[tuple[int, ...], NDArray[np.float64]] = {}
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

    def logits(self, samples: Sequence[Pixels]) -> NDArray[np.float64]:
        """Ask the model for its outputs about their mean, float64 (n, classes).

        What all classes gain alike decides nothing. A single output is the odds of class 1.
        """
        with torch.no_grad():
            return _centred([self._module(batch) for _, batch in self.inputs(samples)])

    def logits_held(
        self, changed: Sequence[Pixels], clean: Sequence[Pixels], windows: Sequence[Window], unit: Unit
    ) -> NDArray[np.float64]:
        """Ask about changed samples while the unit keeps the value it has in the clean ones."""
        layer = find_layer(self._module, unit.layer)
        shares = [share_of(window, pixels.shape, unit) for window, pixels in zip(windows, clean, strict=True)]
        answers = []
        with torch.no_grad():
            for (rows, after), (_, before) in zip(self.inputs(changed), self.inputs(clean), strict=True):
                with held(self._module, layer, before, shares[rows], unit):
                    answers.append(self._module(after))
        return _centred(answers)

    def probabilities(self, samples: Sequence[Pixels]) -> NDArray[np.float64]:
        """Ask the model: softmax over its outputs, float64 (n, classes)."""
        return np.asarray(_softmax(self.logits(samples), axis=1))

    def spread(self, samples: Sequence[int]) -> NDArray[np.float64]:
        """Give the standard deviation of every class's centred logit over clean samples, (classes,).

        It is the scale of effects that a network too sure of itself does not show as probabilities; asked
        once for equal samples.
        """
        rows = tuple(int(sample) for sample in samples)
        if rows not in self._spreads:
            self._spreads[rows] = self.logits([self.pixels(row) for row in rows]).std(axis=0)
        return self._spreads[rows]


def _centred(outputs: list[Tensor]) -> NDArray[np.float64]:
    logits = torch.cat(outputs).double()
    if logits.shape[1] == 1:  # one output: the odds of class 1
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
    return np.asarray((logits - logits.mean(dim=1, keepdim=True)).numpy())
