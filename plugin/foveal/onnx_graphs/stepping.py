"""One step back through one node, and the table of operators that have such a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal.onnx_graphs.cotangents import Cotangent, Picked, Value
from foveal.onnx_graphs.extents import Shape
from foveal.onnx_graphs.faults import PERTURB
from foveal.onnx_graphs.probing import Probe
from foveal.onnx_graphs.reading import Graph, Node
from foveal.onnx_graphs.writing import Writer


@dataclass(frozen=True)
class Step:
    """What a rule is given beside the gradients.

    Attributes
    ----------
    node, graph, probe, writer
        The node, the network, what is known of its tensors, and where to write.
    outputs
        The gradients of each output; None where none came back.
    wanted
        Which inputs are asked for.
    """

    node: Node
    graph: Graph
    probe: Probe
    writer: Writer
    outputs: Sequence[Cotangent | None]
    wanted: frozenset[int]

    def input(self, place: int) -> Value:
        """Give an input."""
        return self._value(self.node.inputs[place])

    def output(self, place: int = 0) -> Value:
        """Give an output."""
        return self._value(self.node.outputs[place])

    def shape(self, place: int = 0) -> Shape:
        """Give the shape of an input."""
        return self.input(place).shape

    def has(self, place: int) -> bool:
        """Tell whether an optional input is given."""
        return len(self.node.inputs) > place and bool(self.node.inputs[place])

    def attribute(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - ONNX has a dozen kinds
        """Give a setting."""
        return self.node.attributes.get(name, default)

    def parameter(self, place: int) -> NDArray[Any] | None:
        """Give an input that is the same for every sample and batch; None where it is left out."""
        if not self.has(place):
            return None
        name = self.node.inputs[place]
        value = self.graph.constant(name)
        value = self.probe.values.get(name) if value is None else value
        if value is None:
            raise self.refusal(f"its input {name!r} changes from sample to sample")
        return value

    def ints(self, place: int, attribute: str) -> list[int] | None:
        """Give whole numbers that older opsets take as a setting and newer ones as an input."""
        found = self.attribute(attribute, self.parameter(place))
        return None if found is None else [int(one) for one in np.atleast_1d(found)]

    def axis(self, default: int = -1, place: int = 0) -> int:
        """Give the setting ``axis``, from the front."""
        return int(self.attribute("axis", default)) % len(self.shape(place))

    def refusal(self, reason: str) -> UsageError:
        """Say why this node cannot be gone through."""
        return UsageError(
            f"There is no way back through node {self.node.name!r} ({self.node.operator}): {reason}",
            f"Name a layer behind it with --layer, or {PERTURB}",
        )

    def _value(self, name: str) -> Value:
        return Value(name, self.probe.shapes[name])


#: A node and the gradients of its first output to those of its inputs, by place.
Rule: TypeAlias = Callable[[Step, Cotangent], Mapping[int, Cotangent]]


@dataclass(frozen=True)
class Entry:
    """A rule, and what it copes with: lazy axes, picked places among them, and several outputs."""

    rule: Rule
    lazy: bool
    picked: bool
    several: bool

    def apply(self, step: Step) -> Mapping[int, Cotangent]:
        """Go back, with gradients held as whole as the rule needs them."""
        first = next(one for one in step.outputs if one is not None)
        return self.rule(step, self._ready(first))

    def _ready(self, found: Cotangent) -> Cotangent:
        if not self.lazy:
            return found.whole()
        picked = [axis for axis, one in found.lazy.items() if isinstance(one, Picked)]
        return found if self.picked else found.whole(picked)


#: Operator to rule; the modules of ``rules`` fill it.
RULES: dict[str, Entry] = {}

#: What gives no gradient, by its nature: shapes, comparisons, places, steps.
STOPS = frozenset(
    [
        "Shape",
        "Size",
        "ArgMax",
        "ArgMin",
        "Equal",
        "Greater",
        "GreaterOrEqual",
        "Less",
        "LessOrEqual",
        "Not",
        "And",
        "Or",
        "Xor",
        "IsNaN",
        "IsInf",
        "NonZero",
        "Floor",
        "Ceil",
        "Round",
        "Sign",
        "ConstantOfShape",
        "Constant",
        "EyeLike",
        "RandomNormalLike",
        "OneHot",
    ]
)


def rule(
    *operators: str, lazy: bool = False, picked: bool = False, several: bool = False
) -> Callable[[Rule], Rule]:
    """Register a rule.

    Parameters
    ----------
    operators
        Whose step back it takes.
    lazy
        Whether it copes with axes that are not held whole.
    picked
        Whether it also copes with picked places.
    several
        Whether it takes the gradients of all outputs, from the step; others take the first's.
    """

    def register(function: Rule) -> Rule:
        RULES.update((operator, Entry(function, lazy, picked, several)) for operator in operators)
        return function

    return register
