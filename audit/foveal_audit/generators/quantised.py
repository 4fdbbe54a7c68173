"""A generator's ONNX file in less than half of its size: weights in 8 bits, pictures in half precision.

They are stored so and unfolded when the file is opened (Cast and Mul of constants, which runtimes fold): a
frame takes as long as from the full file. How far frames are from that one's is measured on draws.
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from .crops import Crops
from .generator import Generator
from .onnx_graph import INPUT, NOISE, OUTPUT

#: Numbers from which on a constant is worth another type.
_LARGE = 64
#: Operators whose second input is a matrix or a kernel.
_WEIGHTED = frozenset(["Gemm", "Conv", "ConvTranspose"])
_LEVELS = 127
_DRAWN = 200
_DECIMALS = 6


class Deviation(TypedDict):
    """How far the frames of a quantised copy are from those of the full file, in shares of the range 0 to 1.

    Attributes
    ----------
    bytes, full_bytes
        Sizes of both files.
    worst, mean
        Largest and mean difference of a value.
    draws
        Of how many draws, grain included.
    """

    bytes: int
    full_bytes: int
    worst: float
    mean: float
    draws: int


def quantised(model: ModelProto) -> ModelProto:
    """Write the same network with its weights in fewer bits; names and shapes of inputs and output stay.

    Parameters
    ----------
    model
        What :func:`.onnx_graph.onnx_model` gave. It is not changed.
    """
    weights = {node.input[1] for node in model.graph.node if node.op_type in _WEIGHTED}
    made = ModelProto()
    made.CopyFrom(model)
    made.graph.ClearField("initializer")
    unfolding: list[NodeProto] = []
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.size < _LARGE:
            made.graph.initializer.append(constant)
        elif constant.name in weights:
            _whole(made, unfolding, constant.name, values)
        else:
            _half(made, unfolding, constant.name, values)
    nodes = [*unfolding, *model.graph.node]
    made.graph.ClearField("node")
    made.graph.node.extend(nodes)
    checker.check_model(made, full_check=True)
    return made


def _whole(made: ModelProto, unfolding: list[NodeProto], name: str, values: NDArray[np.float32]) -> None:
    """Store a weight as whole numbers, with a scale for each row or column, whichever are fewer."""
    steps, scale = _rounded(values, int(np.argmin(values.shape[:2])))
    _store(made, f"{name}.int8", steps)
    _store(made, f"{name}.scale", scale)
    plain = f"{name}.plain"
    unfolding.append(helper.make_node("Cast", [f"{name}.int8"], [plain], to=TensorProto.FLOAT))
    unfolding.append(helper.make_node("Mul", [plain, f"{name}.scale"], [name]))


def _rounded(values: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round to whole numbers of -127 to 127 with a scale for each place along an axis."""
    others = tuple(one for one in range(values.ndim) if one != axis)
    largest = np.abs(values).max(others, keepdims=True)
    scale = np.where(largest > 0, largest / _LEVELS, 1).astype(np.float32)
    return np.rint(values / scale).astype(np.int8), scale


def _half(made: ModelProto, unfolding: list[NodeProto], name: str, values: NDArray[np.float32]) -> None:
    """Store a picture that is added or multiplied with in half precision."""
    _store(made, f"{name}.half", values.astype(np.float16))
    unfolding.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))


def _store(made: ModelProto, name: str, values: NDArray[np.generic]) -> None:
    made.graph.initializer.append(numpy_helper.from_array(values, name))


def deviation(generator: Generator, full: bytes, small: bytes, seed: int) -> Deviation:
    """Draw with both files in onnxruntime, and compare.

    Parameters
    ----------
    generator
        Whose they are; it draws the latents and the noise of the grain.
    full, small
        The files' content.
    seed
        Of the draws.
    """
    feeds = {INPUT: generator.draw(_DRAWN, seed)}
    if generator.texture is not None:
        feeds[NOISE] = generator.texture.draw(_DRAWN, seed)
    apart = np.abs(_drawn(full, feeds) - _drawn(small, feeds))
    return {
        "bytes": len(small),
        "full_bytes": len(full),
        "worst": round(float(apart.max()), _DECIMALS),
        "mean": round(float(apart.mean()), _DECIMALS),
        "draws": _DRAWN,
    }


def _drawn(content: bytes, feeds: dict[str, NDArray[np.float32]]) -> Crops:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    (crops,) = session.run([OUTPUT], feeds)
    return np.asarray(crops, np.float32)
