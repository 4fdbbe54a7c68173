"""Torch's functions under their canonical names: one table.

A network reaches the same operation by many roads: ``nn.ReLU``, ``F.relu``, ``x.relu_()``,
``x.clamp(min=0)``, ``torch.ops.aten.relu`` in an exported program. This is where the roads meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from torch import Tensor
from torch._ops import OpOverload, OpOverloadPacket

_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_CONV_TRANSPOSE = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_MAX_POOL = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_AVG_POOL = (
    "input",
    "kernel_size",
    "stride",
    "padding",
    "ceil_mode",
    "count_include_pad",
    "divisor_override",
)
_BATCH_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
#: torch.batch_norm's own order, which is not that of F.batch_norm.
_NATIVE_BATCH_NORM = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
_ATTENTION = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal", "scale", "enable_gqa")

#: Canonical name -> the names of its parameters in positional order, and every function that computes it.
_TABLE: dict[str, tuple[tuple[str, ...], Iterable[str]]] = {
    "relu": (("input",), ("F.relu", "F.relu_", "torch.relu", "torch.relu_", "Tensor.relu", "Tensor.relu_")),
    "clamp": (
        ("input", "min", "max"),
        ("torch.clamp", "torch.clamp_", "Tensor.clamp", "Tensor.clamp_", "torch.clip", "torch.clip_",
         "Tensor.clip", "Tensor.clip_"),
    ),
    "clamp_min": (
        ("input", "min"),
        ("torch.clamp_min", "torch.clamp_min_", "Tensor.clamp_min", "Tensor.clamp_min_"),
    ),
    "threshold": (("input", "threshold", "value"), ("F.threshold", "F.threshold_", "torch.threshold")),
    "hardtanh": (("input", "min_val", "max_val"), ("F.hardtanh", "F.hardtanh_")),
    "relu6": (("input",), ("F.relu6",)),
    "maximum": (("input", "other"), ("torch.maximum", "Tensor.maximum", "torch.fmax", "Tensor.fmax")),
    "max": (("input", "other"), ("torch.max", "Tensor.max")),
    "leaky_relu": (("input", "negative_slope"), ("F.leaky_relu", "F.leaky_relu_")),
    "prelu": (("input", "weight"), ("F.prelu", "torch.prelu", "Tensor.prelu")),
    "rrelu": (
        ("input", "lower", "upper", "training"),
        ("F.rrelu", "F.rrelu_", "torch.rrelu", "torch.rrelu_"),
    ),
    "elu": (("input", "alpha"), ("F.elu", "F.elu_")),
    "selu": (("input",), ("F.selu", "torch.selu", "torch.selu_")),
    "celu": (("input", "alpha"), ("F.celu", "torch.celu", "torch.celu_")),
    "gelu": (("input",), ("F.gelu",)),
    "silu": (("input",), ("F.silu",)),
    "mish": (("input",), ("F.mish",)),
    "hardswish": (("input",), ("F.hardswish",)),
    "hardsigmoid": (("input",), ("F.hardsigmoid",)),
    "softplus": (("input", "beta", "threshold"), ("F.softplus",)),
    "softsign": (("input",), ("F.softsign",)),
    "hardshrink": (("input", "lambd"), ("F.hardshrink", "torch.hardshrink", "Tensor.hardshrink")),
    "softshrink": (("input", "lambd"), ("F.softshrink",)),
    "tanhshrink": (("input",), ("F.tanhshrink",)),
    "log_sigmoid": (("input",), ("F.logsigmoid",)),
    "glu": (("input", "dim"), ("F.glu",)),
    "sigmoid": (
        ("input",),
        ("F.sigmoid", "torch.sigmoid", "torch.sigmoid_", "Tensor.sigmoid", "Tensor.sigmoid_",
         "torch.special.expit"),
    ),
    "tanh": (("input",), ("F.tanh", "torch.tanh", "torch.tanh_", "Tensor.tanh", "Tensor.tanh_")),
    "softmax": (("input", "dim"), ("F.softmax", "torch.softmax", "Tensor.softmax", "torch.special.softmax")),
    "softmin": (("input", "dim"), ("F.softmin",)),
    "log_softmax": (
        ("input", "dim"),
        ("F.log_softmax", "torch.log_softmax", "Tensor.log_softmax", "torch.special.log_softmax"),
    ),
    "linear": (("input", "weight", "bias"), ("F.linear",)),
    "conv": (_CONV, ("F.conv1d", "F.conv2d", "F.conv3d", "torch.conv1d", "torch.conv2d", "torch.conv3d")),
    "conv_transpose": (_CONV_TRANSPOSE, ("F.conv_transpose1d", "F.conv_transpose2d", "F.conv_transpose3d")),
    "matmul": (
        ("input", "other"),
        ("torch.matmul", "Tensor.matmul", "Tensor.__matmul__", "torch.bmm", "Tensor.bmm", "torch.mm",
         "Tensor.mm"),
    ),
    "batch_norm": (_BATCH_NORM, ("F.batch_norm", "torch.batch_norm")),
    "layer_norm": (("input", "normalized_shape", "weight", "bias", "eps"), ("F.layer_norm",)),
    "group_norm": (("input", "num_groups", "weight", "bias", "eps"), ("F.group_norm",)),
    "instance_norm": (
        ("input", "running_mean", "running_var", "weight", "bias", "use_input_stats", "momentum", "eps"),
        ("F.instance_norm",),
    ),
    "local_response_norm": (("input", "size", "alpha", "beta", "k"), ("F.local_response_norm",)),
    "max_pool": (
        _MAX_POOL,
        ("F.max_pool1d", "F.max_pool2d", "F.max_pool3d", "F.max_pool1d_with_indices",
         "F.max_pool2d_with_indices", "F.max_pool3d_with_indices", "torch.max_pool1d", "torch.max_pool2d",
         "torch.max_pool3d"),
    ),
    "adaptive_max_pool": (
        ("input", "output_size", "return_indices"),
        ("F.adaptive_max_pool1d", "F.adaptive_max_pool2d", "F.adaptive_max_pool3d",
         "F.adaptive_max_pool1d_with_indices", "F.adaptive_max_pool2d_with_indices",
         "F.adaptive_max_pool3d_with_indices", "torch.adaptive_max_pool1d"),
    ),
    "avg_pool": (_AVG_POOL, ("F.avg_pool1d", "F.avg_pool2d", "F.avg_pool3d")),
    "adaptive_avg_pool": (
        ("input", "output_size"),
        ("F.adaptive_avg_pool1d", "F.adaptive_avg_pool2d", "F.adaptive_avg_pool3d",
         "torch.adaptive_avg_pool1d"),
    ),
    "mean": (("input", "dim", "keepdim"), ("torch.mean", "Tensor.mean")),
    "sum": (("input", "dim", "keepdim"), ("torch.sum", "Tensor.sum")),
    "add": (
        ("input", "other"),
        ("torch.add", "Tensor.add", "Tensor.add_", "Tensor.__add__", "Tensor.__radd__", "Tensor.__iadd__"),
    ),
    "sub": (
        ("input", "other"),
        ("torch.sub", "Tensor.sub", "Tensor.sub_", "Tensor.__sub__", "Tensor.__isub__", "torch.subtract",
         "Tensor.subtract", "Tensor.subtract_"),
    ),
    "mul": (
        ("input", "other"),
        ("torch.mul", "Tensor.mul", "Tensor.mul_", "Tensor.__mul__", "Tensor.__rmul__", "Tensor.__imul__",
         "torch.multiply", "Tensor.multiply", "Tensor.multiply_"),
    ),
    "div": (
        ("input", "other"),
        ("torch.div", "Tensor.div", "Tensor.div_", "Tensor.__truediv__", "Tensor.__itruediv__",
         "torch.divide", "torch.true_divide", "Tensor.divide", "Tensor.divide_", "Tensor.true_divide",
         "Tensor.true_divide_"),
    ),
    "cat": (("tensors", "dim"), ("torch.cat", "torch.concat", "torch.concatenate")),
    "dropout": (
        ("input", "p", "training"),
        ("F.dropout", "F.dropout1d", "F.dropout2d", "F.dropout3d", "F.alpha_dropout",
         "F.feature_alpha_dropout", "torch.dropout"),
    ),
    "attention": (_ATTENTION, ("F.scaled_dot_product_attention",)),
    "multi_head_attention": ((), ("F.multi_head_attention_forward",)),
    "recurrent": (
        (),
        ("torch.lstm", "torch.gru", "torch.rnn_tanh", "torch.rnn_relu", "torch.lstm_cell", "torch.gru_cell",
         "torch.rnn_tanh_cell", "torch.rnn_relu_cell"),
    ),
    "minimum": (("input", "other"), ("torch.minimum", "Tensor.minimum", "torch.fmin", "Tensor.fmin")),
    "min": (("input", "other"), ("torch.min", "Tensor.min")),
    "amax": (("input", "dim", "keepdim"), ("torch.amax", "Tensor.amax")),
    "amin": (("input", "dim", "keepdim"), ("torch.amin", "Tensor.amin")),
    "pow": (
        ("input", "exponent"),
        ("torch.pow", "Tensor.pow", "Tensor.pow_", "Tensor.__pow__", "Tensor.__ipow__"),
    ),
    "rsub": (("input", "other"), ("Tensor.__rsub__", "torch.rsub")),
    "rdiv": (("input", "other"), ("Tensor.__rdiv__", "Tensor.__rtruediv__")),
    "einsum": ((), ("torch.einsum",)),
    "bilinear": (("input", "input2", "weight", "bias"), ("F.bilinear",)),
    "cosine_similarity": (("input", "other"), ("F.cosine_similarity",)),
    "normalize": (("input", "p", "dim", "eps"), ("F.normalize",)),
    "norm": (("input",), ("torch.norm", "Tensor.norm", "torch.linalg.norm", "torch.linalg.vector_norm")),
    "var": (("input",), ("torch.var", "Tensor.var")),
    "std": (("input",), ("torch.std", "Tensor.std")),
    "logsumexp": (("input", "dim"), ("torch.logsumexp", "Tensor.logsumexp")),
    "prod": (("input", "dim"), ("torch.prod", "Tensor.prod")),
    "cumprod": (("input", "dim"), ("torch.cumprod", "Tensor.cumprod")),
}  # fmt: skip

#: Functions of one tensor, value by value, that go by one name everywhere.
_ELEMENTWISE = (
    "exp", "expm1", "log", "log2", "log10", "log1p", "square", "sqrt", "rsqrt", "reciprocal", "sin", "cos",
    "tan", "asin", "acos", "atan", "sinh", "cosh", "erf", "abs",
)  # fmt: skip
_TABLE |= {
    name: (("input",), (f"torch.{name}", f"torch.{name}_", f"Tensor.{name}", f"Tensor.{name}_"))
    for name in _ELEMENTWISE
}

_HOMES: Mapping[str, Any] = {"F": F, "torch": torch, "Tensor": Tensor}

#: Functions whose parameters come in an order of their own.
_ORDERS: dict[Callable[..., Any], tuple[str, ...]] = {torch.batch_norm: _NATIVE_BATCH_NORM}


def _functions(names: Iterable[str]) -> Iterable[Callable[..., Any]]:
    """Look functions up by name; one that this torch lacks has no road to close."""
    for home, _, path in (text.partition(".") for text in names):
        function = _HOMES[home]
        for name in path.split("."):
            function = getattr(function, name, None)
        if function is not None:
            yield function


#: Function -> canonical name.
OPERATIONS: dict[Callable[..., Any], str] = {
    function: operation for operation, (_, names) in _TABLE.items() for function in _functions(names)
}

#: Bare name of a function -> canonical name, for the operators of exported programs.
_BARE: dict[str, str] = {
    text.rpartition(".")[2].rstrip("_"): operation
    for operation, (_, names) in _TABLE.items()
    for text in (operation, *names)
    if not text.endswith("__")
}


def canonical_name(function: Callable[..., Any]) -> str | None:
    """Name the operation that a function computes; None for one that the table does not know."""
    known = OPERATIONS.get(function)
    if known is None and isinstance(function, OpOverload | OpOverloadPacket):
        space, _, name = _schema(function).name.partition("::")
        return _BARE.get(name.rstrip("_")) if space == "aten" else None
    return known


def own_name(function: Callable[..., Any]) -> str:
    """Give a function's own name, without overloads: a trailing underscore tells that it works in place."""
    if isinstance(function, OpOverload | OpOverloadPacket):
        return str(_schema(function).name)
    return getattr(function, "__name__", "")


def parameter_names(operation: str, function: Callable[..., Any]) -> tuple[str, ...]:
    """Give the canonical names of a function's parameters by position."""
    if isinstance(function, OpOverload | OpOverloadPacket):
        names = (argument.name for argument in _schema(function).arguments)
        return tuple("input" if name == "self" else name for name in names)
    return _ORDERS.get(function, _TABLE[operation][0])


def _schema(function: OpOverload | OpOverloadPacket) -> torch.FunctionSchema:
    if isinstance(function, OpOverload):
        return function._schema
    overload: OpOverload = getattr(function, function.overloads()[0])  # type: ignore[no-untyped-call]
    return overload._schema
