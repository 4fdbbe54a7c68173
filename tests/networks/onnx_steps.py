"""Single ONNX operators as networks: go back through one with the rules, and with torch, and compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from hypothesis import strategies as st
from onnx import TensorProto, ValueInfoProto, helper, numpy_helper

from foveal.onnx_graphs.cotangents import Cotangent, Picked, Spread, Window
from foveal.onnx_graphs.extents import ONE, fixed
from foveal.onnx_graphs.probing import open_session, probe
from foveal.onnx_graphs.reading import Graph
from foveal.onnx_graphs.sweeping import Sweeper
from foveal.onnx_graphs.writing import Writer

#: Neither of the sizes at which a network is probed.
BATCH = 4
TARGETS = 2


@dataclass(frozen=True)
class Case:
    """An operator as a network, and what torch says it is.

    Attributes
    ----------
    nodes
        From ``x`` to ``y``.
    shape
        Of one sample.
    function
        The same in torch.
    constants
        What the nodes take beside ``x``.
    opset
        Of the file.
    whole
        Whether samples are whole numbers, so that some are equal; or only positive ones.
    """

    nodes: list
    shape: tuple[int, ...]
    function: Callable[[torch.Tensor], torch.Tensor]
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    opset: int = 17
    whole: bool = False
    positive: bool = False

    def samples(self, batch=BATCH):
        rng = np.random.default_rng(3)
        x = rng.integers(-2, 3, (batch, *self.shape)) if self.whole else rng.normal(size=(batch, *self.shape))
        return (np.abs(x) + 0.5 if self.positive else x).astype(np.float32)

    def model(self):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", *self.shape])
        stored = [numpy_helper.from_array(np.asarray(one), name) for name, one in self.constants.items()]
        graph = helper.make_graph(self.nodes, "case", [x], [ValueInfoProto(name="y")], stored)
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def single(operator, shape, function, *, constants=None, opset=17, whole=False, positive=False, **settings):
    """One node: ``y = operator(x, *constants)``."""
    constants = {key: np.asarray(one) for key, one in (constants or {}).items()}
    node = helper.make_node(operator, ["x", *constants], ["y"], **settings)
    return Case([node], shape, function, constants, opset, whole, positive)


def chain(*steps, shape, function, constants=None, opset=17, whole=False):
    """Write several nodes, each (operator, inputs, outputs, settings)."""
    nodes = [helper.make_node(name, inputs, outputs, **settings) for name, inputs, outputs, settings in steps]
    return Case(nodes, shape, function, constants or {}, opset, whole)


@st.composite
def seeds(draw, shape):
    """Draw gradients (K, B, *shape) that are lazy along some axes, and what is known of them."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    held, lazy, whole = [TARGETS, *shape], {}, rng.normal(size=(TARGETS, *shape)).astype(np.float32)
    indices = rng.integers(0, shape[1], (TARGETS, shape[0])) if len(shape) > 1 else None
    for axis in range(1, len(shape)):
        kinds = ["whole", "spread", "window"] + (["picked"] if axis == 1 else [])
        kind = draw(st.sampled_from(kinds)) if shape[axis] > 1 else "whole"
        start = draw(st.integers(0, shape[axis] - 1))
        length = draw(st.integers(1, shape[axis] - start))
        places = np.arange(shape[axis]).reshape([-1] + [1] * (len(shape) - 1 - axis))
        if kind == "spread":
            lazy[axis], held[axis + 1] = Spread(), 1
            whole = np.repeat(whole.take([0], axis + 1), shape[axis], axis + 1)
        elif kind == "window":
            lazy[axis], held[axis + 1] = Window(fixed(start), fixed(length)), length
            whole = whole * ((places >= start) & (places < start + length))
        elif kind == "picked":
            lazy[axis], held[axis + 1] = Picked("indices"), 1
            whole = np.repeat(whole.take([0], axis + 1), shape[axis], axis + 1)
            whole = whole * (places == indices.reshape([*indices.shape, *[1] * (len(shape) - 1)]))
    return Seed(tuple(held), lazy, whole.astype(np.float32), indices)


@dataclass(frozen=True)
class Seed:
    held: tuple[int, ...]
    lazy: dict
    whole: np.ndarray
    indices: np.ndarray | None

    def short(self):
        """Cut out what is held."""
        found = self.whole
        for axis, one in self.lazy.items():
            if isinstance(one, Spread):
                found = found.take([0], axis + 1)
            elif isinstance(one, Window):
                found = found.take(range(one.start.small, one.stop.small), axis + 1)
            else:
                places = self.indices.reshape([*self.indices.shape, *[1] * (self.whole.ndim - 2)])
                found = np.take_along_axis(found, places, axis + 1)
        return np.ascontiguousarray(found)


def back(case: Case, seed: Seed) -> np.ndarray:
    """Go back with the rules: (K, B, *shape)."""
    graph = Graph(case.model())
    known = probe(graph)
    writer = Writer(graph.opset, "float32", "x")
    start = Cotangent(writer, "seed", known.shapes["y"], TARGETS, seed.lazy)
    found = Sweeper(graph, known, writer).sweep("y", start, ["x"])["x"].whole()
    model = case.model()
    model.graph.node.extend(writer.nodes)
    model.graph.initializer.extend(writer.constants)
    kinds = {"seed": TensorProto.FLOAT, "indices": TensorProto.INT64}
    given = (
        {"seed": seed.short(), "indices": seed.indices}
        if seed.indices is not None
        else {"seed": seed.short()}
    )
    model.graph.input.extend(
        helper.make_tensor_value_info(name, kinds[name], one.shape) for name, one in given.items()
    )
    model.graph.output.append(ValueInfoProto(name=found.name))
    return open_session(model).run([found.name], {"x": case.samples(), **given})[0]


def forward(case: Case, batch=BATCH) -> np.ndarray:
    return open_session(case.model()).run(["y"], {"x": case.samples(batch)})[0]


def truth(case: Case, seed: Seed) -> tuple[np.ndarray, np.ndarray]:
    """Give what torch says, at double precision: y, and the gradients (K, B, *shape)."""
    x = torch.tensor(case.samples(), dtype=torch.float64, requires_grad=True)
    y = case.function(x)
    rows = torch.tensor(seed.whole, dtype=torch.float64)
    found = [torch.autograd.grad(y, x, row, retain_graph=True)[0].numpy() for row in rows]
    return y.detach().numpy(), np.stack(found)


__all__ = ["BATCH", "ONE", "Case", "Seed", "back", "chain", "forward", "seeds", "single", "truth"]
