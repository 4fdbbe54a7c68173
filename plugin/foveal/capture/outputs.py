"""The tensor that is explained, among whatever a model or a layer gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from torch import Tensor
from torch.utils._pytree import tree_map_only

from foveal.errors import UsageError, nearest

#: Which part of a model's output is explained: a key, a position, or a function of the output.
Selector: TypeAlias = str | int | Callable[[Any], Tensor] | None

#: Where models that give back several things keep the scores, by habit of the large libraries.
_USUAL_KEYS = ("logits", "out", "output", "scores")


def select(output: object, selector: Selector = None) -> Tensor:
    """Pick the scores (B, n) or (B, n, *S) out of a model's output.

    Parameters
    ----------
    output
        What the model gave: a tensor, a tuple or list, a mapping, or an object with ``logits``.
    selector
        Key, position or function; by default the tensor itself, the usual key, or the first tensor.

    Raises
    ------
    UsageError
        If there is no such part, or what is picked are no scores.
    """
    picked = _pick(output, selector)
    if not isinstance(picked, Tensor) or picked.ndim < 2:
        shown = tuple(picked.shape) if isinstance(picked, Tensor) else type(output).__name__
        raise UsageError(
            f"The model's output is {shown}", "Give a classifier whose output is (batch, classes)"
        )
    return picked


def first_tensor(output: object) -> Tensor | None:
    """Find the tensor in a layer's output: itself, or the first of a tuple, list or mapping."""
    if isinstance(output, Tensor):
        return output
    return next((part for part in _parts(output) if isinstance(part, Tensor)), None)


def with_tensor(output: object, old: Tensor, new: Tensor) -> object:
    """Give a layer's output with one tensor replaced, everything else as it was."""
    if output is old:
        return new
    kind: Any = type(output)
    if isinstance(output, Mapping):
        return kind({key: new if part is old else part for key, part in output.items()})
    parts = [new if part is old else part for part in _parts(output)]
    return kind(*parts) if hasattr(output, "_fields") else kind(parts)


def detached(output: object) -> object:
    """Give an output, however nested, with every tensor cut off its graph."""
    if isinstance(output, Tensor):
        return output.detach()
    return tree_map_only(Tensor, Tensor.detach, output)


def _parts(output: object) -> Iterable[object]:
    if isinstance(output, Mapping):
        return output.values()
    return output if isinstance(output, tuple | list) else ()


def _pick(output: object, selector: Selector) -> object:
    if callable(selector):
        return selector(output)
    if selector is not None:
        return _part(output, selector)
    if isinstance(output, Tensor):
        return output
    if isinstance(output, Mapping):
        usual = (output[key] for key in _USUAL_KEYS if key in output)
        return next(usual, first_tensor(output))
    return getattr(output, "logits", first_tensor(output))


def _part(output: object, selector: str | int) -> object:
    indexable: Any = output
    try:
        return indexable[selector]
    except (KeyError, IndexError, TypeError) as error:
        parts = list(output) if isinstance(output, Mapping) else [str(n) for n in range(_length(output))]
        raise UsageError(
            f"The model's output has no part {selector!r}", nearest(str(selector), map(str, parts))
        ) from error


def _length(output: object) -> int:
    return len(output) if isinstance(output, tuple | list) else 0
