"""A tap on a served network: its own forward also yields activations, nodes and gradients.

The forward runs without a graph up to the map's layer. There a hook cuts the activations off, switches
gradients on and hands a copy on, so that only the short rest of the network keeps a graph; the
surrounding ``no_grad`` switches them off again. Nothing is added to the prediction but that copy.

The hooks are installed once. What they do is decided by a context variable, so threads that share the model
do not meet, and a forward that is not the tap's own passes untouched.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from foveal.capture.class_token import ClassTokenHead, attend, find_class_token_head, is_masked
from foveal.capture.forward import Forward, Head
from foveal.capture.grids import Layout, read_layout
from foveal.capture.inputs import Batch, Inputs
from foveal.capture.layers import LayerName, check_eval, read_layer
from foveal.capture.linear_head import find_linear_head
from foveal.capture.opening import check_hookable, open_model
from foveal.capture.outputs import Selector, detached, first_tensor, select, with_tensor
from foveal.capture.values import Values
from foveal.errors import UsageError
from foveal.features import CLASS


@dataclass(eq=False)
class Pass:
    """What the hooks of one tap do and collect during one forward.

    Attributes
    ----------
    tap
        Whose forward it is.
    x
        The explained input, which tells grids.
    graft
        Whether to cut the graph at the map's layer; else the whole forward keeps the caller's mode.
    closed
        Whether the gradients are known without a graph.
    leaf, layout
        The cut-off output of the map's layer, and how it is arranged.
    token
        The class token as it entered the layer's block.
    values
        Per node layer what it gave.
    calls
        How often each hooked module was called.
    """

    tap: Tap
    x: Tensor
    graft: bool = True
    closed: bool = False
    leaf: Tensor | None = None
    token: Tensor | None = None
    layout: Layout = field(default_factory=Layout)
    values: dict[str, Values] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)

    def reached(self, layer: LayerName) -> bool:
        """Count a call of a layer and tell whether it is the one meant (of the last: each until then)."""
        self.calls[str(layer)] += 1
        return layer.call is None or layer.call == self.calls[str(layer)]


_PASS: ContextVar[Pass | None] = ContextVar("foveal_pass", default=None)


def is_tapping() -> bool:
    """Tell whether the forward that runs now is a tap's own."""
    return _PASS.get() is not None


def is_taps_own(hook: object) -> bool:
    """Tell whether a hook is a tap's, which does nothing but in the tap's own forwards."""
    return isinstance(hook, _Recorder) or isinstance(getattr(hook, "__self__", None), Tap)


