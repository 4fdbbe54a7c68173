"""A tap on a served network: its own forward also yields activations, nodes and gradients.

The forward runs without a graph up to the map's layer. There a hook cuts the activations off, switches
gradients on and hands a copy on, so that only the short rest of the network keeps a graph; the
surrounding ``no_grad`` switches them off again. Nothing is added to the prediction but that copy.

The hooks are installed once. What they do is decided by a context variable, so threads that share the model
do not meet, and a forward that is not the tap's own passes untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from types import TracebackType

import torch
from torch import Tensor, nn

from foveal.attribution import get_method
from foveal.capture.layers import check_eval, find_layer
from foveal.capture.targets import Target
from foveal.errors import UsageError
from foveal.features import CLASS

#: Bytes of gradients that one batched backward may hold; more targets go in several.
_CHUNK_BYTES = 64 * 2**20


@dataclass
class _Pass:
    """What the hooks of one tap collect during one forward."""

    tap: Tap
    leaf: Tensor | None = None
    nodes: dict[str, Tensor] = field(default_factory=dict)
    grids: dict[str, Tensor] = field(default_factory=dict)


_PASS: ContextVar[_Pass | None] = ContextVar("foveal_pass", default=None)


class Tap:
    """Hooks on a model that let one forward give the prediction and all that maps are made of.

    Parameters
    ----------
    model
        The network, in eval mode. Nothing about it is changed but the hooks, and these go with :meth:`close`.
    layer
        Dotted name of the layer whose grid carries the maps; its output is (B, C, *S).
    node_layers
        Layers whose nodes can be explained: output (B, N), or (B, N, *S) which is averaged over space.

    Raises
    ------
    UsageError
        For an unknown layer, a model in training mode, or parameters made under ``torch.inference_mode``.
    """

    def __init__(self, model: nn.Module, layer: str, node_layers: Sequence[str] = ()) -> None:
        self.model = model
        self.layer = layer
        self.node_layers = tuple(node_layers)
        self._separate = False
        _check_differentiable(model)
        modules = [(find_layer(model, name), name) for name in self.node_layers]
        # The graft goes first, so that a node layer that is also the map's layer sees the grafted output.
        self._handles = [find_layer(model, layer).register_forward_hook(self._graft)]
        self._handles += [module.register_forward_hook(self._recorder(name)) for module, name in modules]

    def __enter__(self) -> Tap:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the hooks off; the model is as it was."""
        while self._handles:
            self._handles.pop().remove()

    def calibrate(self, example: Tensor) -> bool:
        """Compare the tap's prediction with the plain one, bit for bit.

        Some modules take a faster path without gradients that rounds differently. Where that shows,
        predictions are made by a plain forward of their own from now on.

        Returns
        -------
        bool
            Whether one forward is enough.
        """
        self._separate = False
        self._separate = not torch.equal(self.forward(example).output, self._plain(example))
        return not self._separate

    def forward(self, x: Tensor) -> Forward:
        """Predict, under whatever gradient or inference mode the caller is in.

        Parameters
        ----------
        x
            Batch (B, C, *S), as the model takes it.

        Raises
        ------
        UsageError
            If the model is in training mode, its output is not (B, classes), or a layer does not fit.
        """
        if self.model.training:
            check_eval(self.model)
        current = _Pass(self)
        token = _PASS.set(current)
        try:
            output = self._plain(x)
        finally:
            _PASS.reset(token)
        result = _finish(current, output)
        return result if not self._separate else result.with_output(self._plain(x))

    def _plain(self, x: Tensor) -> Tensor:
        with torch.inference_mode(False), torch.no_grad():
            output: Tensor = self.model(x.clone() if x.is_inference() else x)
        return output

    def _graft(self, _module: nn.Module, _args: object, output: object) -> Tensor | None:
        current = _PASS.get()
        if current is None or current.tap is not self:
            return None
        leaf = _spatial(output, self.layer).detach().requires_grad_()
        current.leaf = leaf
        torch.set_grad_enabled(True)
        # A copy: the network may go on in place, the activations must stay.
        return leaf.clone()

    def _recorder(self, name: str) -> _Recorder:
        return _Recorder(self, name)


@dataclass(frozen=True, eq=False)
class _Recorder:
    """The hook of one node layer."""

    tap: Tap
    name: str

    def __call__(self, _module: nn.Module, _args: object, output: object) -> Tensor | None:
        current = _PASS.get()
        if current is None or current.tap is not self.tap:
            return None
        if not isinstance(output, Tensor) or output.ndim < 2:
            raise UsageError(
                f"Layer {self.name!r} gives no nodes", "Name a layer whose output is (batch, nodes)"
            )
        if output.ndim > 2:
            current.grids[self.name] = output.detach()
        current.nodes[self.name] = output.flatten(2).mean(-1) if output.ndim > 2 else output
        return output.clone()


