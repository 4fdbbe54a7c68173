"""Relevance propagation: one forward under rules, and the backward is autograd's own.

What the rules are, and why this is right for every architecture whose operations have one, is told in
:mod:`foveal.attribution.propagation.rules`. Nothing about the model is changed: a convolution and the batch
norm after it are merged as they are called. Operations that the table of
:mod:`foveal.attribution.operations` does not know pass by their derivative: right for what is linear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from foveal.attribution.functions import Call, Handler, Override, check_visible
from foveal.attribution.propagation import linear, nonlinear
from foveal.attribution.propagation.attention import pass_multi_head_attention
from foveal.attribution.propagation.first import FirstLayer
from foveal.attribution.propagation.graph import is_active, meets, moved_from
from foveal.attribution.propagation.linear import Linear
from foveal.attribution.propagation.rules import Rule, with_backward_of
from foveal.attribution.subject import Subject
from foveal.errors import UsageError

#: Bytes of cotangents that one batched backward may hold.
_CHUNK_BYTES = 64 * 2**20


@dataclass(eq=False)
class Propagation:
    """The handlers of one forward, and what they remember of it.

    Attributes
    ----------
    rule
        The rule of linear operations.
    first
        The rule of those that read the input, where it is another.
    further
        Handlers that a method adds or puts in the place of these.
    """

    rule: Rule
    first: FirstLayer | None = None
    further: Mapping[str, Handler] = field(default_factory=dict)
    _count: int = 0
    _origins: dict[Node, Linear] = field(default_factory=dict)
    _gates: set[Node] = field(default_factory=set)
    _held: list[str] = field(default_factory=list)

    def override(self) -> Override:
        """Give the context in which the model's forward takes the rules."""
        return Override({**nonlinear.HANDLERS, **self._own(), **self.further})

    def _own(self) -> dict[str, Handler]:
        return {
            "linear": partial(self._pass_linear, linear.read_linear),
            "conv": partial(self._pass_linear, linear.read_conv),
            "conv_transpose": partial(self._pass_linear, linear.read_conv_transpose),
            "batch_norm": self._pass_batch_norm,
            "matmul": self._pass_matmul,
            "mul": lambda call: nonlinear.pass_product(call, lambda value: moved_from(value, self._gates)),
            "multi_head_attention": lambda call: pass_multi_head_attention(call, self.share),
            **dict.fromkeys(nonlinear.GATES, self._pass_gate),
            **dict.fromkeys(nonlinear.CONSTANTS, self._hold),
        }

    def share(self, one: Linear, value: Tensor | None = None) -> Tensor:
        """Give a linear operation's result, from which relevance will be shared out by the rule."""
        one = replace(one, index=self.next_index(), value=value)
        value = one.output
        if not (torch.is_grad_enabled() and one.x.requires_grad):
            return value
        # Of a copy: the network may go on with its input in place.
        result = with_backward_of(value, self._surrogate(replace(one, x=one.x.clone())))
        self.remember(result, one)
        return result

    def next_index(self) -> int:
        """Count a linear operation."""
        self._count += 1
        return self._count - 1

    def remember(self, result: Tensor, one: Linear) -> None:
        """Keep in mind which operation made a result, for a batch norm that may follow."""
        if result.grad_fn is None:
            raise RuntimeError("a result under a rule has no graph")
        self._origins[result.grad_fn] = one

    def stopped_at(self) -> str | None:
        """Name an operation that relevance did not pass, if there was one."""
        return self._held[-1] if self._held else None

    def _surrogate(self, one: Linear) -> Tensor:
        first = self.first
        if first is not None and is_active(one.x) and not meets(one.x, self._origins):
            surrogate = first.share(one)
            if surrogate is not None:
                return surrogate
        return self.rule(one)

    def _pass_linear(self, read: Callable[[Call], Linear], call: Call) -> Tensor:
        return self.share(read(call), nonlinear.hold(call))

    def _pass_batch_norm(self, call: Call) -> Tensor:
        origin = self._origin(call.input)
        if origin is None and self.first is not None and not meets(call.input, self._origins):
            # The input is normalised before the first layer: as good as a preprocessing.
            return call.plain()  # type: ignore[no-any-return]
        merged = None if origin is None else origin.scaled(*linear.batch_norm_terms(call))
        return self.share(linear.read_batch_norm(call) if merged is None else merged, nonlinear.hold(call))

    def _pass_matmul(self, call: Call) -> Tensor:
        left, right = call.input, call.values["other"]
        if is_active(left) and is_active(right):
            return nonlinear.pass_matrix_product(call)
        if is_active(right):
            return self.share(linear.read_product(right, left, on_the_left=True), nonlinear.hold(call))
        return self.share(linear.read_product(left, right, on_the_left=False), nonlinear.hold(call))

    def _pass_gate(self, call: Call) -> Tensor:
        result = nonlinear.pass_elementwise(call)
        if result.grad_fn is not None:
            self._gates.add(result.grad_fn)
        return result

    def _hold(self, call: Call) -> Any:  # noqa: ANN401 - what the operation gives
        if any(is_active(value) for value in call.args):
            self._held.append(call.operation)
        return nonlinear.hold(call)

    def _origin(self, tensor: Tensor) -> Linear | None:
        """Find the linear operation that made a tensor, a copy of its result included."""
        node = tensor.grad_fn
        while node is not None and node not in self._origins and node.name().startswith("Clone"):
            node = node.next_functions[0][0]
        return None if node is None else self._origins.get(node)


