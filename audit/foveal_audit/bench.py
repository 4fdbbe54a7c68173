"""The audited model on its own samples, as deployed: what it answers when a sample is changed."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax as _softmax
from torch import Tensor

from foveal.archives import AuditedModel
from foveal.capture.layers import find_layer
from foveal.errors import UsageError
from foveal.records import Window
from foveal.samples.keeping import kept_values
from foveal.samples.kinds import read_any
from foveal.samples.values import Values, axes_of
from foveal_audit.holding import held, share_of
from foveal_audit.layouts import Arrangement
from foveal_audit.spans import Span, span_of
from foveal_audit.units.unit import Unit
from foveal_audit.windows import Samples

#: Few at a time: what a network needs in between stays near the processor, which takes two thirds as long.
_BATCH = 16
#: Decoded samples that are kept: so many, and together so many bytes at most.
_KEPT_IN_MEMORY, _KEPT_BYTES = 4096, 1 << 28
#: Bytes of a value, by the number of axes.
_BYTES: Mapping[int, int] = {1: 4, 2: 1, 3: 4}
#: Values of a sample that are looked at for what it spans, at most.
_LOOKED_AT = 1 << 20
#: Samples that tell which values there are, and which spacing is usual.
_SPANNED, _ASKED = 64, 9


class Spaced(np.ndarray):
    """Values (*S, C) that know the size of their steps; what is copied from them knows it too.

    Traces and volumes are brought to the network's rate: a changed copy as the sample that it was made of.
    """

    spacing: tuple[float, ...] = ()

    @classmethod
    def of(cls, values: Values, spacing: tuple[float, ...]) -> Values:
        """Give values their spacing; those without one stay what they are."""
        if not spacing:
            return values
        spaced = values.view(cls)
        spaced.spacing = spacing
        return spaced

    def __array_finalize__(self, parent: object) -> None:
        """Take over the spacing of what this is copied from or cut out of."""
        self.spacing = getattr(parent, "spacing", ())


def spacing_of(values: Values) -> tuple[float, ...]:
    """Say how large the steps of a sample are; empty where nobody knows."""
    return values.spacing if isinstance(values, Spaced) else ()


def reader_of(model: AuditedModel) -> Callable[[str], Values]:
    """Give what reads a sample's file as the model's kind does."""

    def read(origin: str) -> Values:
        found = model.kind.decode(model.kind.read(Path(origin)), origin)
        return Spaced.of(found.values, found.spacing)

    return read


def usual_spacing(
    read: Callable[[str], Values], samples: Samples, readable: NDArray[np.bool_]
) -> tuple[float, ...]:
    """Say which spacing most samples have: as the library recorded it, else as a few of their files do."""
    recorded = Counter(filter(None, map(samples.spacing, range(len(samples)))))
    if recorded:
        return recorded.most_common(1)[0][0]
    rows = np.flatnonzero(readable)
    some = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _ASKED)).astype(np.int64))
    found = Counter(spacing_of(read(str(samples.origins[rows[place]]))) for place in some)
    return found.most_common(1)[0][0] if found else ()


class Read(Protocol):
    """Gives samples by number."""

    def pixels(self, sample: int) -> Values:
        """Read one sample (*S, C)."""


def span_of_samples(bench: Read, rows: NDArray[np.int64]) -> Span:
    """Say which values count as 0 and 1 in samples: what some of them, evenly spaced, span."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _SPANNED)).astype(np.int64))
    return span_of([_thinned(bench.pixels(int(rows[place]))) for place in places])


def _thinned(values: Values) -> Values:
    """Leave values of a large sample out, evenly along every axis; a copy, so that the sample can go."""
    step = int(np.ceil((values.size / _LOOKED_AT) ** (1 / axes_of(values))))
    return values if step <= 1 else values[(slice(None, None, step),) * axes_of(values)].copy()


def is_unchanged(origin: str | None, sha256: str) -> bool:
    """Tell whether a sample's file is still the one that was collected."""
    if origin is None:
        return False
    with suppress(UsageError):
        return hashlib.sha256(read_any(Path(origin))).hexdigest() == sha256
    return False


def find_readable(samples: Samples) -> NDArray[np.bool_]:
    """Mark the samples whose file is there and unchanged."""
    pairs = zip(samples.origins, samples.sha256, strict=True)
    return np.array([is_unchanged(*pair) for pair in pairs], dtype=bool)


def _number_kept(samples: Samples) -> int:
    largest = _BYTES[samples.axes] * max((int(np.prod(shape)) for shape in samples.shapes), default=1)
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
        self._open = reader_of(model)
        self.readable = find_readable(samples) if readable is None else readable
        self._hides_text = model.config.keep.hides_text
        self._arrange = Arrangement(model.module)
        self._spreads: dict[tuple[int, ...], NDArray[np.float64]] = {}
        self._read = lru_cache(maxsize=_number_kept(samples))(self._decode)

    def _decode(self, sample: int) -> Values:
        return self._open(str(self._samples.origins[sample]))

    def pixels(self, sample: int) -> Values:
        """Read one sample (*S, C) by its position."""
        return self._read(int(sample))

    def shown(self, sample: int) -> Values:
        """Give of one sample what may be written down: the model's settings may ask to hide burnt-in text."""
        return kept_values(self.pixels(sample), hide_text=self._hides_text)

    def inputs(self, samples: Sequence[Values]) -> Iterator[tuple[slice, Tensor]]:
        """Preprocess samples into batches (b, C, *s) of one size, each with the rows that it holds."""
        tensors = [self._transform(values, "", spacing_of(values)) for values in samples]
        start = 0
        for stop in range(1, len(tensors) + 1):
            full = stop - start == _BATCH or stop == len(tensors)
            if full or tensors[stop].shape != tensors[start].shape:
                yield slice(start, stop), self._arrange(torch.stack(tensors[start:stop]))
                start = stop

    def logits(self, samples: Sequence[Values]) -> NDArray[np.float64]:
        """Ask the model for its outputs about their mean, float64 (n, classes).

        What all classes gain alike decides nothing. A single output is the odds of class 1.
        """
        with torch.no_grad():
            return _centred([self._module(batch) for _, batch in self.inputs(samples)])

    def logits_held(
        self, changed: Sequence[Values], clean: Sequence[Values], windows: Sequence[Window], unit: Unit
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

    def probabilities(self, samples: Sequence[Values]) -> NDArray[np.float64]:
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
