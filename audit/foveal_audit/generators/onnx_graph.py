"""Write a decoder as an ONNX graph, node by node.

A decoder is a dozen nodes of six operators. Written by hand they cost milliseconds per feature where the
exporter traces for seconds, they are the same bytes every time, and any runtime of the last years reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper
from torch import nn

from .layers import doubled, woven

if TYPE_CHECKING:
    from .generator import Generator

OPSET = 18
IR_VERSION = 9  # what came with opset 18: older runtimes refuse a newer number, whatever it holds
INPUT, NOISE, OUTPUT = "z", "noise", "crops"


def onnx_model(generator: Generator) -> ModelProto:
    """Write the generator's decoder: input ``z`` (N, d), output ``crops`` (N, C, *s), both float32.

    With a texture there is a second input ``noise`` (N, *texture.noise_shape): white noise, zeros for none.
    """
    graph = GraphWriter()
    crops = generator.write_graph(graph, INPUT)
    inputs: list[tuple[str, tuple[int, ...]]] = [(INPUT, (generator.latent_dim,))]
    if generator.texture is not None:
        crops = generator.texture.write_graph(graph, crops, NOISE)
        inputs.append((NOISE, generator.texture.noise_shape))
    graph.node("Identity", [crops], output=OUTPUT)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "decoder",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *size]) for name, size in inputs],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", *generator.shape])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="foveal",
    )
    checker.check_model(model, full_check=True)
    return model


class GraphWriter:
    """Collects nodes and constants; every method adds one and returns the name of its value."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, operator: str, inputs: Sequence[str], output: str | None = None, **settings: Any) -> str:  # noqa: ANN401
        """Add any operator."""
        name = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **settings))
        return name

    def constant(self, array: NDArray[Any]) -> str:
        """Add an initializer."""
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def gemm(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> str:
        """X (N, d) times the transpose of weight (D, d), plus bias (D,)."""
        return self.node("Gemm", [x, self.constant(weight), self.constant(bias)], transB=1)

    def dense(self, x: str, layer: nn.Linear) -> str:
        """Apply a fully connected layer."""
        return self.gemm(x, layer.weight.detach().numpy(), layer.bias.detach().numpy())

    def conv(self, x: str, layer: Any) -> str:  # noqa: ANN401 (of any number of axes)
        """Apply a convolution with its stride and padding."""
        parts = [self.constant(p.detach().numpy()) for p in (layer.weight, layer.bias) if p is not None]
        pads = [int(p) for p in layer.padding] * 2
        return self.node("Conv", [x, *parts], pads=pads, strides=list(layer.stride))

    def conv_transpose(self, x: str, layer: Any) -> str:  # noqa: ANN401 (of any number of axes)
        """Apply a transposed convolution with its stride and padding."""
        parts = [self.constant(p.detach().numpy()) for p in (layer.weight, layer.bias) if p is not None]
        pads = [int(p) for p in layer.padding] * 2
        return self.node("ConvTranspose", [x, *parts], pads=pads, strides=list(layer.stride))

    def batch_norm(self, x: str, layer: Any) -> str:  # noqa: ANN401 (of any number of axes)
        """Apply a batch norm with its running statistics."""
        parts = (layer.weight, layer.bias, layer.running_mean, layer.running_var)
        constants = [self.constant(p.detach().numpy()) for p in parts if p is not None]
        return self.node("BatchNormalization", [x, *constants], epsilon=float(layer.eps))

    def leaky_relu(self, x: str, slope: float) -> str:
        """Apply a leaky rectifier."""
        return self.node("LeakyRelu", [x], alpha=slope)

    def shuffle(self, x: str, shape: Sequence[int]) -> str:
        """Rearrange rows of a shape (2**axes C, *s) into (C, *(2 s)), as :func:`.layers.shuffled` does."""
        channels, *sides = shape
        axes = len(sides)
        if axes == 2:  # the only number of axes that has an operator
            return self.node("DepthToSpace", [x], blocksize=2, mode="CRD")
        parts = self.reshape(x, (channels // 2**axes, *[2] * axes, *sides))
        return self.reshape(
            self.node("Transpose", [parts], perm=(0, 1, *woven(axes))),
            (channels // 2**axes, *doubled(tuple(sides))),
        )

    def reshape(self, x: str, shape: Sequence[int]) -> str:
        """Give each row a shape, whatever the batch."""
        return self.node("Reshape", [x, self.constant(np.array([-1, *shape], np.int64))])

    def crop(self, x: str, size: Sequence[int]) -> str:
        """Keep the first places (*s) along every axis."""
        bounds = ([0] * len(size), list(size), list(range(2, 2 + len(size))))
        return self.node("Slice", [x, *(self.constant(np.array(b, np.int64)) for b in bounds)])

    def add(self, x: str, y: str) -> str:
        """Add two values."""
        return self.node("Add", [x, y])

    def affine(self, x: str, factor: np.float32, offset: NDArray[np.float32]) -> str:
        """Multiply by a number, then add an array."""
        scaled = self.node("Mul", [x, self.constant(np.asarray(factor))])
        return self.node("Add", [scaled, self.constant(offset)])

    def clip(self, x: str) -> str:
        """Limit to [0, 1]."""
        return self.node("Clip", [x, *(self.constant(np.array(v, np.float32)) for v in (0.0, 1.0))])
