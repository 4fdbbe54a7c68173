"""Crops in the audited network's own eyes: pooled activations of its last resolutions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad

from foveal.archives import AuditedModel
from foveal.samples.kinds import Transform
from foveal.samples.values import Values, axes_of
from foveal_audit.bench import spacing_of

_RESOLUTIONS = 3
#: Few at a time: what they need in between stays near the processor, which takes half as long.
_BATCH = 16


class CropEmbedder:
    """Describe crops by what the convolutional part of a model makes of them.

    The crop runs through the network as it is, at the scale that samples have there; what follows the
    convolutions (which may demand a whole sample) is not needed and may fail. To a network that demands one
    from the start crops are shown continued to a sample's sides. A network without any layer on a grid, as
    far as it can be looked into, describes all crops alike.

    Parameters
    ----------
    model
        The audited model.
    example
        A crop (*s, C), and the shape (*S, C) of the sample that it comes from.
    spacing
        Size of the steps of crops that do not know it: that of their samples.
    """

    def __init__(
        self,
        model: AuditedModel,
        example: tuple[Values, Sequence[float]],
        spacing: tuple[float, ...] = (),
    ) -> None:
        self._model, self._spacing = model, spacing
        known = self._tensor(*example)[None]
        self.layers, self._sides = _last_layers(model.module, known), known.shape[2:]
        whole = None if self.layers else model.transform.blank()
        if whole is not None:
            self.layers, self._sides = _last_layers(model.module, whole), whole.shape[2:]

    def __call__(self, crops: Sequence[Values], shapes: Sequence[Sequence[float]]) -> NDArray[np.float32]:
        """Describe crops (*s, C) of samples of the given shapes, float32 (n, D)."""
        tensors = [self._tensor(crop, shape) for crop, shape in zip(crops, shapes, strict=True)]
        described = np.empty((len(tensors), 0), dtype=np.float32)
        for rows, batch in _same_sizes(tensors):
            values = self._pooled(batch)
            if not described.shape[1]:
                described = np.zeros((len(tensors), values.shape[1]), dtype=np.float32)
            described[rows] = values
        return described

    def _pooled(self, batch: Tensor) -> NDArray[np.float32]:
        """Give the layers' means (n, D); what is too small for that is continued to the example's sides."""
        if not self.layers:
            return np.zeros((len(batch), 1), dtype=np.float32)
        outputs = dict(_run(self._model.module, batch))
        if not outputs.keys() >= set(self.layers):
            outputs = dict(_run(self._model.module, _continued(batch, self._sides)))
        means = [outputs[name].mean(dim=tuple(range(2, batch.ndim))) for name in self.layers]
        return torch.cat(means, dim=1).numpy().astype(np.float32)

    def _tensor(self, crop: Values, shape: Sequence[float]) -> Tensor:
        return _for_part(self._model.transform, crop, shape)(crop, "", spacing_of(crop) or self._spacing)


def _for_part(transform: Transform, crop: Values, shape: Sequence[float]) -> Transform:
    """Give what does to a part of a sample what is done to all of it: at the same scale.

    Traces are cut to the network's length and not stretched, so that a part of them is not cut.
    """
    size = getattr(transform, "size", None)
    if size is None:
        return transform
    sides = None
    if axes_of(crop) > 1:
        scales = [wanted / side for wanted, side in zip(size, shape, strict=False)]
        sides = tuple(
            max(1, round(length * scale)) for length, scale in zip(crop.shape[:-1], scales, strict=True)
        )
    return cast("Transform", replace(cast("Any", transform), size=sides))


def _same_sizes(tensors: Sequence[Tensor]) -> Iterator[tuple[list[int], Tensor]]:
    sizes: dict[torch.Size, list[int]] = {}
    for row, tensor in enumerate(tensors):
        sizes.setdefault(tensor.shape, []).append(row)
    for rows in sizes.values():
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            yield part, torch.stack([tensors[row] for row in part])


@contextmanager
def _recorded(module: nn.Module, axes: int) -> Iterator[list[tuple[str, Tensor]]]:
    """Collect what every layer without parts gives on a grid of so many axes, in the order of the calls."""
    calls: list[tuple[str, Tensor]] = []
    leaves = [(name, part) for name, part in module.named_modules() if name and not list(part.children())]

    def keeper(name: str) -> Callable[[nn.Module, object, object], None]:
        def keep(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.ndim == 2 + axes:
                calls.append((name, output.detach()))

        return keep

    handles = [part.register_forward_hook(keeper(name)) for name, part in leaves]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _run(module: nn.Module, batch: Tensor) -> list[tuple[str, Tensor]]:
    with _recorded(module, batch.ndim - 2) as calls, torch.no_grad(), suppress(RuntimeError):
        module(batch)
    return calls


def _last_layers(module: nn.Module, batch: Tensor) -> list[str]:
    """Name the last layer at each of the last three resolutions that still have a grid.

    What grows with the sample along its second axis has positions there, as tokens have, and no channels.
    """
    last: dict[tuple[int, ...], str] = {}
    larger = dict(_run(module, _continued(batch, [2 * side for side in batch.shape[2:]])))
    for name, output in _run(module, batch):
        grid = tuple(output.shape[2:])
        if min(grid) > 1 and larger.get(name, output).shape[1] == output.shape[1]:
            last.pop(grid, None)
            last[grid] = name
    return list(last.values())[-_RESOLUTIONS:]


def _continued(batch: Tensor, sides: Sequence[int]) -> Tensor:
    """Repeat the last value along every axis up to the given sides, where it is shorter."""
    missing = [max(0, side - own) for side, own in zip(sides, batch.shape[2:], strict=True)]
    return pad(batch, [length for one in reversed(missing) for length in (0, one)], mode="replicate")
