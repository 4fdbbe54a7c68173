"""Heads whose gradient is known beforehand: an average over space, then one Linear (the case of CAM)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, nn

from foveal.capture.forward import Forward
from foveal.capture.hooks import hooked
from foveal.capture.inputs import Batch, Inputs
from foveal.capture.slopes import Slopes
from foveal.capture.targets import ClassTarget, Target
from foveal.features import CLASS


@dataclass(frozen=True, eq=False)
class LinearHead:
    """Logits = weight @ mean of the activations over space + bias.

    Attributes
    ----------
    linear
        The head's Linear, whose weight is (n, C).
    slopes
        What is kept of that weight from one sample to the next; a change of the weight shows.
    """

    averages: ClassVar[bool] = True

    linear: nn.Linear
    slopes: Slopes = field(default_factory=Slopes)

    def covers(self, layers: Collection[nn.Module]) -> bool:
        """Tell whether it knows the nodes of these layers: classes are all it knows."""
        return not layers

    def fits(self, targets: Sequence[Target], forward: Forward) -> bool:
        """Tell whether it knows the gradients of these targets: classes, and the layer's own channels."""
        return all(
            target.layer == CLASS or (target.layer in forward.mapped and not target.whole)
            for target in targets
        )

    def gradients(self, targets: Sequence[Target], forward: Forward) -> Tensor:
        """Differentiate targets by the activations: a constant over space, (B, K, C, *S)."""
        grid = tuple(forward.activations.shape[2:])
        if len(targets) > 1 or targets[0].layer != CLASS:
            return self._spread(targets, forward, grid)
        values = forward.values[CLASS].nodes.detach()
        return self.slopes.of(
            targets[0], values, self.linear.weight, grid, lambda: self._spread(targets, forward, grid)
        )

    def _spread(self, targets: Sequence[Target], forward: Forward, grid: tuple[int, ...]) -> Tensor:
        weights = torch.stack([self._weights(target, forward) for target in targets], dim=1) / prod(grid)
        wide = weights.float() if weights.dtype in (torch.float16, torch.bfloat16) else weights
        return wide[(...,) + (None,) * len(grid)].expand(*wide.shape, *grid)

    def _weights(self, target: Target, forward: Forward) -> Tensor:
        """Differentiate a target by the channels' means (B, C)."""
        weight = self.linear.weight.detach()
        cotangent = target.cotangent(forward.values[target.layer].nodes.detach()).to(weight.dtype)
        return cotangent @ weight if target.layer == CLASS else cotangent


def find_linear_head(model: nn.Module, forward: Forward, example: Batch) -> LinearHead | None:
    """Look for a head that is linear in the mean of the activations.

    A Linear that takes just that mean and gives just the output is held against autograd: only where both
    agree for every class is it believed.

    Parameters
    ----------
    model
        The network.
    forward
        A forward of it with a graph at the map's layer.
    example
        The batch of that forward.
    """
    if forward.leaf is None or forward.output.ndim != 2 or forward.layout.kind != "channels-first":
        return None
    mean = forward.activations.flatten(2).mean(-1)
    for linear, given, got in _linear_calls(model, example):
        if given.shape == mean.shape and torch.allclose(given, mean) and torch.equal(got, forward.output):
            head = LinearHead(linear)
            return head if _agrees(head, forward) else None
    return None


def _agrees(head: LinearHead, forward: Forward) -> bool:
    targets = [ClassTarget(index) for index in range(min(forward.output.shape[1], 8))]
    truth = forward.gradients(targets)
    with torch.no_grad():
        ours = head.gradients(targets, forward)
    return torch.allclose(ours, truth, rtol=1e-4, atol=1e-7 * float(truth.abs().max()))


def _linear_calls(model: nn.Module, example: Batch) -> list[tuple[nn.Linear, Tensor, Tensor]]:
    """Run the model once and list the calls of its Linears: module, input, output."""
    calls: list[tuple[nn.Linear, Tensor, Tensor]] = []

    def note(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Linear) and args:
            calls.append((module, args[0].clone(), output.clone()))

    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    with hooked((linear, note) for linear in linears), torch.inference_mode(False), torch.no_grad():
        Inputs.of(example).call(model)
    return calls
