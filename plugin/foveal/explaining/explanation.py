"""Explain a batch from Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from foveal.attribution import InputMethod, LayerMethod, Method, check_options, get_method
from foveal.capture import (
    Batch,
    Inputs,
    ScoreTarget,
    Selector,
    Tap,
    TappedSubject,
    Target,
    check_finite,
    choose_layer,
    naming_samples,
    parse_target,
)
from foveal.config import DEFAULT_METHOD
from foveal.errors import UsageError
from foveal.features import CLASS

#: A unit as users name it: text, a target, or a function of the scores (B, n) that gives (B,).
Unit: TypeAlias = str | Target | Callable[[Tensor], Tensor]

#: Stands where a layer stands, for maps on the input itself.
INPUT = "input"


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a model predicts for a batch, and the maps of what it looks at.

    Attributes
    ----------
    output
        The model's own scores (B, n), as without us.
    maps
        Raw signed float32 maps (B, K, *grid), one per target, on the layer's grid or the input's.
    layer
        Name of the layer; ``input`` for maps on the input.
    targets
        The targets, as they were given.
    method
        Name of the attribution method.
    """

    output: Tensor
    maps: Tensor
    layer: str
    targets: tuple[str, ...]
    method: str


def explain(
    model: nn.Module,
    x: Batch,
    *,
    layer: str = "auto",
    targets: Unit | Sequence[Unit] = ("top",),
    method: str = DEFAULT_METHOD,
    options: Mapping[str, Any] | None = None,
    output: Selector = None,
    seed: int = 0,
    training: Tensor | None = None,
) -> Explanation:
    """Explain what a model looks at in a batch.

    Parameters
    ----------
    model
        The network, in eval mode; it is left as it was.
    x
        Batch (B, C, *S), as the model takes it; a tuple or mapping where it takes several inputs, of which
        the first floating tensor is explained.
    layer
        Name of the layer where the maps are taken, or ``auto``. ``NAME#2`` is the second call of a layer,
        ``encoder.-1`` the last child.
    targets
        ``top`` (each sample's predicted class), ``class:K``, ``LAYER:INDEX``, ``LAYER:INDEX@max``,
        ``LAYER:INDEX@Y,X``, ``contribution``; ``pixel:K,Y,X`` and ``segment:K`` for outputs with positions;
        a :class:`~foveal.capture.Target`; or a function of the scores that gives a scalar per sample.
    method
        Name of an attribution method; see ``foveal methods``.
    options
        The method's own options.
    output
        Which part of the model's output is explained, where it gives back several: key, position, function.
    seed
        Seeds methods that draw.
    training
        Samples (N, C, *S), for methods that need data.

    Returns
    -------
    Explanation

    Raises
    ------
    foveal.errors.UsageError
        For an unknown layer, target, method or option, a target out of range, a model in training mode,
        numbers that are not finite, or a batch that does not fit the model.
    """
    parsed, names = _read_units(targets)
    chosen = get_method(method)
    check_options(chosen, options or {})
    with naming_samples(["x"], Inputs.of(x).main):
        place = place_of(chosen, model, x, layer)
        with Tap(model, place, target_layers(parsed), output=output) as tap:
            if isinstance(chosen, LayerMethod):
                return Explanation(*_at_layer(tap, chosen, x, parsed), tap.layer, names, method)
            subject = TappedSubject(tap, x, parsed, layer=place and tap.layer, seed=seed, training=training)
            maps = attribute(chosen, subject, options or {})
            return Explanation(subject.output, maps, (place and tap.layer) or INPUT, names, method)


def _read_units(targets: Unit | Sequence[Unit]) -> tuple[list[Target], tuple[str, ...]]:
    """Give the units that are asked for, as they are understood and by name."""
    units = [targets] if isinstance(targets, str) or not isinstance(targets, Sequence) else list(targets)
    return [read_unit(unit) for unit in units], tuple(
        unit if isinstance(unit, str) else _name(unit) for unit in units
    )


def _at_layer(tap: Tap, method: LayerMethod, x: Batch, units: list[Target]) -> tuple[Tensor, Tensor]:
    """Give the output and the maps of the one forward that a layer's method takes."""
    if method.linear_head:
        tap.calibrate(x)
    forward = tap.forward(x)
    return forward.output, forward.attribute(units, method.name)


def attribute(method: Method, subject: TappedSubject, options: Mapping[str, Any]) -> Tensor:
    """Run an input method on a subject: raw signed float32 maps (B, K, *grid).

    Raises
    ------
    UsageError
        If the method gives numbers that are not finite, or finds the model or an option wrong.
    """
    if not isinstance(method, InputMethod):
        raise TypeError(f"{method.name} is no input method")
    with torch.inference_mode(False), torch.no_grad():
        maps = method.attribute(subject, **options).detach()
        check_finite(subject.x, subject.x, maps, subject.layer or INPUT)
        return maps.float()


def place_of(method: Method, model: nn.Module, x: Batch, layer: str) -> str | None:
    """Say at which layer a method works; None where its maps lie on the input.

    Raises
    ------
    UsageError
        If a layer is named for a method that maps the input alone.
    """
    if method.place == "layer":
        return choose_layer(model, x) if layer == "auto" else layer
    if layer in ("auto", INPUT):
        return None
    if method.place == "input":
        raise UsageError(f"Method {method.name!r} maps the input, not layer {layer!r}", "Leave the layer out")
    return layer


def read_unit(unit: Unit) -> Target:
    """Turn text or a function into a target; see :func:`explain`."""
    if isinstance(unit, str):
        return parse_target(unit)
    return unit if isinstance(unit, Target) else ScoreTarget(unit)


def target_layers(targets: Sequence[Target]) -> list[str]:
    """Name the layers whose nodes the targets ask for, each once."""
    return list(dict.fromkeys(target.layer for target in targets if target.layer != CLASS))


def _name(unit: object) -> str:
    return str(getattr(unit, "__name__", unit))
