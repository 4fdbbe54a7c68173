"""What is explained: classes, nodes, contributions, each told as a direction in a tensor of the forward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from foveal.errors import UsageError
from foveal.features import CLASS, CONTRIBUTION, FeatureName, check_index


@dataclass(frozen=True)
class TopClass:
    """The logit of the predicted class of each sample."""

    layer = CLASS

    def cotangent(self, values: Tensor) -> Tensor:
        """Give d target / d values for logits (B, n); one logit is taken with the sign of its prediction."""
        if values.shape[1] == 1:
            return torch.where(values > 0, 1.0, -1.0).to(values.dtype)
        return _one_hot(values, values.argmax(1))


@dataclass(frozen=True)
class Contribution:
    """What speaks for the predicted class against the others: top logit minus the mean of the logits."""

    layer = CLASS

    def cotangent(self, values: Tensor) -> Tensor:
        """Give d target / d values for logits (B, n)."""
        top = TopClass().cotangent(values)
        return top if values.shape[1] == 1 else top - 1 / values.shape[1]


@dataclass(frozen=True, eq=False)
class NodeTarget:
    """One node of a layer.

    Attributes
    ----------
    layer
        The node's layer, as given to the tap.
    index
        One node for all samples, or one per sample (B,); -1 explains nothing for that sample (a zero map).
    """

    layer: str
    index: int | Tensor

    def cotangent(self, values: Tensor) -> Tensor:
        """Give d target / d values for nodes (B, n).

        Raises
        ------
        UsageError
            If the index is out of range.
        """
        if isinstance(self.index, int):
            check_index(FeatureName(self.layer, self.index), values.shape[1])
            return _one_hot(values, torch.full((values.shape[0],), self.index, device=values.device))
        check_index(FeatureName(self.layer, int(self.index.max())), values.shape[1])
        return _one_hot(values, self.index.to(values.device))


class ClassTarget(NodeTarget):
    """The logit of one class."""

    def __init__(self, index: int | Tensor) -> None:
        super().__init__(CLASS, index)


Target: TypeAlias = TopClass | Contribution | NodeTarget


def parse_target(text: str) -> Target:
    """Read ``top``, ``contribution``, ``class:K`` or ``LAYER:INDEX``.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if text == "top":
        return TopClass()
    if text == CONTRIBUTION:
        return Contribution()
    name = FeatureName.parse(text)
    if name.index is None or name.layer == CONTRIBUTION:
        raise UsageError(f"Target {text!r} is not one unit", "Write top, class:K or LAYER:INDEX")
    return ClassTarget(name.index) if name.layer == CLASS else NodeTarget(name.layer, name.index)


def predicted_classes(output: Tensor) -> Tensor:
    """Give the predicted class (B,) of logits (B, n); one logit above 0 stands for class 1."""
    return (output[:, 0] > 0).long() if output.shape[1] == 1 else output.argmax(1)


def _one_hot(values: Tensor, index: Tensor) -> Tensor:
    rows = torch.zeros_like(values)
    return rows.scatter_(1, index.clamp(min=0)[:, None], (index >= 0).to(values.dtype)[:, None])
