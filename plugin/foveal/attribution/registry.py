"""The table of attribution methods: what each one is, costs, needs, and whether it can be trusted."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Literal, TypeAlias, TypeVar

import torch
from torch import Tensor

from foveal.errors import UsageError, nearest

#: Activations (B, C, *S) and gradients (B, C, *S) to a raw signed map (B, *S).
Combine: TypeAlias = Callable[[Tensor, Tensor], Tensor]
#: A subject, and the method's options as keywords, to raw signed maps (B, K, *grid).
Attribute: TypeAlias = Callable[..., Tensor]

#: What a method costs beyond the prediction.
Cost = Literal["one forward", "one backward", "many passes", "optimisation"]
#: What became of the method's maps when the network's weights were randomised: they must change.
Sanity = Literal["passes", "mixed", "fails", "not measured"]
#: Where a method's maps lie: on a layer's grid, on the input's, or wherever is asked.
Place = Literal["layer", "input", "either"]

#: Group of entry points by which other packages add methods: each names a module that registers them.
GROUP = "foveal.methods"


@dataclass(frozen=True)
class Method:
    """What every method says of itself.

    Attributes
    ----------
    name
        As written in the configuration and on the command line.
    summary
        One line: the first of the function's docstring.
    formula
        The map M in one line; A activations, g gradients, x input, S the explained score.
    source
        The paper.
    cost
        What it costs beyond the prediction.
    needs
        What it needs of model or data, in a few words each; empty where any differentiable model will do.
    sanity
        Whether it passes the weight-randomisation check (Adebayo et al., NeurIPS 2018), as measured by
        the project's own benchmark on trained networks (docs/methods.md); ``mixed`` passes on one and fails
        on the other. Methods that fail are for viewing only.
    place
        Where its maps lie.
    """

    name: str
    summary: str
    formula: str
    source: str
    cost: Cost
    needs: tuple[str, ...]
    sanity: Sanity
    place: Place


@dataclass(frozen=True)
class LayerMethod(Method):
    """A method that works on one layer's activations and gradients, and so in the prediction's own forward.

    Attributes
    ----------
    combine
        Activations (B, C, *S) and gradients (B, C, *S) of the same layer to a raw signed map (B, *S).
    linear_head
        Whether it is defined only where an average over space and one Linear follow the layer.
    weigh
        Gradients (..., C, N) to weights (..., C), (a mean over N positions), where the map is
        nothing but channels weighted by these: the maps of many targets are one product then.
    """

    combine: Combine
    linear_head: bool = False
    weigh: Callable[[Tensor], Tensor] | None = None

    def combine_all(self, activations: Tensor, gradients: Tensor) -> Tensor:
        """Make the maps (B, K, *S) of several targets; activations (B, C, *S), gradients (B, K, C, *S)."""
        if self.weigh is None:
            return torch.stack([self.combine(activations, one) for one in gradients.unbind(1)], dim=1)
        flat = gradients.flatten(3)
        # The same at every position, as behind an average: one position tells the weights.
        weights = self.weigh(flat[..., :1] if flat.stride(-1) == 0 else flat)
        maps = weights @ activations.flatten(2)
        return maps.reshape(*gradients.shape[:2], *activations.shape[2:])


@dataclass(frozen=True)
class InputMethod(Method):
    """A method that makes passes of its own through the model.

    Attributes
    ----------
    attribute
        A :class:`~foveal.attribution.subject.Subject`, and options as keywords, to raw signed float32 maps
        (B, K, *grid).
    """

    attribute: Attribute

    @property
    def options(self) -> Mapping[str, Any]:
        """The options and their defaults."""
        parameters = inspect.signature(self.attribute).parameters.values()
        return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY}


METHODS: dict[str, Method] = {}

_F = TypeVar("_F", bound=Callable[..., Tensor])


def layer_method(
    name: str,
    *,
    formula: str,
    source: str,
    sanity: Sanity,
    needs: tuple[str, ...] = (),
    linear_head: bool = False,
    weigh: Callable[[Tensor], Tensor] | None = None,
) -> Callable[[_F], _F]:
    """Enter a function (activations, gradients) -> map into :data:`METHODS`.

    Raises
    ------
    ValueError
        If the name is taken.
    """

    def enter(combine: _F) -> _F:
        said = (name, _summary(combine), formula, source)
        cost: Cost = "one forward" if linear_head else "one backward"
        _add(LayerMethod(*said, cost, needs, sanity, "layer", combine, linear_head, weigh))
        return combine

    return enter


def input_method(
    name: str,
    *,
    formula: str,
    source: str,
    cost: Cost,
    sanity: Sanity,
    needs: tuple[str, ...] = (),
    place: Place = "input",
) -> Callable[[_F], _F]:
    """Enter a function (subject, *, options) -> maps into :data:`METHODS`.

    Raises
    ------
    ValueError
        If the name is taken.
    """

    def enter(attribute: _F) -> _F:
        _add(InputMethod(name, _summary(attribute), formula, source, cost, needs, sanity, place, attribute))
        return attribute

    return enter


def all_methods() -> dict[str, Method]:
    """List every method by name, those of other installed packages included."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        point.load()
    return dict(sorted(METHODS.items()))


def get_method(name: str) -> Method:
    """Look a method up by name.

    Raises
    ------
    UsageError
        If there is none of that name; the nearest is named.
    """
    if name in METHODS:
        return METHODS[name]
    known = all_methods()
    if name not in known:
        raise UsageError(f"Unknown method {name!r}", nearest(name, known))
    return known[name]


def get_layer_method(name: str) -> LayerMethod:
    """Look up a method that works in the prediction's own forward, as requests are observed.

    Raises
    ------
    UsageError
        If there is none of that name, or it needs passes of its own.
    """
    method = get_method(name)
    if isinstance(method, LayerMethod):
        return method
    raise UsageError(f"Method {name!r} needs passes of its own", f"Choose one of {_offered()}")


def get_evidence_method(name: str) -> LayerMethod:
    """Look up a method whose maps may be kept as evidence: of any node, in the prediction's own forward.

    Raises
    ------
    UsageError
        If there is none of that name, it needs passes of its own, explains classes alone, or fails the
        weight-randomisation check: such maps look convincing whatever the network has learned.
    """
    method = get_method(name)
    if method.sanity == "fails":
        raise UsageError(
            f"Method {name!r} fails the weight-randomisation check, it is for viewing only",
            f"Choose one of {_offered()}",
        )
    if not isinstance(method, LayerMethod) or method.linear_head:
        reason = "explains classes alone" if isinstance(method, LayerMethod) else "needs passes of its own"
        raise UsageError(
            f"Method {name!r} {reason} and cannot watch requests",
            f"Choose one of {_offered()}; for single samples use `foveal explain`",
        )
    return method


def check_options(method: Method, options: Mapping[str, Any]) -> None:
    """Raise a UsageError where an option does not belong to the method; the nearest is named."""
    known = method.options if isinstance(method, InputMethod) else {}
    for name in options:
        if name not in known:
            mend = nearest(name, known) if known else "Leave it out, the method has no options"
            raise UsageError(f"Method {method.name!r} has no option {name!r}", mend)


def _add(method: Method) -> None:
    if method.name in METHODS:
        raise ValueError(f"method {method.name!r} is registered already")
    METHODS[method.name] = method


def _offered() -> str:
    """Name the methods that can watch requests."""
    layered = (one for one in METHODS.values() if isinstance(one, LayerMethod) and not one.linear_head)
    return ", ".join(sorted(one.name for one in layered if one.sanity != "fails"))


def _summary(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
