"""The tap that fits a model, and which of its features are watched: a table by type of module."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from foveal.capture import SCRIPTED_LAYER, ScriptedTap, Tap, choose_layer, choose_node_layer
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.facades.occluded import CELLS, Occluded
from foveal.features import node_layers

#: A tap, and the patterns of the features that it can explain.
Tapped: TypeAlias = tuple[Tap | ScriptedTap, tuple[str, ...]]


def tapped(model: nn.Module, config: FovealConfig, example: Tensor) -> Tapped:
    """Tap a model.

    Parameters
    ----------
    model
        The network, in eval mode.
    config
        Which layers and features are asked for.
    example
        A batch (B, C, *S); layers that are left to us are chosen on it.

    Raises
    ------
    UsageError
        If a layer or feature does not exist.
    """
    tap = next(tap for kind, tap in _TAPS.items() if isinstance(model, kind))
    return tap(model, config, example)


def _eager(model: nn.Module, config: FovealConfig, example: Tensor) -> Tapped:
    layer = choose_layer(model, example) if config.layer == "auto" else config.layer
    patterns = (choose_node_layer(model, example),) if config.features == "auto" else config.features
    return Tap(model, layer, node_layers(patterns) or [choose_node_layer(model, example)]), patterns


def _scripted(model: nn.Module, config: FovealConfig, example: Tensor) -> Tapped:
    """Tap TorchScript, whose layers have no names but ours."""
    if not isinstance(model, torch.jit.ScriptModule):
        raise TypeError("no TorchScript")
    patterns = _only(SCRIPTED_LAYER, config, "The model is TorchScript", (SCRIPTED_LAYER,))
    return ScriptedTap(model, example), patterns


def _asked(model: nn.Module, config: FovealConfig, example: Tensor) -> Tapped:  # noqa: ARG001 - as the others
    """Tap a model that can only be asked: its classes are its features."""
    patterns = _only(CELLS, config, "The model can only be asked", ("class:*",))
    return Tap(model, CELLS, node_layers(patterns)), patterns


def _only(layer: str, config: FovealConfig, what: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    """Give the patterns of a model that has one layer alone."""
    patterns = usual if config.features == "auto" else config.features
    unknown = [name for name in (config.layer, *node_layers(patterns)) if name not in ("auto", layer)]
    if unknown:
        raise UsageError(
            f"{what}, which has no layer {unknown[0]!r}",
            f"Leave layer and features at 'auto', or name {layer!r} or classes",
        )
    return patterns


#: What a model is -> how it is tapped; the first that fits counts.
_TAPS: dict[type[nn.Module], Callable[[nn.Module, FovealConfig, Tensor], Tapped]] = {
    torch.jit.ScriptModule: _scripted,
    Occluded: _asked,
    nn.Module: _eager,
}
