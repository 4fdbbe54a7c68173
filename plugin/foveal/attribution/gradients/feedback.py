"""Feedback CNN: neurons that do not speak for the unit are shut, and the network looks again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from foveal.attribution.functions import Call, replace_backward
from foveal.attribution.gradients.calls import CallMemory
from foveal.attribution.gradients.channels import reduce_channels
from foveal.attribution.gradients.passes import Rows, by_units, differentiate
from foveal.attribution.gradients.rectifiers import rectifying
from foveal.attribution.options import at_least, one_of
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject


@input_method(
    "feedback",
    formula="M = max_c |dS/dx_c|, every ReLU's output h times a gate z; again and again z = [dS/dh > 0]",
    source="Cao et al., ICCV 2015, doi:10.1109/ICCV.2015.338",
    cost="optimisation",
    sanity="fails",
    needs=("ReLU as the only nonlinearity",),
)
def attribute(
    subject: Subject,
    *,
    iterations: int = 8,
    gates: str = "selective",
    rate: float = 0.1,
    penalty: float = 0.01,
    channels: str = "max",
) -> Tensor:
    """Shut neurons that speak against the unit, look again, and give the gradient through what is left open.

    Gates are set from the top down, each signal passing the new gates above it. A sample's unit is done when
    its gates stay as they are, or before its score falls.

    Parameters
    ----------
    subject
        What is explained.
    iterations
        Forwards at most.
    gates
        ``selective``: open or shut, z = [dS/dh > 0]. ``continuous``: z + rate * h dS/dh - penalty, cut to
        [0, 1], where h dS/dh is measured in its largest magnitude of the sample at that ReLU.
    rate, penalty
        Step of the continuous gates, and what each loses in a step.
    channels
        ``max`` or ``norm`` of the channels' magnitudes, or ``sum`` which keeps the sign.

    Returns
    -------
    Tensor
        Maps (B, K, *S).

    Raises
    ------
    UsageError
        If the unit depends on a nonlinearity other than ReLU.
    """
    at_least("iterations", iterations, 1)
    one_of("gates", gates, _UPDATES)
    at_least("rate", rate, 0)
    at_least("penalty", penalty, 0)

    def update(gate: Tensor, slope: Tensor, activation: Tensor) -> Tensor:
        return _UPDATES[gates](gate, slope, activation, rate, penalty)

    gradients = by_units(subject, lambda rows: _settle(rows, update, iterations))
    return reduce_channels(gradients, channels)


def _selective(_gate: Tensor, slope: Tensor, _activation: Tensor, _rate: float, _penalty: float) -> Tensor:
    return (slope > 0).to(slope.dtype)


def _continuous(gate: Tensor, slope: Tensor, activation: Tensor, rate: float, penalty: float) -> Tensor:
    speaks = slope * activation
    largest = speaks.abs().reshape(len(speaks), -1).amax(1).reshape(-1, *[1] * (speaks.ndim - 1))
    step = rate * speaks / largest.clamp(min=torch.finfo(speaks.dtype).tiny)
    return (gate + step - penalty).clamp(0, 1)


#: How gates are set: from the gate, dS/dh, h before the gate, rate and penalty to the new gate.
_UPDATES: Mapping[str, Callable[[Tensor, Tensor, Tensor, float, float], Tensor]] = {
    "continuous": _continuous,
    "selective": _selective,
}

_Update = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass
class _Gated:
    """A network's ReLUs with a gate each, open at first.

    Attributes
    ----------
    update
        Gate, dS/dh, h to the new gate.
    calls
        The gates of the forward that runs, or ran.
    new
        The gates as the backward sets them, by position.
    """

    update: _Update
    calls: CallMemory = field(default_factory=CallMemory)
    new: dict[int, Tensor] = field(default_factory=dict)

    def start(self) -> bool:
        """Take the new gates for the next forward; tell whether any of them moved."""
        before = self.calls.kept
        gates = [self.new.get(position, gate) for position, gate in enumerate(before)]
        self.calls, self.new = CallMemory(gates), {}
        return any(not torch.equal(*pair) for pair in zip(gates, before, strict=True))

    def rectify(self, call: Call, output: Tensor, open_: Tensor) -> Tensor:
        """Compute one ReLU times its gate; the backward sets the new gate first and passes it then."""
        position, gate = self.calls.recall(torch.ones_like(output))

        def rule(signal: Tensor) -> Tensor:
            self.new[position] = self.update(gate, signal, output)
            return signal * self.new[position] * open_

        return replace_backward(call.input, output * gate, rule)


def _settle(rows: Rows, update: _Update, iterations: int) -> Tensor:
    """Repeat forwards until the gates stay, or the scores fall: gradients (R * B, C, *S)."""
    x, gated = rows.repeat(rows.subject.x), _Gated(update)
    override = rectifying(rows.subject, "feedback", gated.rectify)
    best, kept = differentiate(rows.score, x, override)
    rising = torch.ones_like(best, dtype=torch.bool)
    for _ in range(iterations - 1):
        if not gated.start():
            break
        scores, gradients = differentiate(rows.score, x, override)
        rising &= scores >= best
        best = torch.where(rising, scores, best)
        kept = torch.where(rising.reshape(-1, *[1] * (kept.ndim - 1)), gradients, kept)
        if not rising.any():
            break
    return kept
