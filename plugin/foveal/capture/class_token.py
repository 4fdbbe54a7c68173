"""Vision transformers that read their class token: the last block replayed on that token alone.

Behind the last attention such a network treats every token by itself, and reads but one. So the score depends
on the other tokens only through what this one token attends to. The block is run once more on the class token
alone, with the attention of that single query over all tokens; keys and values are never written out (``W_k``
goes to the query, ``W_v`` behind the sum). Gradients by the tokens are those of the whole network, at a
hundredth of its cost, and the prediction's own forward needs no graph.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from foveal.capture.forward import Forward
from foveal.capture.hooks import hooked
from foveal.capture.inputs import Batch, Inputs
from foveal.capture.targets import ClassTarget, NodeTarget, Target
from foveal.capture.values import Values
from foveal.features import CLASS

#: The tokens that the replayed attention is to see.
_TOKENS: ContextVar[tuple[nn.Module, Tensor] | None] = ContextVar("foveal_tokens", default=None)


@dataclass(frozen=True, eq=False)
class ClassTokenHead:
    """What follows a transformer's last normalisation before its last attention.

    Attributes
    ----------
    block
        The block that both are in: tokens (B, T, C) to tokens.
    attention
        Its self-attention.
    tail
        The modules behind the block, in order; each takes what the one before it gave.
    pick
        How many of them work on tokens, before the class token is picked.
    """

    averages: ClassVar[bool] = False

    block: nn.Module
    attention: nn.MultiheadAttention
    tail: tuple[nn.Module, ...]
    pick: int

    def fits(self, targets: Sequence[Target], forward: Forward) -> bool:
        """Tell whether the replay can stand for a forward, and gives what these targets are made of."""
        values = (forward.values.get(target.layer) for target in targets if target.whole)
        return forward.token is not None and all(one is None or one.whole.ndim == 2 for one in values)

    def gradients(self, targets: Sequence[Target], forward: Forward) -> Tensor:
        """Differentiate targets by the patches' tokens: (B, K, C, *S)."""
        held = [_held(target, forward) for target in targets]
        return self.opened(forward).gradients(held)

    def opened(self, forward: Forward) -> Forward:
        """Give a forward a graph from its tokens to its values."""
        if forward.leaf is None or forward.token is None:
            raise ValueError("the forward kept no tokens")
        leaf = forward.leaf.detach().requires_grad_()
        with torch.enable_grad():
            scores, nodes = self.replay(forward.token, leaf)
        values = {name: Values(nodes[module], nodes[module]) for name, module in forward.modules.items()}
        return replace(forward, leaf=leaf, values={**values, CLASS: Values(scores, scores)}, head=None)

    def covers(self, layers: Collection[nn.Module]) -> bool:
        """Tell whether the replay gives the nodes of these layers."""
        return all(layer in self.tail for layer in layers)

    def replay(self, token: Tensor, tokens: Tensor) -> tuple[Tensor, dict[nn.Module, Tensor]]:
        """Run what follows on the class token.

        Parameters
        ----------
        token
            The class token as it entered the block (B, 1, C).
        tokens
            All normalised tokens (B, T, C), with or without a graph.

        Returns
        -------
        Tensor
            The scores (B, n).
        dict of Module to Tensor
            The nodes (B, N) of every module of the tail.
        """
        mark = _TOKENS.set((self.attention, tokens))
        try:
            value = self.block(token)
        finally:
            _TOKENS.reset(mark)
        nodes = {}
        for index, module in enumerate(self.tail):
            value = module(value[:, 0] if index == self.pick else value)
            nodes[module] = value[:, 0] if index < self.pick else value
        return value, nodes