@dataclass(frozen=True, eq=False)
class Forward:
    """One forward of a batch.

    Attributes
    ----------
    output
        The model's own prediction (B, n), detached.
    nodes
        Per node layer its values (B, N), detached.
    grids
        Per node layer with a grid its output before the mean (B, N, *S), detached.
    activations
        Output of the map's layer (B, C, *S), detached.
    """

    output: Tensor
    nodes: dict[str, Tensor]
    grids: dict[str, Tensor]
    activations: Tensor
    _leaf: Tensor
    _graph: dict[str, Tensor]

    def attribute(self, targets: Sequence[Target], method: str = "gradcam") -> Tensor:
        """Make the maps of several targets for every sample of the batch.

        Returns
        -------
        Tensor
            Raw signed float32 maps (B, K, *S) on the layer's grid.

        Raises
        ------
        UsageError
            For an unknown method, a target out of range, or one that the layer does not lead to.
        """
        combine = get_method(method).combine
        activations, gradients = self.activations.float(), self.gradients(targets)
        with torch.inference_mode(False), torch.no_grad():
            return torch.stack([combine(activations, one) for one in gradients.unbind(1)], dim=1)

    def gradients(self, targets: Sequence[Target]) -> Tensor:
        """Differentiate several targets by the activations: float32 (B, K, C, *S); see :meth:`attribute`."""
        if not targets:
            batch, *rest = self.activations.shape
            return self.activations.new_empty((batch, 0, *rest), dtype=torch.float32)
        with torch.inference_mode(False):
            rows = [self._row(target) for target in targets]
            step = max(1, _CHUNK_BYTES // max(1, 4 * self.activations.numel()))
            chunks = [self._backward(rows[start : start + step]) for start in range(0, len(rows), step)]
            return torch.cat(chunks).transpose(0, 1).float()

    def with_output(self, output: Tensor) -> Forward:
        """Give the same forward with the prediction that a plain forward made."""
        return replace(self, output=output)

    def _row(self, target: Target) -> tuple[str, Tensor]:
        tensor = self._graph.get(target.layer)
        if tensor is None:
            raise UsageError(
                f"Layer {target.layer!r} is not tapped for nodes", "Give it to the tap as a node layer"
            )
        if not tensor.requires_grad:
            raise UsageError(
                f"Layer {target.layer!r} does not come after the map's layer",
                "Choose an earlier --layer for the map",
            )
        return target.layer, target.cotangent(tensor.detach())

    def _backward(self, rows: list[tuple[str, Tensor]]) -> Tensor:
        """Send rows of cotangents, one target for every sample each, back to the layer: (K, B, C, *S)."""
        layers = list(dict.fromkeys(layer for layer, _ in rows))
        tensors = [self._graph[layer] for layer in layers]
        weights = [
            torch.stack([row if layer == own else torch.zeros_like(tensor) for own, row in rows])
            for layer, tensor in zip(layers, tensors, strict=True)
        ]
        return _differentiate(tensors, self._leaf, weights)


def _differentiate(tensors: list[Tensor], leaf: Tensor, weights: list[Tensor]) -> Tensor:
    """Vector-Jacobian products of a stack of cotangents, in one batched backward where torch can."""
    if len(weights[0]) > 1:
        # Some operations cannot be batched, and say so in many words; a true fault shows again below.
        with suppress(RuntimeError):
            return _gradient(tensors, leaf, weights, batched=True)
    singles = zip(*(weight.unbind(0) for weight in weights), strict=True)
    return torch.stack([_gradient(tensors, leaf, list(single), batched=False) for single in singles])


def _gradient(tensors: list[Tensor], leaf: Tensor, weights: list[Tensor], *, batched: bool) -> Tensor:
    (gradient,) = torch.autograd.grad(
        tensors, leaf, weights, retain_graph=True, allow_unused=True, is_grads_batched=batched
    )
    if gradient is None:
        raise UsageError("The map's layer does not lead to the target", "Choose another --layer for the map")
    return gradient.detach()


def _finish(current: _Pass, output: object) -> Forward:
    tap = current.tap
    if current.leaf is None:
        raise UsageError(
            f"Layer {tap.layer!r} is not used in the forward", "Name a layer that the model runs"
        )
    for name in tap.node_layers:
        if name not in current.nodes:
            raise UsageError(f"Layer {name!r} is not used in the forward", "Name a layer that the model runs")
    if not isinstance(output, Tensor) or output.ndim != 2:
        shown = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise UsageError(
            f"The model's output is {shown}", "Give a classifier whose output is (batch, classes)"
        )
    graph = {**current.nodes, CLASS: output}
    nodes = {name: value.detach() for name, value in current.nodes.items()}
    return Forward(output.detach(), nodes, current.grids, current.leaf.detach(), current.leaf, graph)


def _spatial(output: object, layer: str) -> Tensor:
    if isinstance(output, Tensor) and output.ndim > 2:
        return output
    shown = f"of shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
    raise UsageError(
        f"Layer {layer!r} has no spatial grid, its output is {shown}", "Name a convolutional layer"
    )


def _check_differentiable(model: nn.Module) -> None:
    check_eval(model)
    if any(parameter.is_inference() for parameter in model.parameters()):
        raise UsageError(
            "The model's parameters were made under torch.inference_mode", "Load the model outside of it"
        )
