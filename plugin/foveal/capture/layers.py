"""The layers of a network by name."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from foveal.errors import UsageError, nearest


@dataclass(frozen=True)
class LayerName:
    """A layer as people name it, found in a model.

    Attributes
    ----------
    name
        Its dotted name, negative positions resolved.
    module
        The layer.
    call
        Which call of it in one forward, counted from 1; None for the last.
    """

    name: str
    module: nn.Module
    call: int | None = None

    def __str__(self) -> str:
        return self.name if self.call is None else f"{self.name}#{self.call}"


def layer_names(model: nn.Module) -> list[str]:
    """Name every layer that a map or a node can be taken from, containers included."""
    return [name for name, _ in model.named_modules() if name]


def find_layer(model: nn.Module, name: str) -> nn.Module:
    """Look a layer up; see :func:`read_layer`."""
    return read_layer(model, name).module


def read_layer(model: nn.Module, text: str) -> LayerName:
    """Find a layer by its dotted name.

    ``encoder.-1.norm`` counts children from the end; ``relu#2`` means the second call of a module that the
    forward calls several times, the last being meant without it.

    Raises
    ------
    UsageError
        If there is none of that name; the nearest is named.
    """
    name, marked, number = text.partition("#")
    if marked and not (number.isascii() and number.isdigit() and int(number) > 0):
        raise UsageError(f"Layer {text!r} has no call number", "Write NAME#1 for the first call, NAME#2 ..")
    module, path = model, []
    for part in name.split("."):
        children = list(module.named_children())
        if _is_negative(part) and -int(part) <= len(children):
            part = children[int(part)][0]  # noqa: PLW2901 - the same part by its own name
        path.append(part)
        inner = dict(children).get(part)
        if inner is None:
            raise UsageError(f"Unknown layer {text!r}", nearest(name, layer_names(model)))
        module = inner
    return LayerName(".".join(path), module, int(number) if marked else None)


def _is_negative(part: str) -> bool:
    return part.startswith("-") and part[1:].isdigit()


def check_eval(model: nn.Module) -> None:
    """Raise a UsageError where a part of the model is in training mode: its samples would mix."""
    for name, module in model.named_modules():
        if module.training:
            part = f"Layer {name!r} of the model" if name else "The model"
            raise UsageError(f"{part} is in training mode", "Call model.eval() first")
