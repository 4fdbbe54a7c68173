"""The choice of the layers where maps and nodes are taken, by one look at how the network runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from foveal.capture.grids import Layout, read_layout
from foveal.capture.hooks import hooked
from foveal.capture.inputs import Batch, Inputs
from foveal.capture.layers import check_eval, find_layer
from foveal.capture.opening import check_hookable, open_model
from foveal.capture.outputs import first_tensor, with_tensor
from foveal.capture.reach import SHARP, is_averaged, reach
from foveal.capture.targets import TopClass
from foveal.errors import UsageError


@dataclass(frozen=True)
class Call:
    """One call of a module during a forward.

    Attributes
    ----------
    name, module
        The layer.
    width
        Number of axes of what it gave.
    layout
        How that is arranged in space; None where it has no positions.
    grid
        The spatial shape; empty where there is a single position or none.
    """

    name: str
    module: nn.Module
    width: int
    layout: Layout | None
    grid: tuple[int, ...]

    @property
    def mixes(self) -> bool:
        """Whether new features are made at this resolution: by a convolution, or among tokens."""
        convolves = isinstance(self.module, _ConvNd) or getattr(self.module, "convolves", False)
        return convolves or (self.layout is not None and self.layout.kind != "channels-first")

    @property
    def is_dense(self) -> bool:
        """Whether it is a fully connected layer that gives one row of nodes per sample."""
        dense = isinstance(self.module, nn.Linear) or getattr(self.module, "dense", False)
        return dense and self.width == 2


def choose_layer(model: nn.Module, x: Batch) -> str:
    """Choose the layer where the map is taken.

    Where the head takes an average over space, the last resolution at which the network convolves (or mixes
    tokens): there the map is exact, and its gradient next to free. Elsewhere the deepest resolution whose
    cells see no more than half of the sample along each axis: deeper cells are rich, but the map no longer
    says where. Where that cannot be told (attention sees everything), the last resolution but one.

    Of the layers of that resolution, the last through which *everything* flows that the output depends on,
    so that no shortcut carries evidence past the map; in a transformer that reads a class token, the last
    whose patches still lead to it.

    Raises
    ------
    UsageError
        If the model is in training mode, is TorchScript, or has no spatial layer.
    """
    model = open_model(model)
    if pinned := _pinned(model, "layer", x):
        return pinned
    calls = _trace(model, x)
    grids = _grids([call for call in calls if call.mixes]) or _grids(calls)
    if not grids:
        raise UsageError("The model has no layer with a spatial grid", "Name one with --layer")
    usual = grids[-2] if len(grids) > 1 else grids[-1]
    last_whole = cache(partial(_last_whole, model, x, calls))
    last = last_whole(grids[-1])
    if last is not None and is_averaged(model, x, last):
        return last
    layers = (last_whole(grid) for grid in reversed(grids))
    sharp = (layer for layer in layers if layer is not None and reach(model, x, layer) <= SHARP)
    found = next(sharp, None) or last_whole(usual)
    if found is None:
        raise UsageError(f"Every layer of grid {usual} is called more than once", "Name one with --layer")
    return found


def _last_whole(model: nn.Module, x: Batch, calls: list[Call], grid: tuple[int, ...]) -> str | None:
    """Name the last layer of a resolution through which everything flows; None if none is called once."""
    candidates = [call for call in _called_once(calls) if call.grid == grid]
    candidates = _leading(model, x, candidates) or candidates
    names = [call.name for call in reversed(candidates)]
    whole = (name for name in names if _carries_everything(model, x, name))
    return next(whole, min(names, key=lambda name: name.count("."), default=None))


def choose_node_layer(model: nn.Module, x: Batch) -> str:
    """Choose the layer whose nodes are the features: the last Linear before the final one.

    A network with one Linear gives its last spatial layer, whose channels are the nodes then. Linears that
    sit between spatial layers (squeeze and excitation) do not count.

    Raises
    ------
    UsageError
        If the model is in training mode or has neither.
    """
    model = open_model(model)
    if pinned := _pinned(model, "nodes", x):
        return pinned
    calls = _trace(model, x)
    spatial = [index for index, call in enumerate(calls) if call.grid]
    head = calls[spatial[-1] + 1 :] if spatial else calls
    linears = [call.name for call in head if call.is_dense]
    if len(linears) > 1:
        return linears[-2]
    channels = [call.name for call in _called_once(calls) if call.grid]
    if not channels:
        raise UsageError(
            "The model has no layer of nodes before its last one", "Name features such as 'fc1:7'"
        )
    return channels[-1]


def choose_last_features(model: nn.Module, x: Batch) -> str:
    """Choose the layer whose features the scores of all positions are read from by the last convolution.

    It is the last one before that convolution through which everything flows.

    Raises
    ------
    UsageError
        If the model is in training mode or has no such layer.
    """
    calls = _trace(model, x)
    last = max((index for index, call in enumerate(calls) if call.grid and call.mixes), default=0)
    before = [call for call in _called_once(calls[:last]) if call.grid]
    names = (call.name for call in reversed(before))
    found = next((name for name in names if _carries_everything(model, x, name)), None)
    if found is None:
        raise UsageError("The model has no layer of features before its last one", "Name one with --layer")
    return found


def _pinned(model: nn.Module, which: str, x: Batch) -> str | None:
    """Give the choice that a model comes with: made when it was packed, or by a rule of its own."""
    pinned = getattr(model, "pinned", None)
    if callable(pinned):
        chosen: str = pinned(which, x)
        return chosen
    return pinned.get(which) if isinstance(pinned, dict) else None


def _trace(model: nn.Module, x: Batch) -> list[Call]:
    """Run one forward and list the calls of every module, in the order in which they end."""
    check_hookable(model)
    check_eval(model)
    inputs = Inputs.of(x)
    try:
        return _calls(model, _at_least_two(inputs))
    except RuntimeError:
        # Some networks take one sample at a time; and what does not fit at all is told in its own size.
        return _calls(model, inputs)


def _calls(model: nn.Module, inputs: Inputs) -> list[Call]:
    calls: list[Call] = []
    names = {module: name for name, module in model.named_modules() if name}

    def note(module: nn.Module, _args: object, output: object) -> None:
        given = _given(module, output)
        if given is not None:
            layout = read_layout(module, model, given, inputs.main)
            sides = tuple(layout.to_grid(given).shape[2:]) if layout else ()
            calls.append(Call(names[module], module, given.ndim, layout, sides if prod(sides) > 1 else ()))

    with hooked((module, note) for module in names):
        _plain(model, inputs)
    return calls


def _given(module: nn.Module, output: object) -> Tensor | None:
    """Give the tensor that a module is there for; modules of exported programs spill lengths beside it."""
    return first_tensor(output) if isinstance(output, Tensor) or getattr(module, "spills", False) else None


def _at_least_two(inputs: Inputs) -> Inputs:
    """Repeat a single sample: what then still comes alone is no layer of samples."""
    main = inputs.main
    return inputs if len(main) > 1 else inputs.with_main(main.repeat(2, *[1] * (main.ndim - 1)))


def _leading(model: nn.Module, x: Batch, calls: list[Call]) -> list[Call]:
    """Keep the layers whose patches lead to the prediction; behind the last attention only a token may."""
    tokens = [call for call in calls if call.layout is not None and call.layout.prefix]
    if not tokens:
        return calls
    gradients = _gradients(model, Inputs.of(x), tokens)
    lost = {call.name for call in tokens if not _patches_in(gradients.get(call.name), call.layout)}
    return [call for call in calls if call.name not in lost]


def _patches_in(gradient: Tensor | None, layout: Layout | None) -> bool:
    return gradient is not None and layout is not None and bool(layout.to_grid(gradient).any())


def _gradients(model: nn.Module, inputs: Inputs, calls: list[Call]) -> dict[str, Tensor]:
    """Differentiate the predicted class by the outputs of many layers, in one forward and backward."""
    outputs: dict[str, Tensor] = {}

    def keeping(name: str) -> Callable[[nn.Module, object, object], None]:
        def keep(_module: nn.Module, _args: object, output: object) -> None:
            if (tensor := first_tensor(output)) is not None:
                outputs[name] = tensor

        return keep

    hooks = [(call.module, keeping(call.name)) for call in calls]
    with hooked(hooks), torch.inference_mode(False), torch.enable_grad():
        x = inputs.main.detach().clone().requires_grad_()
        scores = first_tensor(inputs.with_main(x).call(model))
        kept = {name: output for name, output in outputs.items() if output.requires_grad}
        if scores is None or not kept:
            return {}
        scores = scores.flatten(2).mean(-1) if scores.ndim > 2 else scores
        top = (scores * TopClass().cotangent(scores.detach())).sum()
        found = torch.autograd.grad(top, list(kept.values()), allow_unused=True)
    return {name: one for name, one in zip(kept, found, strict=True) if one is not None}


def _carries_everything(model: nn.Module, x: Batch, name: str) -> bool:
    """Tell whether the output depends on the input through this layer alone.

    Held at what it gave for `x`, the layer must hold the output too, whatever else comes in.
    """
    kept: list[Tensor] = []

    def hold(_module: nn.Module, _args: object, output: object) -> object:
        tensor = first_tensor(output)
        if tensor is None:
            return None
        if kept:
            return with_tensor(output, tensor, kept[0].clone())
        kept.append(tensor.clone())
        return None

    inputs = Inputs.of(x)
    wave = torch.linspace(-1, 1, inputs.main.numel(), dtype=inputs.main.dtype, device=inputs.main.device)
    other = inputs.with_main(inputs.main + wave.view_as(inputs.main))
    with hooked([(find_layer(model, name), hold)]):
        first, second = _plain(model, inputs), _plain(model, other)
    return first is not None and second is not None and torch.equal(first, second)


def _plain(model: nn.Module, inputs: Inputs) -> Tensor | None:
    with torch.inference_mode(False), torch.no_grad():
        return first_tensor(inputs.call(model))


def _grids(calls: list[Call]) -> list[tuple[int, ...]]:
    """Distinct grids in the order in which the network leaves them for good."""
    last_use = {call.grid: index for index, call in enumerate(calls) if call.grid}
    return sorted(last_use, key=last_use.__getitem__)


def _called_once(calls: list[Call]) -> list[Call]:
    count = Counter(call.name for call in calls)
    return [call for call in calls if count[call.name] == 1]
