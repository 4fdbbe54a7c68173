"""The table of attribution methods."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from foveal.errors import UsageError, nearest

#: Activations (B, C, *S) and gradients (B, C, *S) to a raw signed map (B, *S).
Combine: TypeAlias = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class LayerMethod:
    """A method that works on one layer's activations and gradients.

    Attributes
    ----------
    name
        As written in the configuration.
    combine
        Activations (B, C, *S) and gradients (B, C, *S) of the same layer to a raw signed map (B, *S).
    paper
        Where the method comes from.
    """

    name: str
    combine: Combine
    paper: str


METHODS: dict[str, LayerMethod] = {}


def register(name: str, *, paper: str) -> Callable[[Combine], Combine]:
    """Enter a function into :data:`METHODS` under a name.

    Raises
    ------
    ValueError
        If the name is taken.
    """

    def enter(combine: Combine) -> Combine:
        if name in METHODS:
            raise ValueError(f"method {name!r} is registered already")
        METHODS[name] = LayerMethod(name, combine, paper)
        return combine

    return enter


def get_method(name: str) -> LayerMethod:
    """Look a method up by name.

    Raises
    ------
    UsageError
        If there is none of that name; the nearest is named.
    """
    if name not in METHODS:
        raise UsageError(f"Unknown method {name!r}", nearest(name, METHODS))
    return METHODS[name]
