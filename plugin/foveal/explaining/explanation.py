"""Explain a batch from Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn

from foveal.attribution import get_method
from foveal.capture import NodeTarget, Tap, choose_layer, naming_samples, parse_target
from foveal.features import CLASS

if TYPE_CHECKING:
    from foveal.capture import Target


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a model predicts for a batch, and the maps of what it looks at.

    Attributes
    ----------
    output
        The model's own output (B, n), as without us.
    maps
        Raw signed float32 maps (B, K, *grid), one per target, on the layer's grid.
    layer
        Dotted name of the layer.
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
    x: Tensor,
    *,
    layer: str = "auto",
    targets: str | Sequence[str] = ("top",),
    method: str = "gradcam",
) -> Explanation:
    """Explain what a model looks at in a batch.

    Parameters
    ----------
    model
        The network, in eval mode; it is left as it was.
    x
        Batch (B, C, *S), as the model takes it.
    layer
        Dotted name of the layer where the maps are taken, or ``auto``.
    targets
        ``top`` (each sample's predicted class), ``class:K``, ``LAYER:INDEX`` or ``contribution``.
    method
        Name of an attribution method; see ``foveal.attribution.METHODS``.

    Returns
    -------
    Explanation

    Raises
    ------
    foveal.errors.UsageError
        For an unknown layer, target or method, a target out of range, a model in training mode, or a batch
        that does not fit the model.
    """
    names = (targets,) if isinstance(targets, str) else tuple(targets)
    parsed = [parse_target(name) for name in names]
    get_method(method)
    with naming_samples(["x"], x):
        chosen = choose_layer(model, x) if layer == "auto" else layer
        with Tap(model, chosen, target_layers(parsed)) as tap:
            forward = tap.forward(x)
            return Explanation(forward.output, forward.attribute(parsed, method), chosen, names, method)


def target_layers(targets: Sequence[Target]) -> list[str]:
    """Name the layers whose nodes the targets ask for, each once."""
    layers = (target.layer for target in targets if isinstance(target, NodeTarget))
    return list(dict.fromkeys(layer for layer in layers if layer != CLASS))
