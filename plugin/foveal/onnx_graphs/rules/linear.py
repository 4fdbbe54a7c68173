"""Operators that are linear along each axis by itself: what they multiply by is found by running them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from foveal.onnx_graphs.probing import open_session


def matrix_of(
    operator: str,
    opset: int,
    shape: tuple[int, ...],
    axis: int,
    inputs: tuple[NDArray[Any] | None, ...] = (),
    settings: Mapping[str, Any] | None = None,
) -> NDArray[np.float32]:
    """Find the matrix by which an operator multiplies along one axis.

    Parameters
    ----------
    operator, opset, inputs, settings
        The operator, and what it takes beside its first input; None for what is left out.
    shape
        Of one signal, with the axis to look at; all others have length one.
    axis
        That axis, whose length is n.

    Returns
    -------
    ndarray
        (m, n): signals of n numbers become m.
    """
    count = shape[axis]
    basis = np.eye(count, dtype=np.float32).reshape(count, *shape[1:])
    names = [f"i{place}" if one is not None else "" for place, one in enumerate(inputs)]
    stored = [
        numpy_helper.from_array(one, name) for one, name in zip(inputs, names, strict=True) if one is not None
    ]
    node = helper.make_node(operator, ["x", *names], ["y"], **(settings or {}))
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    graph = helper.make_graph([node], "linear", tensors[:1], tensors[1:], stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    (found,) = open_session(model).run(None, {"x": basis})
    return np.ascontiguousarray(np.asarray(found, np.float32).reshape(count, -1).T)
