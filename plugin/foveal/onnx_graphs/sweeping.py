"""Reverse mode: gradients go back from one tensor to others, node by node."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from foveal.onnx_graphs import rules  # noqa: F401 - fills the table
from foveal.onnx_graphs.cotangents import Cotangent, added
from foveal.onnx_graphs.probing import Probe
from foveal.onnx_graphs.reading import Graph, Node
from foveal.onnx_graphs.stepping import RULES, STOPS, Step
from foveal.onnx_graphs.writing import Writer


@dataclass(frozen=True)
class Sweeper:
    """Goes back through a network.

    Attributes
    ----------
    graph, probe
        The network, and what is known of its tensors.
    writer
        Where the steps are written.
    """

    graph: Graph
    probe: Probe
    writer: Writer

    def sweep(self, start: str, seed: Cotangent, wanted: Collection[str]) -> dict[str, Cotangent]:
        """Carry gradients from a tensor back to others.

        Parameters
        ----------
        start
            The tensor whose gradients are known.
        seed
            These.
        wanted
            Tensors before it.

        Returns
        -------
        dict
            The gradients by those of them on which `start` depends.

        Raises
        ------
        UsageError
            If a node on the way has no rule.
        """
        between = dependent(self.graph, wanted)
        waiting: dict[str, list[Cotangent]] = {start: [seed]}
        found: dict[str, Cotangent] = {}
        for node in reversed(self.graph.nodes):
            outputs = [self._arrived(name, waiting, found, wanted) for name in node.outputs]
            places = frozenset(
                place for place, name in enumerate(node.inputs) if name in between and self._is_real(name)
            )
            if not places or not any(outputs) or node.operator in STOPS:
                continue
            step = Step(node, self.graph, self.probe, self.writer, outputs, places)
            for place, part in _back(step).items():
                waiting.setdefault(node.inputs[place], []).append(part)
        return found | {
            name: added(waiting[name]) for name in wanted if name not in found and name in waiting
        }

    def _is_real(self, name: str) -> bool:
        """Whether a tensor holds numbers that can be changed by a little."""
        return self.probe.dtypes.get(name, "").startswith("float")

    def _arrived(
        self,
        name: str,
        waiting: dict[str, list[Cotangent]],
        found: dict[str, Cotangent],
        wanted: Collection[str],
    ) -> Cotangent | None:
        """Add up what has come back to a tensor: nodes behind it have all been gone through."""
        if name not in waiting:
            return None
        total = added(waiting.pop(name))
        if name in wanted:
            found[name] = total
        return total


def dependent(graph: Graph, sources: Collection[str]) -> set[str]:
    """Name the tensors that depend on some, as far as gradients go, themselves included."""
    found = set(sources)
    for node in graph.nodes:
        if node.operator not in STOPS and found.intersection(node.inputs):
            found.update(filter(None, node.outputs))
    return found


def deciding(graph: Graph, result: str) -> set[str]:
    """Name the tensors on which a result depends, as far as gradients go, itself included."""
    found = {result}
    for node in reversed(graph.nodes):
        if node.operator not in STOPS and found.intersection(node.outputs):
            found.update(filter(None, node.inputs))
    return found


def _back(step: Step) -> dict[int, Cotangent]:
    entry = RULES.get(step.node.operator)
    if entry is None:
        raise step.refusal("this operator has no rule")
    if any(step.outputs[1:]) and not entry.several:
        raise step.refusal("more than its first output leads on")
    found = entry.apply(step)
    for place in step.wanted - found.keys():
        raise step.refusal(f"its input {step.node.inputs[place]!r} is computed from the sample")
    return {place: found[place] for place in step.wanted}


def active_nodes(graph: Graph, source: str, result: str) -> list[Node]:
    """List the nodes between two tensors."""
    ahead, behind = dependent(graph, [source]), deciding(graph, result)
    return [
        node
        for node in graph.nodes
        if node.operator not in STOPS
        and ahead.intersection(node.inputs)
        and behind.intersection(node.outputs)
    ]