def propagate(subject: Subject, propagation: Propagation) -> tuple[Tensor, Tensor]:
    """Run one forward under rules.

    Returns
    -------
    Tensor
        Values (B, C, *S) of the input, or of the subject's layer.
    Tensor
        Their cotangents c = R / x (B, K, C, *S).

    Raises
    ------
    UsageError
        If the model hides its operations, or relevance cannot pass one of them.
    """
    check_visible(subject.model)
    try:
        with propagation.override():
            return subject.gradients(layer=subject.layer)
    except UsageError as error:
        stop = propagation.stopped_at()
        if stop is None or "does not come after" not in error.fault:
            raise
        raise UsageError(
            f"Relevance takes the result of {stop!r} as a constant, and no other way leads to the target",
            "Explain a unit before it: a node of the layer that gives the logits",
        ) from error


def relevance(subject: Subject, propagation: Propagation) -> Tensor:
    """Give the relevance R = x c, its channels summed: (B, K, *grid), float32."""
    values, cotangents = propagate(subject, propagation)
    return (values[:, None] * cotangents).sum(2).float()


def relevance_over_anchors(subject: Subject, rule: Rule, first: FirstLayer) -> Tensor:
    """Give the relevance on the input where the first layer has a rule of its own: (B, K, *grid), float32."""
    check_visible(subject.model)
    with torch.enable_grad():
        with Propagation(rule, first).override():
            scores = subject.scores(first.x.clone())
        pulled = _pull_back(scores, [first.x, *(leaf for *_, leaf in first.anchors)])
        shared = pulled[0] * first.x.detach()
        for index, cotangents in enumerate(pulled[1:]):
            shared = shared + first.relevance(index, cotangents)
    return shared.detach().transpose(0, 1).sum(2).float()


def _pull_back(scores: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """Differentiate scores (B, K) by leaves: (K, *shape) each."""
    batch, count = scores.shape
    rows = torch.eye(count, dtype=scores.dtype, device=scores.device)[:, None].expand(count, batch, count)
    step = max(1, _CHUNK_BYTES // (4 * sum(leaf.numel() for leaf in leaves)))
    chunks = [_differentiate(scores, leaves, rows[start : start + step]) for start in range(0, count, step)]
    return [torch.cat(parts) for parts in zip(*chunks, strict=True)]


def _differentiate(scores: Tensor, leaves: list[Tensor], rows: Tensor) -> list[Tensor]:
    if len(rows) > 1:
        # Some operations cannot be batched, and say so in many words; a true fault shows again below.
        with suppress(RuntimeError):
            return _gradients(scores, leaves, rows, batched=True)
    singles = [_gradients(scores, leaves, row, batched=False) for row in rows]
    return [torch.stack(parts) for parts in zip(*singles, strict=True)]


def _gradients(scores: Tensor, leaves: list[Tensor], rows: Tensor, *, batched: bool) -> list[Tensor]:
    found = torch.autograd.grad(
        scores, leaves, rows, retain_graph=True, allow_unused=True, is_grads_batched=batched
    )
    shape = rows.shape[:1] if batched else ()
    return [
        leaf.new_zeros(*shape, *leaf.shape) if one is None else one
        for one, leaf in zip(found, leaves, strict=True)
    ]
