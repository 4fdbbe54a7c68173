"""Functions of single numbers: the gradient is multiplied by a slope of what went in or came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import pi, sqrt
from typing import TypeAlias

from foveal.onnx_graphs.cotangents import Cotangent
from foveal.onnx_graphs.stepping import Step, rule
from foveal.onnx_graphs.writing import Writer

#: Of a step: what went in, what came out, and the slope there; one of the two names goes unused.
Slope: TypeAlias = Callable[[Step, str, str], str]


def _pointwise(operator: str, slope: Slope, *, of_output: bool = False) -> None:
    """Register a function by its slope, written in terms of the input or of the output."""

    def back(step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
        value = step.output() if of_output else step.input(0)
        found, name = g.match(value)
        return {0: found.scaled(slope(step, name, name), value.shape)}

    rule(operator, lazy=True, picked=True)(back)


def _between(writer: Writer, x: str, low: float, high: float) -> str:
    """Ones strictly between two numbers, zeros elsewhere."""
    above, below = writer.op("Greater", x, low), writer.op("Less", x, high)
    return writer.mask(writer.op("And", above, below))


def _positive(writer: Writer, x: str) -> str:
    return writer.mask(writer.op("Greater", x, 0.0))


def _relu(step: Step, _x: str, y: str) -> str:
    return _positive(step.writer, y)


def _leaky(step: Step, x: str, _y: str) -> str:
    slope = float(step.attribute("alpha", 0.01))
    return step.writer.op("Where", step.writer.op("Greater", x, 0.0), 1.0, slope)


def _thresholded(step: Step, x: str, _y: str) -> str:
    return step.writer.mask(step.writer.op("Greater", x, float(step.attribute("alpha", 1.0))))


def _exponential(step: Step, x: str, gain: float, alpha: float, scale: float) -> str:
    """Slope of gain x above zero and gain alpha (exp(x / scale) - 1) below."""
    writer = step.writer
    below = writer.op("Min", x, 0.0)
    grown = writer.op("Exp", writer.op("Div", below, scale) if scale != 1 else below)
    falling = writer.op("Mul", grown, gain * alpha / scale)
    return writer.op("Where", writer.op("Greater", x, 0.0), gain, falling)


def _elu(step: Step, x: str, _y: str) -> str:
    return _exponential(step, x, 1.0, float(step.attribute("alpha", 1.0)), 1.0)


def _celu(step: Step, x: str, _y: str) -> str:
    alpha = float(step.attribute("alpha", 1.0))
    return _exponential(step, x, 1.0, alpha, alpha)


def _selu(step: Step, x: str, _y: str) -> str:
    gain, alpha = step.attribute("gamma", 1.0507009873554805), step.attribute("alpha", 1.6732632423543772)
    return _exponential(step, x, float(gain), float(alpha), 1.0)


def _sigmoid(step: Step, _x: str, y: str) -> str:
    return step.writer.op("Mul", y, step.writer.op("Sub", 1.0, y))


def _tanh(step: Step, _x: str, y: str) -> str:
    return step.writer.op("Sub", 1.0, step.writer.op("Mul", y, y))


def _hard_sigmoid(step: Step, x: str, _y: str) -> str:
    alpha, beta = float(step.attribute("alpha", 0.2)), float(step.attribute("beta", 0.5))
    return step.writer.op("Mul", _between(step.writer, x, -beta / alpha, (1 - beta) / alpha), alpha)


def _hard_swish(step: Step, x: str, _y: str) -> str:
    writer = step.writer
    middle = writer.op("Add", writer.op("Div", x, 3.0), 0.5)
    above = _positive(writer, x)
    return writer.op("Where", writer.op("Less", writer.op("Abs", x), 3.0), middle, above)


def _swish(step: Step, x: str, _y: str) -> str:
    writer, alpha = step.writer, float(step.attribute("alpha", 1.0))
    steep = writer.op("Mul", x, alpha) if alpha != 1 else x
    gate = writer.op("Sigmoid", steep)
    rest = writer.op("Mul", steep, writer.op("Sub", 1.0, gate))
    return writer.op("Mul", gate, writer.op("Add", rest, 1.0))


def _mish(step: Step, x: str, _y: str) -> str:
    writer = step.writer
    bent = writer.op("Tanh", writer.op("Softplus", x))
    rise = writer.op("Mul", writer.op("Sigmoid", x), writer.op("Sub", 1.0, writer.op("Mul", bent, bent)))
    return writer.op("Add", bent, writer.op("Mul", x, rise))


def _softplus(step: Step, x: str, _y: str) -> str:
    return step.writer.op("Sigmoid", x)


def _softsign(step: Step, x: str, _y: str) -> str:
    size = step.writer.op("Add", step.writer.op("Abs", x), 1.0)
    return step.writer.op("Reciprocal", step.writer.op("Mul", size, size))


def _erf(step: Step, x: str, _y: str) -> str:
    bell = step.writer.op("Exp", step.writer.op("Neg", step.writer.op("Mul", x, x)))
    return step.writer.op("Mul", bell, 2 / sqrt(pi))


def _gelu(step: Step, x: str, _y: str) -> str:
    shapes = {"none": _exact_gelu, "tanh": _tanh_gelu}
    return shapes[step.attribute("approximate", "none")](step.writer, x)


def _exact_gelu(writer: Writer, x: str) -> str:
    share = writer.op("Mul", writer.op("Add", writer.op("Erf", writer.op("Mul", x, sqrt(0.5))), 1.0), 0.5)
    bell = writer.op("Exp", writer.op("Mul", writer.op("Mul", x, x), -0.5))
    return writer.op("Add", share, writer.op("Mul", writer.op("Mul", x, bell), 1 / sqrt(2 * pi)))


def _tanh_gelu(writer: Writer, x: str) -> str:
    gain, cubic = sqrt(2 / pi), 0.044715
    square = writer.op("Mul", x, x)
    inner = writer.op(
        "Mul", writer.op("Mul", x, gain), writer.op("Add", writer.op("Mul", square, cubic), 1.0)
    )
    bent = writer.op("Tanh", inner)
    rise = writer.op("Mul", writer.op("Add", writer.op("Mul", square, 3 * cubic), 1.0), gain)
    slope = writer.op("Mul", writer.op("Sub", 1.0, writer.op("Mul", bent, bent)), rise)
    total = writer.op("Add", writer.op("Add", bent, 1.0), writer.op("Mul", x, slope))
    return writer.op("Mul", total, 0.5)


def _abs(step: Step, x: str, _y: str) -> str:
    return step.writer.op("Sign", x)


def _exp(_step: Step, _x: str, y: str) -> str:
    return y


def _log(step: Step, x: str, _y: str) -> str:
    return step.writer.op("Reciprocal", x)


def _sqrt(step: Step, _x: str, y: str) -> str:
    return step.writer.op("Div", 0.5, y)


def _reciprocal(step: Step, _x: str, y: str) -> str:
    return step.writer.op("Neg", step.writer.op("Mul", y, y))


def _sin(step: Step, x: str, _y: str) -> str:
    return step.writer.op("Cos", x)


def _cos(step: Step, x: str, _y: str) -> str:
    return step.writer.op("Neg", step.writer.op("Sin", x))


def _asinh(step: Step, x: str, _y: str) -> str:
    square = step.writer.op("Add", step.writer.op("Mul", x, x), 1.0)
    return step.writer.op("Reciprocal", step.writer.op("Sqrt", square))


_OF_INPUT: dict[str, Slope] = {
    "LeakyRelu": _leaky,
    "ThresholdedRelu": _thresholded,
    "Elu": _elu,
    "Celu": _celu,
    "Selu": _selu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "Swish": _swish,
    "Mish": _mish,
    "Softplus": _softplus,
    "Softsign": _softsign,
    "Erf": _erf,
    "Gelu": _gelu,
    "Abs": _abs,
    "Log": _log,
    "Sin": _sin,
    "Cos": _cos,
    "Asinh": _asinh,
}
_OF_OUTPUT: dict[str, Slope] = {
    "Relu": _relu,
    "Sigmoid": _sigmoid,
    "Tanh": _tanh,
    "Exp": _exp,
    "Sqrt": _sqrt,
    "Reciprocal": _reciprocal,
}

for _operator, _slope in _OF_INPUT.items():
    _pointwise(_operator, _slope)
for _operator, _slope in _OF_OUTPUT.items():
    _pointwise(_operator, _slope, of_output=True)


@rule("Neg", lazy=True, picked=True)
def negated(_step: Step, g: Cotangent) -> Mapping[int, Cotangent]:
    """Change the sign."""
    return {0: g.scaled(-1.0)}