class Tap:
    """Hooks on a model that let one forward give the prediction and all that maps are made of.

    Parameters
    ----------
    model
        The network, in eval mode. Nothing about it is changed but the hooks, and these go with :meth:`close`.
    layer
        Name of the layer whose grid carries the maps, as :func:`~foveal.capture.layers.read_layer` takes
        it; its output is (B, C, *S), or a transformer's tokens. None where no layer is mapped.
    node_layers
        Layers whose nodes can be explained: output (B, N), or with positions, which are averaged.
    output
        Which part of the model's output is explained, where it gives back several.

    Raises
    ------
    UsageError
        For an unknown layer, a model in training mode, TorchScript, or parameters made under
        ``torch.inference_mode``.
    """

    def __init__(
        self,
        model: nn.Module,
        layer: str | None,
        node_layers: Sequence[str] = (),
        *,
        output: Selector = None,
    ) -> None:
        self.model = open_model(model)
        self._output = output
        self._separate = False
        self._head: Head | None = None
        self._head_handles: list[torch.utils.hooks.RemovableHandle] = []
        self._layouts: dict[tuple[object, ...], Layout | None] = {}
        self._handles: list[torch.utils.hooks.RemovableHandle] = []
        if layer is not None or node_layers or not isinstance(self.model, torch.jit.ScriptModule):
            check_hookable(self.model)
        self._layer = None if layer is None else read_layer(self.model, layer)
        self._nodes = {name: read_layer(self.model, name) for name in node_layers}
        self._install()

    def _install(self) -> None:
        # The graft goes first, so that a node layer that is also the map's layer sees the grafted output.
        if self._layer is not None:
            self._handles = [self._layer.module.register_forward_hook(self._graft)]
        self._handles += [
            layer.module.register_forward_hook(_Recorder(self, name, layer))
            for name, layer in self._nodes.items()
        ]

    @property
    def layer(self) -> str:
        """Name of the map's layer, negative positions resolved."""
        return str(self._layer)

    @property
    def node_layers(self) -> tuple[str, ...]:
        """The node layers as they were given."""
        return tuple(self._nodes)

    def __enter__(self) -> Tap:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the hooks off; the model is as it was."""
        self._forget_head()
        while self._handles:
            self._handles.pop().remove()

    def calibrate(self, example: Batch) -> bool:
        """Compare the tap's prediction with the plain one, bit for bit, and look for a linear head.

        Some modules take a faster path without gradients that rounds differently. Where that shows,
        predictions are made by a plain forward of their own from now on. Where all that follows the layer
        is an average and one Linear, gradients of classes are known without a backward; that is held
        against autograd here, once.

        Returns
        -------
        bool
            Whether one forward is enough.
        """
        self._separate = False
        self._forget_head()
        forward = self.forward(example)
        self._learn_head(forward, example)
        known = forward if self._head is None else self.forward(example)
        plain = self._plain(Inputs.of(example))
        told_apart = not torch.equal(known.output, self.select(plain))
        self._separate = told_apart or not _is_same(known.prediction, plain)
        return not self._separate

    def _learn_head(self, forward: Forward, example: Batch) -> None:
        self._head = find_linear_head(self.model, forward, example)
        if self._head is None and self._layer is not None and self._layer.call is None:
            self._head = find_class_token_head(self.model, self._layer.module, forward, example)
        if isinstance(self._head, ClassTokenHead):
            block, attention = self._head.block, self._head.attention
            self._head_handles = [
                block.register_forward_pre_hook(self._keep_token),
                attention.register_forward_hook(self._attended, with_kwargs=True),
            ]

    def _forget_head(self) -> None:
        self._head = None
        while self._head_handles:
            self._head_handles.pop().remove()

    def _keep_token(self, _module: nn.Module, args: tuple[Any, ...]) -> None:
        current = _PASS.get()
        if current is not None and current.tap is self and current.closed:
            current.token = args[0][:, :1].clone()

    def _attended(
        self,
        module: nn.Module,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        output: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        current = _PASS.get()
        if current is None:
            return attend(module, args, output)
        if current.tap is self and is_masked(args, kwargs):
            current.token = None
        return None

    def forward(self, x: Batch) -> Forward:
        """Predict, under whatever gradient or inference mode the caller is in.

        Parameters
        ----------
        x
            Batch (B, C, *S), as the model takes it; a tuple or mapping where it takes several inputs.

        Raises
        ------
        UsageError
            If the model is in training mode, its output is not (B, classes), or a layer does not fit.
        """
        return self._forward(Inputs.of(x), closed=self._knows_all())

    def overhear(self, inputs: Inputs, forward: Callable[..., object]) -> tuple[object, Forward]:
        """Predict in somebody else's stead: his prediction, bit for bit, and what it was made of.

        Parameters
        ----------
        inputs
            What the model is called with.
        forward
            The model's own ``forward``.
        """
        if self._separate:
            return forward(*inputs.args, **inputs.kwargs), self._forward(inputs, closed=self._knows_all())
        heard = self._forward(inputs, closed=self._knows_all(), forward=forward)
        return heard.prediction, heard

    def _knows_all(self) -> bool:
        """Tell whether the head knows the way to all nodes, which makes the graph superfluous."""
        if self._head is None:
            return False
        mapped = self._mapped() if self._head.averages else frozenset()
        return self._head.covers([layer.module for name, layer in self._nodes.items() if name not in mapped])

    def _mapped(self) -> frozenset[str]:
        """Name the node layers that are the map's layer itself."""
        return frozenset(name for name, layer in self._nodes.items() if layer == self._layer)

    def _forward(
        self, inputs: Inputs, *, closed: bool, forward: Callable[..., object] | None = None
    ) -> Forward:
        current = Pass(self, inputs.main, closed=closed)
        with torch.inference_mode(False), torch.no_grad():
            prediction = self.run(inputs, current, forward)
            self.check_reached(current)
            output = select(prediction, self._output)
            return self._finish(current, inputs, output, prediction)

    def run(self, inputs: Inputs, current: Pass, forward: Callable[..., object] | None = None) -> object:
        """Run the model in the caller's gradient mode, the hooks collecting into the pass."""
        if self.model.training:
            check_eval(self.model)
        token = _PASS.set(current)
        try:
            return inputs.call(forward or self.model)
        finally:
            _PASS.reset(token)

    def select(self, prediction: object) -> Tensor:
        """Pick the explained scores out of the model's output."""
        return select(prediction, self._output)

    def check_reached(self, current: Pass) -> None:
        """Raise a UsageError where a tapped layer was not run."""
        layers = [*self._nodes.items()] + (
            [(self.layer, self._layer)] if self._layer and current.graft else []
        )
        for name, layer in layers:
            if layer is not None and not (current.calls[str(layer)] >= (layer.call or 1)):
                raise UsageError(
                    f"Layer {name!r} is not used in the forward", "Name a layer that the model runs"
                )

    def _plain(self, inputs: Inputs) -> object:
        with torch.inference_mode(False), torch.no_grad():
            return inputs.call(self.model)

    def _graft(self, module: nn.Module, _args: object, output: object) -> object:
        current = _PASS.get()
        if current is None or current.tap is not self or not current.graft or self._layer is None:
            return None
        if not current.reached(self._layer):
            return None
        tensor = first_tensor(output)
        layout = None if tensor is None else self._layout(module, tensor, current.x)
        if tensor is None or layout is None:
            raise _no_grid(output, self.layer)
        current.layout, current.leaf = layout, tensor.detach()
        if not current.closed:
            current.leaf.requires_grad_()
            torch.set_grad_enabled(True)
        # A copy: the network may go on in place, the activations must stay.
        return with_tensor(output, tensor, current.leaf.clone())

    def _layout(self, module: nn.Module, output: Tensor, x: Tensor) -> Layout | None:
        key = (id(module), output.shape, x.shape)
        if key not in self._layouts:
            self._layouts[key] = read_layout(module, self.model, output, x)
        return self._layouts[key]

    def record(self, name: str, layer: LayerName, output: object, current: Pass) -> None:
        """Keep what a node layer gave; the network goes on with its own tensor."""
        tensor = first_tensor(output)
        if tensor is None or tensor.ndim < 2:
            raise UsageError(f"Layer {name!r} gives no nodes", "Name a layer whose output is (batch, nodes)")
        layout = self._layout(layer.module, tensor, current.x) if tensor.ndim > 2 else None
        if current.closed and current.leaf is not None and layer == self._layer:
            current.values[name] = Values.kept(current.leaf, layout)
        else:
            current.values[name] = Values.of(tensor, layout)

    def _finish(self, current: Pass, inputs: Inputs, output: Tensor, prediction: object) -> Forward:
        if self._separate:
            prediction = self._plain(inputs)
            result = self.select(prediction)
        else:
            result = output.detach()
        return Forward(
            output=result,
            prediction=detached(prediction),
            x=inputs.main,
            values={**current.values, CLASS: Values.of(output, Layout() if output.ndim > 2 else None)},
            leaf=current.leaf,
            layout=current.layout,
            layer=self.layer,
            head=self._head,
            token=current.token,
            modules={name: layer.module for name, layer in self._nodes.items()},
            mapped=self._mapped(),
            again=lambda: self._forward(inputs, closed=False),
        )


def _is_same(one: object, other: object) -> bool:
    """Tell whether two predictions, however nested, hold the same numbers, bit for bit."""
    pairs = zip(tree_leaves(one), tree_leaves(other), strict=True)
    return all(torch.equal(a, b) for a, b in pairs if isinstance(a, Tensor) and isinstance(b, Tensor))


@dataclass(frozen=True, eq=False)
class _Recorder:
    """The hook of one node layer."""

    tap: Tap
    name: str
    layer: LayerName

    def __call__(self, _module: nn.Module, _args: object, output: object) -> None:
        current = _PASS.get()
        if current is not None and current.tap is self.tap and current.reached(self.layer):
            # A method that replaces operations is not to see ours.
            with torch._C.DisableTorchFunction():
                self.tap.record(self.name, self.layer, output, current)


def _no_grid(output: object, layer: str) -> UsageError:
    shown = f"of shape {tuple(output.shape)}" if isinstance(output, Tensor) else f"a {type(output).__name__}"
    return UsageError(
        f"Layer {layer!r} has no spatial grid, its output is {shown}", "Name a convolutional layer"
    )
