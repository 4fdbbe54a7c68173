"""The steps back through ONNX's operators, one module for each family; importing it fills the table."""

from foveal.onnx_graphs.rules import (
    activations,
    choosing,
    convolutions,
    dense,
    elementwise,
    indexing,
    normalisation,
    pooling,
    reductions,
    resizing,
    shapes,
    softmax,
)

__all__ = [
    "activations",
    "choosing",
    "convolutions",
    "dense",
    "elementwise",
    "indexing",
    "normalisation",
    "pooling",
    "reductions",
    "resizing",
    "shapes",
    "softmax",
]
