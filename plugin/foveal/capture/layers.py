"""The layers of a network as one forward runs them, and the choice of the right one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.utils.hooks import RemovableHandle

from foveal.errors import UsageError, nearest


@dataclass(frozen=True)
class Call:
    """One call of a module during a forward: its dotted name and the shape (B, C, *S) of what it gave."""

    name: str
    module: nn.Module
    shape: tuple[int, ...]

    @property
    def grid(self) -> tuple[int, ...]:
        """The spatial shape; empty where the output has a single position."""
        sides = self.shape[2:]
        return sides if prod(sides) > 1 else ()


def layer_names(model: nn.Module) -> list[str]:
    """Name every layer that a map or a node can be taken from, containers included."""
    return [name for name, _ in model.named_modules() if name]


def find_layer(model: nn.Module, name: str) -> nn.Module:
    """Look a layer up by its dotted name.

    Raises
    ------
    UsageError
        If there is none of that name; the nearest is named.
    """
    modules: dict[str, nn.Module] = dict(model.named_modules())
    if not name or name not in modules:
        raise UsageError(f"Unknown layer {name!r}", nearest(name, layer_names(model)))
    return modules[name]


def check_eval(model: nn.Module) -> None:
    """Raise a UsageError where a part of the model is in training mode: its samples would mix."""
    for name, module in model.named_modules():
        if module.training:
            part = f"Layer {name!r} of the model" if name else "The model"
            raise UsageError(f"{part} is in training mode", "Call model.eval() first")


def choose_layer(model: nn.Module, x: Tensor) -> str:
    """Choose the layer where the map is taken.

    Of the resolutions at which the network convolves, the last but one (the last where there is only one):
    there gradient times activation localises best (a planted mark is hit in 99 % of cases, against 92 % at
    the last convolution); a pool that only shrinks what the last convolution gave does not count, nor does a
    single position. Of the layers of that resolution, the last through which *everything* flows that the
    output depends on, so that no shortcut carries evidence past the map.

    Raises
    ------
    UsageError
        If the model is in training mode or has no spatial layer.
    """
    calls = _trace(model, x)
    grids = _grids([call for call in calls if isinstance(call.module, _ConvNd)]) or _grids(calls)
    if not grids:
        raise UsageError("The model has no layer with a spatial grid", "Name one with --layer")
    grid = grids[-2] if len(grids) > 1 else grids[-1]
    candidates = [call.name for call in _called_once(calls) if call.grid == grid]
    if not candidates:
        raise UsageError(f"Every layer of grid {grid} is called more than once", "Name one with --layer")
    whole = (name for name in reversed(candidates) if _carries_everything(model, x, name))
    return next(whole, min(reversed(candidates), key=lambda name: name.count(".")))


def choose_node_layer(model: nn.Module, x: Tensor) -> str:
    """Choose the layer whose nodes are the features: the last Linear before the final one.

    A network with one Linear gives its last spatial layer, whose channels are the nodes then. Linears that
    sit between spatial layers (squeeze and excitation) do not count.

    Raises
    ------
    UsageError
        If the model is in training mode or has neither.
    """
    calls = _trace(model, x)
    spatial = [index for index, call in enumerate(calls) if call.grid]
    head = calls[spatial[-1] + 1 :] if spatial else calls
    linears = [call.name for call in head if isinstance(call.module, nn.Linear) and len(call.shape) == 2]
    if len(linears) > 1:
        return linears[-2]
    channels = [call.name for call in _called_once(calls) if call.grid]
    if not channels:
        raise UsageError(
            "The model has no layer of nodes before its last one", "Name features such as 'fc1:7'"
        )
    return channels[-1]


def _trace(model: nn.Module, x: Tensor) -> list[Call]:
    """Run one forward and list the calls of every module, in the order in which they end."""
    check_eval(model)
    calls: list[Call] = []
    names = {module: name for name, module in model.named_modules() if name}

    def note(module: nn.Module, _args: object, output: object) -> None:
        if isinstance(output, Tensor):
            calls.append(Call(names[module], module, tuple(output.shape)))

    with _hooks([module.register_forward_hook(note) for module in names]):
        _plain(model, x)
    return calls


def _carries_everything(model: nn.Module, x: Tensor, name: str) -> bool:
    """Tell whether the output depends on the input through this layer alone.

    Held at what it gave for `x`, the layer must hold the output too, whatever else comes in.
    """
    kept: list[Tensor] = []

    def hold(_module: nn.Module, _args: object, output: Tensor) -> Tensor | None:
        if kept:
            return kept[0].clone()
        kept.append(output.clone())
        return None

    other = x + torch.linspace(-1, 1, x.numel(), dtype=x.dtype, device=x.device).view_as(x)
    with _hooks([find_layer(model, name).register_forward_hook(hold)]):
        first, second = _plain(model, x), _plain(model, other)
    return isinstance(first, Tensor) and isinstance(second, Tensor) and torch.equal(first, second)


def _plain(model: nn.Module, x: Tensor) -> object:
    with torch.inference_mode(False), torch.no_grad():
        return model(x.clone())


@contextmanager
def _hooks(handles: list[RemovableHandle]) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _grids(calls: list[Call]) -> list[tuple[int, ...]]:
    """Distinct grids in the order in which the network leaves them for good."""
    last_use = {call.grid: index for index, call in enumerate(calls) if call.grid}
    return sorted(last_use, key=last_use.__getitem__)


def _called_once(calls: list[Call]) -> list[Call]:
    count = Counter(call.name for call in calls)
    return [call for call in calls if count[call.name] == 1]
