"""The names of features: ``fc1:7``, ``class:3``, ``contribution:12``, and the patterns that choose them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from foveal.errors import UsageError, nearest

#: Stands where a layer stands, for the logits.
CLASS = "class"
#: Stands where a layer stands, for windows of class contribution.
CONTRIBUTION = "contribution"


@dataclass(frozen=True, order=True)
class FeatureName:
    """The name of one feature, or of all features of a layer.

    Attributes
    ----------
    layer
        Dotted module name, ``class`` or ``contribution``.
    index
        Node, class or unit, from 0; None stands for all of the layer.
    """

    layer: str
    index: int | None = None

    def __str__(self) -> str:
        if self.index is not None:
            return f"{self.layer}:{self.index}"
        return "class:*" if self.layer == CLASS else self.layer

    @classmethod
    def parse(cls, text: str) -> FeatureName:
        """Read ``LAYER:INDEX``, ``LAYER``, ``LAYER:*``, ``class:K``, ``class:*``, ``contribution[:UNIT]``.

        Raises
        ------
        UsageError
            If the layer is empty or the index is neither a whole number nor ``*``.
        """
        layer, separator, index = text.strip().partition(":")
        if not layer or (separator and not (index == "*" or (index.isascii() and index.isdigit()))):
            raise UsageError(
                f"Feature {text!r} is not a name", "Write LAYER:INDEX, LAYER, class:K or class:*"
            )
        return cls(layer, int(index) if index not in ("", "*") else None)


def node_layers(features: Iterable[str]) -> list[str]:
    """Name the layers whose nodes the features ask for, each once, in order."""
    layers = (FeatureName.parse(text).layer for text in features)
    return list(dict.fromkeys(layer for layer in layers if layer not in (CLASS, CONTRIBUTION)))


def expand(features: Iterable[str], widths: Mapping[str, int]) -> list[FeatureName]:
    """Resolve patterns into single features, each once, in the order given.

    Parameters
    ----------
    features
        Names and patterns as written in the configuration; ``contribution`` is left out, its windows are
        always taken.
    widths
        Number of nodes per layer, and of classes under ``class``.

    Raises
    ------
    UsageError
        For an unknown layer (the nearest is named) or an index out of range.
    """
    names = (name for text in features for name in _expand_one(FeatureName.parse(text), widths))
    return list(dict.fromkeys(names))


def _expand_one(name: FeatureName, widths: Mapping[str, int]) -> list[FeatureName]:
    if name.layer == CONTRIBUTION:
        return []
    if name.layer not in widths:
        raise UsageError(f"Feature '{name}': unknown layer {name.layer!r}", nearest(name.layer, widths))
    if name.index is None:
        return [FeatureName(name.layer, index) for index in range(widths[name.layer])]
    check_index(name, widths[name.layer])
    return [name]


def check_index(name: FeatureName, width: int) -> None:
    """Raise a UsageError where the feature's index is not below `width`."""
    if name.index is not None and not 0 <= name.index < width:
        nodes = "classes" if name.layer == CLASS else "nodes"
        whole = "the model" if name.layer == CLASS else f"layer {name.layer!r}"
        raise UsageError(
            f"Feature '{name}' is out of range: {whole} has {width} {nodes}",
            f"Give an index from 0 to {width - 1}",
        )