def is_masked(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Tell whether a call of attention hides tokens from one another; a replay does not know that."""
    return len(args) > 3 or any(kwargs.get(name) is not None for name in ("attn_mask", "key_padding_mask"))


def attend(module: nn.Module, args: Sequence[Any], output: Any) -> Any:  # noqa: ANN401
    """Let the query (B, 1, C) of a replay see all tokens instead of itself; a hook of the attention."""
    replayed = _TOKENS.get()
    if replayed is None or replayed[0] is not module or not isinstance(module, nn.MultiheadAttention):
        return None
    return _attention(module, args[0][:, 0], replayed[1])[:, None], *output[1:]


def _attention(module: nn.MultiheadAttention, query: Tensor, tokens: Tensor) -> Tensor:
    """Attend from one query per sample: (B, C) and (B, T, C) to (B, C)."""
    width, heads = module.embed_dim, module.num_heads
    to_query, to_key, to_value = module.in_proj_weight.view(3, heads, width // heads, width)
    bias = module.in_proj_bias
    query_bias, value_bias = (None, 0) if bias is None else (bias[:width], bias[2 * width :].view(heads, -1))
    asked = linear(query, to_query.reshape(width, width), query_bias).view(-1, heads, width // heads)
    # The bias of the keys adds the same to every token: softmax does not see it.
    keys = torch.einsum("bhd,hdc->bhc", asked, to_key) / (width // heads) ** 0.5
    seen = torch.softmax(keys @ tokens.transpose(1, 2), dim=-1) @ tokens
    values = torch.einsum("bhc,hdc->bhd", seen, to_value) + value_bias
    attended: Tensor = module.out_proj(values.flatten(1))
    return attended


@dataclass(frozen=True, eq=False)
class _Call:
    module: nn.Module
    args: tuple[Any, ...]
    output: Any


def find_class_token_head(
    model: nn.Module, layer: nn.Module, forward: Forward, example: Batch
) -> ClassTokenHead | None:
    """Look for a network that reads its class token behind the layer; see the module's docstring.

    What is found is held against the network: scores and gradients must be the same.

    Parameters
    ----------
    model, layer
        The network, and its layer of tokens.
    forward
        A forward of it with a graph at the layer.
    example
        The batch of that forward.
    """
    if forward.layout.kind != "tokens" or not forward.layout.prefix or forward.output.ndim != 2:
        return None
    calls = _calls(model, layer, example)
    attention = next((call.module for call in calls if _attends_to(call, calls[0].output)), None)
    if not isinstance(attention, nn.MultiheadAttention):
        return None
    inside = {layer, attention}
    blocks = [at for at, call in enumerate(calls) if inside <= set(call.module.modules()) - {call.module}]
    if not _is_tokenwise(calls[blocks[0]]):
        return None
    block, *rest = calls[blocks[0] :]
    head = _follow(block, attention, rest)
    return head if head is not None and _agrees(head, forward, block.args[0][:, :1]) else None


def _calls(model: nn.Module, layer: nn.Module, example: Batch) -> list[_Call]:
    """Run the model once and list the calls of its modules from the layer on, in the order of their ends."""
    calls: list[_Call] = []

    def note(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:  # noqa: ANN401
        if calls or module is layer:
            calls.append(_Call(module, args, output))

    with hooked((module, note) for module in model.modules()), torch.inference_mode(False), torch.no_grad():
        Inputs.of(example).call(model)
    return calls


def _attends_to(call: _Call, tokens: Tensor) -> bool:
    """Whether a call is plain self-attention to these tokens."""
    module = call.module
    return (
        isinstance(module, nn.MultiheadAttention)
        and module.batch_first
        and module.in_proj_weight is not None
        and module.bias_k is None
        and not module.add_zero_attn
        and len(call.args) == 3
        and all(arg is tokens for arg in call.args)
    )


def _is_tokenwise(call: _Call) -> bool:
    """Whether a call takes one tensor of tokens and gives one of the same shape."""
    tensors = [*call.args, call.output]
    return len(tensors) == 2 and all(isinstance(one, Tensor) for one in tensors) and _same_shape(*tensors)


def _same_shape(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape


def _follow(block: _Call, attention: nn.MultiheadAttention, calls: Sequence[_Call]) -> ClassTokenHead | None:
    """Follow the tokens, then the class token, from the block to the output, which the last call gave."""
    tail: list[nn.Module] = []
    value, pick = block.output, None
    for call in calls:
        given = call.args[0] if len(call.args) == 1 else None
        if pick is None and isinstance(given, Tensor) and _is_first(given, value):
            pick, value = len(tail), given
        if given is value and isinstance(call.output, Tensor):
            tail.append(call.module)
            value = call.output
    if pick is None or value is not calls[-1].output:
        return None
    return ClassTokenHead(block.module, attention, tuple(tail), pick)


def _is_first(given: Tensor, tokens: Tensor) -> bool:
    return tokens.ndim == 3 and given.shape == tokens[:, 0].shape and torch.equal(given, tokens[:, 0])


def _agrees(head: ClassTokenHead, forward: Forward, token: Tensor) -> bool:
    """Hold scores and gradients of some classes against the network's own."""
    targets = [ClassTarget(index) for index in range(min(forward.output.shape[1], 4))]
    kept = replace(forward, token=token.clone(), modules={})
    with hooked([(head.attention, attend)]), torch.inference_mode(False), torch.no_grad():
        scores = head.opened(kept).values[CLASS].nodes
        truth, ours = forward.gradients(targets), head.gradients(targets, kept)
    return _close(scores, forward.output) and bool(truth.any()) and _close(ours, truth)


def _close(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).norm() <= 1e-4 * other.norm())


def _held(target: Target, forward: Forward) -> Target:
    """Hold what depends on the prediction as the forward's own values say, to the last bit."""
    if isinstance(target, NodeTarget) or target.layer not in forward.values:
        return target
    return target.fixed(forward.values[target.layer].of_target(target))
