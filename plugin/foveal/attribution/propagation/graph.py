"""Questions to the autograd graph while a forward is building it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator

from torch import Tensor, nn
from torch.autograd.graph import Node

#: Autograd's names of steps that only move values about.
_MOVES = (
    "View", "Reshape", "UnsafeView", "Expand", "Unsqueeze", "Squeeze", "Permute", "Transpose", "TBackward",
    "Clone", "Copy", "Alias", "Slice", "Repeat",
)  # fmt: skip


def is_active(value: object) -> bool:
    """Tell whether a value depends on what is explained, and not on parameters alone."""
    if not isinstance(value, Tensor) or not value.requires_grad:
        return False
    if value.grad_fn is None:
        return not isinstance(value, nn.Parameter)
    return any(_is_active_leaf(node) for node in _upstream(value.grad_fn, lambda _node: False))


def meets(value: Tensor, nodes: Container[Node]) -> bool:
    """Tell whether a value was made from the result of any of these nodes."""
    if value.grad_fn is None:
        return False
    return any(node in nodes for node in _upstream(value.grad_fn, nodes.__contains__))


def moved_from(value: Tensor, nodes: set[Node]) -> bool:
    """Tell whether a value is the result of one of these nodes, but for views, copies and the like."""
    node = value.grad_fn
    while node is not None and node not in nodes:
        parents = [parent for parent, _ in node.next_functions if parent is not None]
        # The last parent of a copy is what was copied; the first is what it was written over.
        node = parents[-1] if parents and node.name().startswith(_MOVES) else None
    return node is not None


def _is_active_leaf(node: Node) -> bool:
    leaf = getattr(node, "variable", None)
    return isinstance(leaf, Tensor) and not isinstance(leaf, nn.Parameter)


def _upstream(start: Node, stop: Callable[[Node], bool]) -> Iterator[Node]:
    """Walk up from a node, itself first, each once; not beyond where `stop` says so."""
    seen, waiting = {start}, [start]
    while waiting:
        node = waiting.pop()
        yield node
        if not stop(node):
            parents = [parent for parent, _ in node.next_functions if parent is not None]
            waiting += [parent for parent in parents if parent not in seen]
            seen.update(parents)
