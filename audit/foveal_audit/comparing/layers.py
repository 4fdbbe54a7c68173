"""The layers of a network from shallow to deep, one per resolution."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from foveal.capture import choose_layer
from foveal.capture.grids import read_layout


@dataclass(frozen=True)
class _Ended:
    """A module that ended, with the grid that it gave."""

    name: str
    convolves: bool
    grid: tuple[int, ...]


def layers_by_depth(model: nn.Module, x: Tensor) -> list[str]:
    """Name the last layer of each resolution at which the network convolves, and the one chosen by ``auto``.

    Parameters
    ----------
    model
        The network, in eval mode.
    x
        A batch (B, C, *S).

    Returns
    -------
    list of str
        In the order in which a forward leaves them, shallow first.

    Raises
    ------
    UsageError
        If the network has no spatial layer.
    """
    chosen = choose_layer(model, x)
    ended = _trace(model, x)
    grids = dict.fromkeys(one.grid for one in ended if one.convolves and one.grid)
    last = {one.name for grid in grids for one in _last(ended, grid)}
    names = [one.name for one in ended if one.name in {*last, chosen}]
    return list(dict.fromkeys(names))


def _last(ended: list[_Ended], grid: tuple[int, ...]) -> list[_Ended]:
    """Give the last module of a grid that the forward runs once; none where all run more often."""
    times = Counter(one.name for one in ended)
    return [one for one in ended if one.grid == grid and times[one.name] == 1][-1:]


def _trace(model: nn.Module, x: Tensor) -> list[_Ended]:
    ended: list[_Ended] = []

    def note(name: str, module: nn.Module, output: object) -> None:
        if isinstance(output, Tensor):
            layout = read_layout(module, model, output, x)
            grid = tuple(layout.to_grid(output).shape[2:]) if layout else ()
            ended.append(_Ended(name, isinstance(module, _ConvNd), grid if prod(grid) > 1 else ()))

    handles = [
        module.register_forward_hook(lambda module, _args, output, name=name: note(name, module, output))
        for name, module in model.named_modules()
        if name
    ]
    try:
        with torch.inference_mode(mode=False), torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return ended
