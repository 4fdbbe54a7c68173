"""Cuts against the plain definition: taken away, no path is left."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnx_nets import build, export

from foveal.onnx_graphs.cuts import cuts
from foveal.onnx_graphs.reading import Graph
from foveal.onnx_graphs.sweeping import active_nodes


def naive(graph):
    """Take away one tensor after another."""
    nodes = active_nodes(graph, graph.input.name, graph.output)
    names = [graph.input.name, *(name for node in nodes for name in node.outputs)]
    return [name for name in names if not _connected(graph, nodes, without=name)]


def _connected(graph, nodes, without):
    reached = {graph.input.name} - {without}
    for node in nodes:
        if reached.intersection(node.inputs):
            reached |= set(node.outputs) - {without}
    return graph.output in reached


@st.composite
def tangles(draw):
    """Draw sums of whatever was made before."""
    count = draw(st.integers(1, 9))
    made, nodes = ["x"], []
    for place in range(count):
        taken = [draw(st.sampled_from(made[-3:])) for _ in range(draw(st.integers(1, 2)))]
        operator = "Relu" if len(taken) == 1 else draw(st.sampled_from(["Add", "Mul"]))
        nodes.append(helper.make_node(operator, taken, [f"t{place}"]))
        made.append(f"t{place}")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", 3]) for name in ("x", made[-1])]
    graph = helper.make_graph(nodes, "tangle", ends[:1], ends[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


@settings(max_examples=200, deadline=None)
@given(tangles())
def test_what_is_taken_away_cuts(model):
    graph = Graph(model)
    assert cuts(graph) == naive(graph)


@pytest.mark.parametrize("name", ["Residual", "WrittenTransformer"])
def test_of_networks_too(name):
    graph = Graph(export(build(name)))
    assert cuts(graph) == naive(graph)
    assert len(cuts(graph)) > 3
