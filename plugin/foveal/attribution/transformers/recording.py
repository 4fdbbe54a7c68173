"""The attention of every layer of a transformer, recorded during a forward."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from foveal.attribution.functions import Call, Handler, Override
from foveal.attribution.subject import Subject
from foveal.attribution.transformers.attending import MultiHead, read_dot_product
from foveal.errors import UsageError

#: What to do where the attention of a model cannot be followed.
ANOTHER = "Choose a method that does not follow the attention, such as gradcam or rise"


@dataclass(eq=False)
class Recording:
    """What one forward showed.

    Attributes
    ----------
    batch
        B, the number of samples.
    differentiable
        Whether the scores can be differentiated by the layers' weights.
    layers
        Attention weights in the order of the layers, (B, H, N, M) where they reach over the whole sample.
    grids
        Shapes of what the convolutions before the first attention gave; the last embeds the patches.
    scores
        The units' values (B, K).
    """

    batch: int
    differentiable: bool
    layers: list[Tensor] = field(default_factory=list)
    grids: list[tuple[int, ...]] = field(default_factory=list)
    scores: Tensor | None = None

    @property
    def handlers(self) -> dict[str, Handler]:
        """What replaces the model's operations while it is recorded."""
        return {
            "attention": self._dot_product,
            "multi_head_attention": self._multi_head,
            "softmax": self._softmax,
            "conv": self._convolution,
        }

    def _dot_product(self, call: Call) -> Tensor:
        weights, value = read_dot_product(call)
        kept = self._keep(weights)
        result: Tensor = kept @ value if self.differentiable else call.plain()
        return result

    def _multi_head(self, call: Call) -> tuple[Tensor, Tensor | None]:
        attention = MultiHead(call)
        weights, value = attention.read()
        return attention.result(self._keep(weights), value)

    def _softmax(self, call: Call) -> Tensor:
        """Record a softmax over the last axis of square scores: that is how attention is written by hand."""
        weights: Tensor = call.plain()
        axis = call.values.get("dim")
        last = axis in (-1, weights.ndim - 1)
        square = weights.ndim > 2 and weights.shape[-1] == weights.shape[-2] > 1
        return self._keep(weights) if last and square else weights

    def _convolution(self, call: Call) -> Tensor:
        result: Tensor = call.plain()
        if not self.layers:
            self.grids.append(tuple(result.shape[2:]))
        return result

    def _keep(self, weights: Tensor) -> Tensor:
        """Record weights; give what the network goes on with, a copy that it may change in place."""
        if not self.differentiable:
            self.layers.append(self._by_sample(weights.detach().clone()))
            return weights
        if not weights.requires_grad:
            weights.requires_grad_()
        kept = self._by_sample(weights)
        self.layers.append(kept)
        return kept.clone().reshape(weights.shape)

    def _by_sample(self, weights: Tensor) -> Tensor:
        """Arrange weights of heads that were laid into the batch, (B * H, N, M), as (B, H, N, M)."""
        if weights.ndim == 3 and len(weights) % self.batch == 0:
            return weights.reshape(self.batch, -1, *weights.shape[1:])
        return weights


def record_attention(subject: Subject, *, differentiable: bool = False) -> Recording:
    """Run the model on the batch and record the attention of every layer.

    Raises
    ------
    UsageError
        If the model has no attention.
    """
    recording = Recording(len(subject.x), differentiable)
    with Override(recording.handlers):
        recording.scores = subject.scores(subject.x)
    if not recording.layers:
        raise UsageError("The model has no attention layers", ANOTHER)
    return recording


def check_whole(weights: Tensor, number: int, batch: int) -> Tensor:
    """Give back weights (B, H, N, M) that reach over the whole sample.

    Raises
    ------
    UsageError
        If they are of windows, as in Swin.
    """
    if weights.ndim == 4 and len(weights) == batch:
        return weights
    shape = tuple(weights.shape)
    raise UsageError(
        f"Attention layer {number} looks at windows of the sample, its weights are {shape}", ANOTHER
    )


def check_stack(recording: Recording) -> list[Tensor]:
    """Give the weights (B, H, N, N) of all layers, which lead from tokens to the same tokens.

    Raises
    ------
    UsageError
        If a layer looks at windows, or the number of tokens changes on the way.
    """
    layers = [check_whole(one, number, recording.batch) for number, one in enumerate(recording.layers)]
    tokens = layers[0].shape[-1]
    for number, one in enumerate(layers):
        if one.shape[-2:] != (tokens, tokens):
            queries, keys = one.shape[-2:]
            raise UsageError(
                f"Attention layer {number} leads from {keys} to {queries} tokens, layer 0 from {tokens}",
                "Choose the method attention, which reads one layer",
            )
    return layers
