"""The value of an audited unit in whole samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveal.archives import AuditedModel
from foveal.capture.layers import find_layer
from foveal.features import CLASS
from foveal.samples.values import Values
from foveal_audit.bench import spacing_of
from foveal_audit.layouts import Arrangement
from foveal_audit.units.unit import Unit

from .pasting import Measure

_BATCH = 64


def unit_measure(model: AuditedModel, outcome: int, unit: Unit | None = None) -> Measure:
    """Give the function that asks the model for a unit's value.

    Parameters
    ----------
    model
        As deployed.
    outcome
        The class that the unit speaks for.
    unit
        A node gives its own value, the largest where it has many places. A unit that lives in windows only,
        and no unit, gives what it is there for: the logit of the class minus the mean of all.
    """
    arrange = Arrangement(model.module)

    def measure(samples: Sequence[Values]) -> NDArray[np.float64]:
        inputs = [model.transform(values, "", spacing_of(values)) for values in samples]
        with torch.no_grad():
            parts = [_values(model, arrange(batch), outcome, unit) for batch in _batches(inputs)]
        return np.asarray(torch.cat(parts).double().numpy())

    return measure


def _batches(inputs: Sequence[Tensor]) -> Iterator[Tensor]:
    """Stack what follows each other and is of one size: traces and volumes may keep theirs."""
    start = 0
    for stop in range(1, len(inputs) + 1):
        full = stop - start == _BATCH or stop == len(inputs)
        if full or inputs[stop].shape != inputs[start].shape:
            yield torch.stack(list(inputs[start:stop]))
            start = stop


def _values(model: AuditedModel, inputs: Tensor, outcome: int, unit: Unit | None) -> Tensor:
    if unit is None or unit.local or not unit.channels:
        return _logit(model.module(inputs), outcome)
    if unit.layer == CLASS:  # its value is a score, of which no module is the layer
        return _logit(model.module(inputs), unit.channels[0])
    seen: list[Tensor] = []
    layer = find_layer(model.module, unit.layer)
    handle = layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        model.module(inputs)
    finally:
        handle.remove()
    return (
        seen[-1][:, unit.channels[0]].flatten(1).amax(1)
        if seen[-1].ndim > 2
        else seen[-1][:, unit.channels[0]]
    )


def _logit(logits: Tensor, outcome: int) -> Tensor:
    if logits.shape[1] == 1:  # one output: the log odds of class 1
        return logits[:, 0] if outcome else -logits[:, 0]
    return logits[:, outcome] - logits.mean(1)
