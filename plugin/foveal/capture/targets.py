"""What is explained: classes, nodes, channels, pixels, a function; each a scalar per sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from foveal.errors import UsageError
from foveal.features import CLASS, CONTRIBUTION, FeatureName, check_index


class Target(ABC):
    """A scalar of every sample that can be explained.

    Attributes
    ----------
    layer
        Whose values it is made of; ``class`` stands for the model's output.
    whole
        Whether it takes the values (B, n, *S) at every position; else their mean (B, n) over space.
    """

    layer: str
    whole: bool = False

    @abstractmethod
    def cotangent(self, values: Tensor) -> Tensor:
        """Give d target / d values, of the shape of the values."""

    def fixed(self, values: Tensor) -> Target:
        """Hold what depends on the prediction (which class is on top) as it is for these values."""
        return LinearTarget(self.layer, self.cotangent(values.detach()), self.whole)

    def score(self, values: Tensor) -> Tensor:
        """Give the scalars (R * B,) of values (R * B, n), repetitions of the batch one after the other."""
        return (values * self.cotangent(values.detach())).flatten(1).sum(1)


@dataclass(frozen=True, eq=False)
class LinearTarget(Target):
    """A fixed direction (B, n) or (B, n, *S) in a layer's values."""

    layer: str
    direction: Tensor
    whole: bool = False

    def cotangent(self, values: Tensor) -> Tensor:
        """Give the direction, once for each repetition of the batch."""
        return self.direction.repeat(len(values) // len(self.direction), *[1] * (values.ndim - 1))

    def fixed(self, values: Tensor) -> Target:  # noqa: ARG002 - it is fixed
        """Give itself."""
        return self


@dataclass(frozen=True)
class TopClass(Target):
    """The logit of the predicted class of each sample."""

    layer = CLASS

    def cotangent(self, values: Tensor) -> Tensor:
        """Give d target / d values for logits (B, n); one logit is taken with the sign of its prediction."""
        if values.shape[1] == 1:
            return torch.where(values > 0, 1.0, -1.0).to(values.dtype)
        return torch.zeros_like(values).scatter_(1, values.argmax(1, keepdim=True), 1.0)


@dataclass(frozen=True)
class Contribution(Target):
    """What speaks for the predicted class against the others: top logit minus the mean of the logits."""

    layer = CLASS

    def cotangent(self, values: Tensor) -> Tensor:
        """Give d target / d values for logits (B, n)."""
        top = TopClass().cotangent(values)
        return top if values.shape[1] == 1 else top - 1 / values.shape[1]


@dataclass(frozen=True, eq=False)
class NodeTarget(Target):
    """One node of a layer; of a layer with positions, the channel's mean over them.

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


def node_cotangents(targets: Sequence[NodeTarget], values: Tensor) -> Tensor | None:
    """Give the cotangents (K, B, n) of nodes of one layer at once: for many nodes one by one is slow.

    None where an index is out of range: the target itself says what is wrong.
    """
    batch, width = values.shape
    first = [torch.as_tensor(target.index, device=values.device).expand(batch) for target in targets]
    indices = torch.stack(first)
    lowest = 0 if any(isinstance(target.index, int) for target in targets) else -1
    if int(indices.max()) >= width or int(indices.min()) < lowest:
        return None
    rows = values.new_zeros((len(targets), batch, width))
    return rows.scatter_(2, indices.clamp(min=0)[..., None], (indices >= 0).to(values.dtype)[..., None])


class ClassTarget(NodeTarget):
    """The logit of one class; of an output with positions, the mean over them."""

    def __init__(self, index: int | Tensor) -> None:
        super().__init__(CLASS, index)


@dataclass(frozen=True)
class ChannelTarget(Target):
    """One channel of a layer with positions, at its largest value or at one position.

    Attributes
    ----------
    layer
        The channel's layer; ``class`` for an output with positions.
    index
        The channel.
    position
        Where it is read; None takes each sample's largest value.
    """

    layer: str
    index: int
    position: tuple[int, ...] | None = None
    whole = True

    def cotangent(self, values: Tensor) -> Tensor:
        """Give d target / d values for values (B, n, *S).

        Raises
        ------
        UsageError
            If channel or position is out of range, or the layer has no positions.
        """
        check_index(FeatureName(self.layer, self.index), values.shape[1])
        _check_positions(self.layer, self.index, values)
        flat = values[:, self.index].flatten(1)
        where = flat.argmax(1) if self.position is None else torch.full((len(flat),), self._flat(values))
        rows = torch.zeros_like(values)
        rows[:, self.index] = _one_hot(flat, where.to(flat.device)).view_as(rows[:, self.index])
        return rows

    def _flat(self, values: Tensor) -> int:
        grid, position = tuple(values.shape[2:]), self.position or ()
        if len(position) != len(grid) or any(p >= side for p, side in zip(position, grid, strict=True)):
            shown = ",".join(map(str, position))
            raise UsageError(
                f"Position {shown} is not on the grid {grid} of layer {self.layer!r}",
                f"Give {len(grid)} whole numbers below the grid's sides",
            )
        flat = 0
        for p, side in zip(position, grid, strict=True):
            flat = flat * side + p
        return flat


@dataclass(frozen=True)
class SegmentTarget(Target):
    """One class of an output with positions, averaged where it is the predicted one (Seg-Grad-CAM)."""

    index: int
    layer = CLASS
    whole = True

    def cotangent(self, values: Tensor) -> Tensor:
        """Give d target / d values for logits (B, n, *S).

        Raises
        ------
        UsageError
            If the class is out of range or predicted nowhere in some sample, or the output has no positions.
        """
        check_index(FeatureName(CLASS, self.index), values.shape[1])
        _check_positions(CLASS, self.index, values)
        inside = (values.argmax(1) == self.index).to(values.dtype)
        sizes = inside.flatten(1).sum(1)
        if not bool((sizes > 0).all()):
            raise UsageError(
                f"Class {self.index} is predicted at no position of a sample",
                f"Explain class:{self.index}, or pixel:{self.index},.. at one position",
            )
        rows = torch.zeros_like(values)
        rows[:, self.index] = inside / sizes.view(-1, *[1] * (inside.ndim - 1))
        return rows


@dataclass(frozen=True, eq=False)
class ScoreTarget(Target):
    """Any differentiable function of a layer's values.

    Attributes
    ----------
    function
        Values (B, n, *S) of the layer, or logits, to a scalar per sample (B,).
    layer
        Whose values; the model's output by default.
    """

    function: Callable[[Tensor], Tensor]
    layer: str = CLASS
    whole: bool = True

    def cotangent(self, values: Tensor) -> Tensor:
        """Differentiate the function at the values."""
        with torch.inference_mode(False), torch.enable_grad():
            point = values.detach().clone().requires_grad_()
            (gradient,) = torch.autograd.grad(self.score(point).sum(), point)
        return gradient

    def fixed(self, values: Tensor) -> Target:  # noqa: ARG002
        """Give itself: what the function means by it is not ours to hold."""
        return self

    def score(self, values: Tensor) -> Tensor:
        """Give the function's scalars.

        Raises
        ------
        UsageError
            If it does not give one scalar per sample.
        """
        score = self.function(values)
        if score.shape != values.shape[:1]:
            raise UsageError(
                f"The target function gives {tuple(score.shape)} for {len(values)} samples",
                "Give a function of (batch, ...) with one scalar per sample",
            )
        return score


def parse_target(text: str) -> Target:
    """Read a target as it is written on the command line.

    ``top``, ``contribution``, ``class:K``, ``LAYER:INDEX``; with positions also ``LAYER:INDEX@max``,
    ``LAYER:INDEX@Y,X``, ``pixel:K,Y,X`` and ``segment:K``.

    Raises
    ------
    UsageError
        If it is none of these.
    """
    if text in _PLAIN:
        return _PLAIN[text]
    kind, _, rest = text.partition(":")
    if kind in _SPECIAL:
        return _SPECIAL[kind](text, _numbers(text, rest))
    feature, marked, where = text.partition("@")
    name = FeatureName.parse(feature)
    if name.index is None or name.layer == CONTRIBUTION:
        raise _unreadable(text)
    if marked:
        position = None if where == "max" else tuple(_numbers(text, where))
        return ChannelTarget(name.layer, name.index, position)
    return ClassTarget(name.index) if name.layer == CLASS else NodeTarget(name.layer, name.index)


def _pixel(text: str, numbers: list[int]) -> Target:
    if len(numbers) < 2:
        raise _unreadable(text)
    return ChannelTarget(CLASS, numbers[0], tuple(numbers[1:]))


def _segment(text: str, numbers: list[int]) -> Target:
    if len(numbers) != 1:
        raise _unreadable(text)
    return SegmentTarget(numbers[0])


_PLAIN: dict[str, Target] = {"top": TopClass(), CONTRIBUTION: Contribution()}
_SPECIAL: dict[str, Callable[[str, list[int]], Target]] = {"pixel": _pixel, "segment": _segment}


def _numbers(text: str, listed: str) -> list[int]:
    parts = listed.split(",")
    if not all(part.isascii() and part.isdigit() for part in parts):
        raise _unreadable(text)
    return [int(part) for part in parts]


def _unreadable(text: str) -> UsageError:
    return UsageError(f"Target {text!r} is not one unit", "Write top, class:K or LAYER:INDEX")


def predicted_classes(output: Tensor) -> Tensor:
    """Give the predicted class (B,) of logits (B, n, *S); one logit above 0 stands for class 1."""
    values = output.flatten(2).mean(-1) if output.ndim > 2 else output
    return (values[:, 0] > 0).long() if values.shape[1] == 1 else values.argmax(1)


def class_probabilities(output: Tensor) -> Tensor:
    """Turn logits (B, n) into probabilities (B, max(n, 2)); a single one speaks for class 1 of two."""
    if output.shape[1] > 1:
        return torch.softmax(output, dim=1)
    return torch.cat((torch.sigmoid(-output), torch.sigmoid(output)), dim=1)


def _check_positions(layer: str, index: int, values: Tensor) -> None:
    """Refuse what asks for positions where there are none; segmentation networks are explained by scores."""
    if values.ndim > 2:
        return
    whose = "output" if layer == CLASS else f"layer {layer!r}"
    also = ", which of a segmentation network means all positions of the class" if layer == CLASS else ""
    raise UsageError(f"The {whose} that is explained has no positions", f"Write {layer}:{index}{also}")


def _one_hot(values: Tensor, index: Tensor) -> Tensor:
    rows = torch.zeros_like(values)
    return rows.scatter_(1, index.clamp(min=0)[:, None], (index >= 0).to(values.dtype)[:, None])
