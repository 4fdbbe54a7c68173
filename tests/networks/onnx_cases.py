"""For every operator with a rule, networks of random shapes and settings that consist of it."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st
from onnx_steps import Case, chain, single
from torch.nn import functional as F  # noqa: N812 - torch's own usage

CASES = {}


def case(*operators):
    def register(function):
        CASES.update(dict.fromkeys(operators, function))
        return function

    return register


def sides(draw, low=1, high=4, *, fewest=1, most=4):
    return tuple(draw(st.lists(st.integers(low, high), min_size=fewest, max_size=most)))


def normal(*shape, seed=7):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def double(array):
    return torch.tensor(np.asarray(array), dtype=torch.float64)


POINTWISE = {
    "Relu": (torch.relu, {}),
    "LeakyRelu": (lambda x: F.leaky_relu(x, 0.2), {"alpha": 0.2}),
    "ThresholdedRelu": (lambda x: F.threshold(x, 0.3, 0.0), {"alpha": 0.3}),
    "Elu": (lambda x: F.elu(x, 1.5), {"alpha": 1.5}),
    "Celu": (lambda x: F.celu(x, 1.5), {"alpha": 1.5}),
    "Selu": (torch.selu, {}),
    "Sigmoid": (torch.sigmoid, {}),
    "Tanh": (torch.tanh, {}),
    "HardSigmoid": (lambda x: F.hardsigmoid(3 * x), {"alpha": 0.5, "beta": 0.5}),
    "HardSwish": (F.hardswish, {}),
    "Mish": (F.mish, {"opset": 18}),
    "Softplus": (F.softplus, {}),
    "Softsign": (F.softsign, {}),
    "Erf": (torch.erf, {}),
    "Abs": (torch.abs, {}),
    "Exp": (torch.exp, {}),
    "Log": (torch.log, {"positive": True}),
    "Sqrt": (torch.sqrt, {"positive": True}),
    "Reciprocal": (torch.reciprocal, {"positive": True}),
    "Sin": (torch.sin, {}),
    "Cos": (torch.cos, {}),
    "Asinh": (torch.asinh, {}),
    "Neg": (torch.neg, {}),
    "Identity": (lambda x: x, {}),
    "Dropout": (lambda x: x, {}),
    "Swish": (lambda x: x * torch.sigmoid(2 * x), {"alpha": 2.0, "opset": 24}),
}
for _name, (_function, _settings) in POINTWISE.items():
    CASES[_name] = lambda draw, name=_name, function=_function, settings=_settings: single(
        name, sides(draw), function, **settings
    )


@case("Gelu")
def gelu(draw):
    kind = draw(st.sampled_from(["none", "tanh"]))
    return single("Gelu", sides(draw), lambda x: F.gelu(x, approximate=kind), approximate=kind, opset=20)


@case("Cast")
def cast(draw):
    return single("Cast", sides(draw), lambda x: x, to=1)


@case("Clip")
def clip(draw):
    low = np.float32(draw(st.integers(-1, 0)))
    return single(
        "Clip",
        sides(draw),
        lambda x: x.clamp(min=float(low)),
        constants={"low": low},
        whole=draw(st.booleans()),
    )


@case("PRelu")
def prelu(draw):
    channels, *rest = sides(draw)
    slope = normal(channels)
    function = lambda x: F.prelu(x, double(slope))  # noqa: E731
    shaped = slope.reshape(channels, *[1] * len(rest))
    return single("PRelu", (channels, *rest), function, constants={"slope": shaped})


@case("Pow")
def power(draw):
    exponent = draw(st.sampled_from([2.0, 3.0, 0.5]))
    number = np.float32(exponent)
    return single("Pow", sides(draw), lambda x: x**exponent, constants={"e": number}, positive=True)


def _broadcast(draw, shape):
    """Draw a shape that broadcasts to (batch, *shape), or beyond it."""
    kept = [side if draw(st.booleans()) else 1 for side in shape]
    return tuple(kept[draw(st.integers(0, len(kept))) :])


ARITHMETIC = {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div, "Max": torch.maximum}
ARITHMETIC |= {"Min": torch.minimum, "Sum": torch.add, "Mean": lambda a, b: (a + b) / 2}


def _arithmetic(name):
    def build(draw):
        shape = sides(draw)
        if draw(st.booleans()):
            other = np.abs(normal(*_broadcast(draw, shape))) + 0.5
            y = double(other)
            return single(name, shape, lambda x: ARITHMETIC[name](x, y), constants={"other": other})
        wide = chain(
            ("ReduceMean", ["x"], ["m"], {"axes": [-1], "keepdims": 1}),
            ("Exp", ["m"], ["p"], {}),
            (name, [["x", "p"], ["p", "x"]][first := draw(st.integers(0, 1))], ["y"], {}),
            shape=shape,
            function=lambda x: ARITHMETIC[name](*[x, x.mean(-1, keepdim=True).exp()][:: -1 if first else 1]),
        )
        positive = name == "Div" and first
        return Case(wide.nodes, wide.shape, wide.function, wide.constants, wide.opset, positive=positive)

    return build


for _name in ARITHMETIC:
    CASES[_name] = _arithmetic(_name)


@case("Where")
def where(draw):
    return chain(
        ("Greater", ["x", "zero"], ["c"], {}),
        ("Exp", ["x"], ["p"], {}),
        ("Where", ["c", "p", "x"], ["y"], {}),
        shape=sides(draw),
        function=lambda x: torch.where(x > 0, x.exp(), x),
        constants={"zero": np.float32(0)},
    )


@case("Gemm")
def gemm(draw):
    taken, made = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    alpha, beta = draw(st.sampled_from([(1.0, 1.0), (0.5, 2.0)]))
    flip = draw(st.integers(0, 1))
    weight, bias = normal(taken, made), normal(made)
    stored = {"w": weight.T if flip else weight, "b": bias}
    function = lambda x: alpha * x @ double(weight) + beta * double(bias)  # noqa: E731
    return single("Gemm", (taken,), function, constants=stored, alpha=alpha, beta=beta, transB=flip)


@case("MatMul")
def matmul(draw):
    *lead, rows, taken = sides(draw, fewest=2, most=4)
    if draw(st.booleans()):
        weight = normal(taken, draw(st.integers(1, 4)))
        return single("MatMul", (*lead, rows, taken), lambda x: x @ double(weight), constants={"w": weight})
    order = [*range(len(lead) + 1), len(lead) + 2, len(lead) + 1]
    return chain(
        ("Transpose", ["x"], ["t"], {"perm": order}),
        ("Tanh", ["t"], ["u"], {}),
        ("MatMul", ["x", "u"], ["y"], {}),
        shape=(*lead, rows, taken),
        function=lambda x: x @ x.mT.tanh(),
    )


@case("Einsum")
def einsum(draw):
    rows, taken, made = (draw(st.integers(1, 4)) for _ in range(3))
    weight = normal(taken, made)
    equation = "brt,tm->bmr"
    return single(
        "Einsum",
        (rows, taken),
        lambda x: torch.einsum(equation, x, double(weight)),
        constants={"w": weight},
        equation=equation,
    )


@case("Softmax", "LogSoftmax")
def softmax(draw, name="Softmax"):
    shape = sides(draw)
    axis = draw(st.integers(1, len(shape)))
    function = {"Softmax": torch.softmax, "LogSoftmax": torch.log_softmax}[name]
    return single(name, shape, lambda x: function(x, axis), axis=axis - len(shape) - 1)


CASES["LogSoftmax"] = lambda draw: softmax(draw, "LogSoftmax")


def _slides(draw, axes, *, dilations=True):
    """Draw kernel, strides, pads and dilations, and a shape that they fit."""
    kernel = [draw(st.integers(1, 3)) for _ in range(axes)]
    strides = [draw(st.integers(1, 3)) for _ in range(axes)]
    rates = [draw(st.integers(1, 2)) if dilations else 1 for _ in range(axes)]
    pads = [draw(st.integers(0, size // 2)) for size in kernel]
    extra = [draw(st.integers(0, 4)) for _ in range(axes)]
    shape = [rate * (size - 1) + 1 + more for rate, size, more in zip(rates, kernel, extra, strict=True)]
    return kernel, strides, pads, rates, shape


@case("Conv")
def conv(draw):
    axes, group = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    kernel, strides, pads, rates, shape = _slides(draw, axes)
    taken, made = group * draw(st.integers(1, 2)), group * draw(st.integers(1, 2))
    weight, bias = normal(made, taken // group, *kernel), normal(made)
    function = [F.conv1d, F.conv2d, F.conv3d][axes - 1]
    return single(
        "Conv",
        (taken, *shape),
        lambda x: function(x, double(weight), double(bias), strides, pads, rates, group),
        constants={"w": weight, "b": bias},
        strides=strides,
        pads=pads * 2,
        dilations=rates,
        group=group,
    )


@case("ConvTranspose")
def conv_transpose(draw):
    axes, group = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    kernel, strides, pads, rates, shape = _slides(draw, axes)
    more = [draw(st.integers(0, stride - 1)) for stride in strides]
    taken, made = group * draw(st.integers(1, 2)), group * draw(st.integers(1, 2))
    weight = normal(taken, made // group, *kernel)
    function = [F.conv_transpose1d, F.conv_transpose2d][axes - 1]
    return single(
        "ConvTranspose",
        (taken, *shape),
        lambda x: function(x, double(weight), None, strides, pads, more, group, rates),
        constants={"w": weight},
        strides=strides,
        pads=pads * 2,
        dilations=rates,
        output_padding=more,
        group=group,
    )


@case("MaxPool")
def max_pool(draw):
    axes, ceil = draw(st.integers(1, 3)), draw(st.booleans())
    kernel, strides, pads, rates, shape = _slides(draw, axes)
    function = [F.max_pool1d, F.max_pool2d, F.max_pool3d][axes - 1]
    return single(
        "MaxPool",
        (2, *shape),
        lambda x: function(x, kernel, strides, pads, rates, ceil_mode=ceil),
        whole=draw(st.booleans()),
        kernel_shape=kernel,
        strides=strides,
        pads=pads * 2,
        dilations=rates,
        ceil_mode=int(ceil),
    )


@case("AveragePool")
def average_pool(draw):
    axes, counted = draw(st.integers(1, 3)), draw(st.booleans())
    kernel, strides, pads, _, shape = _slides(draw, axes, dilations=False)
    function = [F.avg_pool1d, F.avg_pool2d, F.avg_pool3d][axes - 1]
    return single(
        "AveragePool",
        (2, *shape),
        lambda x: function(x, kernel, strides, pads, count_include_pad=counted),
        kernel_shape=kernel,
        strides=strides,
        pads=pads * 2,
        count_include_pad=int(counted),
    )


@case("GlobalAveragePool")
def global_average(draw):
    shape = sides(draw, fewest=2, most=4)
    return single("GlobalAveragePool", shape, lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=True))


@case("GlobalMaxPool")
def global_maximum(draw):
    shape = sides(draw, fewest=3, most=3)
    return single("GlobalMaxPool", shape, lambda x: F.max_pool2d(x, x.shape[2:]), whole=draw(st.booleans()))


@case("BatchNormalization")
def batch_norm(draw):
    shape = sides(draw, most=3)
    scale, bias, mean, variance = (normal(shape[0], seed=seed) for seed in range(4))
    variance = np.abs(variance) + 0.1
    stored = {"s": scale, "b": bias, "m": mean, "v": variance}
    parts = [double(one) for one in (mean, variance, scale, bias)]
    return single(
        "BatchNormalization",
        shape,
        lambda x: F.batch_norm(x, *parts, eps=1e-3),
        constants=stored,
        epsilon=1e-3,
    )


@case("LayerNormalization")
def layer_norm(draw):
    shape = sides(draw, 2, 4, fewest=1, most=3)
    axis = draw(st.integers(1, len(shape)))
    scale, bias = normal(*shape[axis - 1 :]), normal(*shape[axis - 1 :], seed=1)
    return single(
        "LayerNormalization",
        shape,
        lambda x: F.layer_norm(x, shape[axis - 1 :], double(scale), double(bias), 1e-3),
        constants={"s": scale, "b": bias},
        axis=axis,
        epsilon=1e-3,
    )


@case("InstanceNormalization")
def instance_norm(draw):
    shape = sides(draw, 2, 4, fewest=2, most=3)
    scale, bias = normal(shape[0]), normal(shape[0], seed=1)
    return single(
        "InstanceNormalization",
        shape,
        lambda x: F.instance_norm(x, weight=double(scale), bias=double(bias), eps=1e-3),
        constants={"s": scale, "b": bias},
        epsilon=1e-3,
    )


@case("GroupNormalization")
def group_norm(draw):
    groups, members = draw(st.integers(1, 3)), draw(st.integers(2, 3))
    opset = draw(st.sampled_from([18, 21]))
    rest, channels = sides(draw, fewest=0, most=2), groups * members
    scale, bias = (normal(groups if opset == 18 else channels, seed=seed) for seed in (1, 2))
    wide = [double(np.repeat(one, channels // len(one))) for one in (scale, bias)]
    return single(
        "GroupNormalization",
        (channels, *rest),
        lambda x: F.group_norm(x, groups, *wide, eps=1e-3),
        constants={"s": scale, "b": bias},
        opset=opset,
        num_groups=groups,
        epsilon=1e-3,
    )


REDUCTIONS = {
    "ReduceSum": lambda x, axes, keep: x.sum(axes, keepdim=keep),
    "ReduceMean": lambda x, axes, keep: x.mean(axes, keepdim=keep),
    "ReduceMax": lambda x, axes, keep: x.amax(axes, keepdim=keep),
    "ReduceMin": lambda x, axes, keep: x.amin(axes, keepdim=keep),
    "ReduceL1": lambda x, axes, keep: x.abs().sum(axes, keepdim=keep),
    "ReduceL2": lambda x, axes, keep: x.square().sum(axes, keepdim=keep).sqrt(),
    "ReduceSumSquare": lambda x, axes, keep: x.square().sum(axes, keepdim=keep),
    "ReduceLogSumExp": lambda x, axes, keep: x.logsumexp(axes, keepdim=keep),
}


def _reduction(name):
    def build(draw):
        shape, keep = sides(draw), draw(st.booleans())
        count = len(shape)
        axes = sorted(draw(st.sets(st.integers(1, count), min_size=1)))
        opset = draw(st.sampled_from([13, 18]))
        written = [axis - count - 1 for axis in axes]
        place = (
            {"constants": {"axes": np.array(written)}}
            if opset == 18 or name == "ReduceSum"
            else {"axes": written}
        )
        function = lambda x: REDUCTIONS[name](x, tuple(axes), keep)  # noqa: E731
        return single(name, shape, function, opset=opset, whole="M" in name, keepdims=int(keep), **place)

    return build


for _name in REDUCTIONS:
    CASES[_name] = _reduction(_name)


@case("CumSum")
def cumsum(draw):
    shape = sides(draw)
    axis = draw(st.integers(1, len(shape)))
    return single("CumSum", shape, lambda x: x.cumsum(axis), constants={"axis": np.array(axis)})


@case("Reshape")
def reshape(draw):
    shape = sides(draw)
    parts = draw(st.permutations(shape))
    return single(
        "Reshape", shape, lambda x: x.reshape(len(x), *parts), constants={"s": np.array([-1, *parts])}
    )


@case("Flatten")
def flatten(draw):
    return single("Flatten", sides(draw), lambda x: x.flatten(1), axis=1)


@case("Squeeze")
def squeeze(draw):
    first, *rest = sides(draw)
    return single("Squeeze", (first, 1, *rest), lambda x: x.squeeze(2), constants={"axes": np.array([2])})


@case("Unsqueeze")
def unsqueeze(draw):
    return single("Unsqueeze", sides(draw), lambda x: x.unsqueeze(1), constants={"axes": np.array([1])})


@case("Transpose")
def transpose(draw):
    shape = sides(draw)
    order = [0, *(1 + place for place in draw(st.permutations(range(len(shape)))))]
    return single("Transpose", shape, lambda x: x.permute(order), perm=order)


@case("Expand")
def expand(draw):
    wide = sides(draw)
    narrow = [side if draw(st.booleans()) else 1 for side in wide]
    return single(
        "Expand", tuple(narrow), lambda x: x.expand(len(x), *wide), constants={"s": np.array([1, *wide])}
    )


@case("DepthToSpace", "SpaceToDepth")
def depth(draw):
    block, (channels, high, wide) = draw(st.integers(1, 2)), sides(draw, fewest=3, most=3)
    mode = draw(st.sampled_from(["DCR", "CRD"]))

    def shuffle(x):
        if mode == "DCR":
            x = x.reshape(len(x), -1, channels, high, wide).transpose(1, 2).reshape(len(x), -1, high, wide)
        return F.pixel_shuffle(x, block)

    return single("DepthToSpace", (channels * block**2, high, wide), shuffle, blocksize=block, mode=mode)


def _space_to_depth(draw):
    block, (channels, high, wide) = draw(st.integers(1, 2)), sides(draw, fewest=3, most=3)

    def unshuffle(x):
        found = F.pixel_unshuffle(x, block).reshape(len(x), channels, block**2, high, wide)
        return found.transpose(1, 2).reshape(len(x), -1, high, wide)

    return single("SpaceToDepth", (channels, high * block, wide * block), unshuffle, blocksize=block)


CASES["SpaceToDepth"] = _space_to_depth


@case("Concat")
def concat(draw):
    shape = sides(draw)
    axis = draw(st.integers(1, len(shape)))
    first = normal(1, *shape)
    return chain(
        ("Shape", ["x"], ["s"], {}),
        ("Expand", ["c", "s"], ["e"], {}),
        ("Exp", ["x"], ["p"], {}),
        ("Concat", ["e", "p", "x"], ["y"], {"axis": axis}),
        shape=shape,
        function=lambda x: torch.cat([double(first).expand(len(x), *shape), x.exp(), x], axis),
        constants={"c": first},
    )


@case("Split")
def split(draw):
    shape = sides(draw)
    axis = draw(st.integers(1, len(shape)))
    shape = (*shape[: axis - 1], shape[axis - 1] + 2, *shape[axis:])
    sizes = [shape[axis - 1] - 2, 1, 1]
    return chain(
        ("Split", ["x", "sizes"], ["a", "b", "c"], {"axis": axis}),
        ("Exp", ["c"], ["e"], {}),
        ("Concat", ["e", "a", "b"], ["y"], {"axis": axis}),
        shape=shape,
        function=lambda x: torch.cat([(parts := x.split(sizes, axis))[2].exp(), parts[0], parts[1]], axis),
        constants={"sizes": np.array(sizes)},
    )


@case("Slice")
def cut(draw):
    shape = sides(draw)
    axis = draw(st.integers(1, len(shape)))
    start = draw(st.integers(0, shape[axis - 1] - 1))
    stop = draw(st.integers(start + 1, shape[axis - 1]))
    stride = draw(st.sampled_from([1, 2, -1]))
    if stride < 0:
        taken = list(range(start, stop))[::-1]
        bounds = (stop - 1, start - 1 if start else -(2**40))
    else:
        taken = list(range(start, stop, stride))
        bounds = (start, stop if stop < shape[axis - 1] else 2**40)
    values = [np.array([one]) for one in (*bounds, axis, stride)]
    return single(
        "Slice",
        shape,
        lambda x: x.index_select(axis, torch.tensor(taken)),
        constants=dict(zip("abcd", values, strict=True)),
    )


@case("Gather")
def gather(draw):
    if draw(st.booleans()):
        return _viewed(draw)
    shape = sides(draw)
    axis = draw(st.integers(1, len(shape)))
    count = shape[axis - 1]
    places = draw(st.lists(st.integers(-count, count - 1), min_size=1, max_size=3))
    if draw(st.booleans()):
        function, places = lambda x: x.select(axis, places[0] % count), places[:1]
        return single(
            "Gather",
            shape,
            lambda x: x.select(axis, places[0] % count),
            constants={"i": np.array(places[0])},
            axis=axis,
        )
    chosen = torch.tensor([place % count for place in places])
    function = lambda x: x.index_select(axis, chosen)  # noqa: E731
    return single("Gather", shape, function, constants={"i": np.array(places)}, axis=axis)


def _viewed(draw):
    """A view as exporters write it: all numbers in a row, picked up again one after the other."""
    shape = sides(draw, most=3)
    return chain(
        ("Reshape", ["x", "row"], ["r"], {}),
        ("Size", ["x"], ["n"], {}),
        ("Range", ["zero", "n", "one"], ["i"], {}),
        ("Shape", ["x"], ["s"], {}),
        ("Reshape", ["i", "s"], ["places"], {}),
        ("Gather", ["r", "places"], ["y"], {"axis": 0}),
        shape=shape,
        function=lambda x: x + 0,
        constants={"row": np.array([-1]), "zero": np.array(0), "one": np.array(1)},
    )


@case("Pad")
def pad(draw):
    shape = sides(draw, 2, 4, fewest=2, most=2)
    mode = draw(st.sampled_from(["constant", "reflect", "edge"]))
    low = -1 if mode == "constant" else 0
    before, after = draw(st.integers(low, 1)), draw(st.integers(0, 1))
    names = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}
    return single(
        "Pad",
        shape,
        lambda x: F.pad(x, [before, after], names[mode]),
        constants={"p": np.array([0, 0, before, 0, 0, after])},
        mode=mode,
    )


@case("Tile")
def tile(draw):
    shape = sides(draw, most=3)
    repeats = [draw(st.integers(1, 2)) for _ in shape]
    return single("Tile", shape, lambda x: x.repeat(1, *repeats), constants={"r": np.array([1, *repeats])})


@case("Resize")
def resize(draw):
    shape = sides(draw, 2, 5, fewest=3, most=3)
    mode = draw(st.sampled_from(["nearest", "linear", "cubic"]))
    size = [draw(st.integers(2, 7)) for _ in range(2)]
    torchs = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}[mode]
    more = {} if mode == "nearest" else {"align_corners": False}
    modes = {"coordinate_transformation_mode": "asymmetric" if mode == "nearest" else "pytorch_half_pixel"}
    empty = np.zeros(0, np.float32)
    if draw(st.booleans()):
        factor = draw(st.sampled_from([0.5, 1.5, 2.0]))
        more |= {"scale_factor": factor}
        constants = {"roi": empty, "scales": np.array([1, 1, factor, factor], np.float32)}
    else:
        more |= {"size": size}
        constants = {"roi": empty, "scales": empty, "sizes": np.array(size)}
        modes["axes"] = [2, 3]
    return single(
        "Resize",
        shape,
        lambda x: F.interpolate(x, mode=torchs, **more),
        constants=constants,
        opset=18,
        mode=mode,
        nearest_mode="floor",
        cubic_coeff_a=-0.75,
        **modes,
    )
