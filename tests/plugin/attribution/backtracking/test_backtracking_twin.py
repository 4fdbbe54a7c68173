"""Backtracking of random networks against a twin that goes from node to node in plain loops.

The twin knows networks as trees of modules. It follows the reference's rules for one node at a time, with no
tape, no flat positions and no batching: what it shares with the real thing is the arithmetic of one product.
"""

from collections import Counter
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from foveal.attribution.backtracking import backtrack
from foveal.capture import Tap
from foveal.capture.subject import TappedSubject
from foveal.explaining.explanation import read_unit, target_layers


class Residual(nn.Module):
    def __init__(self, inner, inplace=False):
        super().__init__()
        self.inner, self.inplace = inner, inplace

    def forward(self, x):
        out = self.inner(x)
        if self.inplace:
            out += x
            return out
        return out + x


class Dense(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return torch.cat([x, self.inner(x)], 1)


def naive(module, x, nodes, **choices):
    """Carry nodes {(index, sign): count} of module(x) back to x, for one sample without a batch axis."""
    if isinstance(module, nn.Sequential):
        values = [x]
        for one in module:
            values.append(run(one, values[-1]))
        for number in reversed(range(len(module))):
            grid = any(isinstance(before, nn.Linear) for before in module[:number])
            nodes = naive(module[number], values[number], nodes, **{**choices, "later": grid})
        return nodes
    found = Counter()
    for (index, sign), count in nodes.items():
        for node in RULES[type(module)](module, x, index, sign, choices):
            if isinstance(node, Counter):
                found.update({key: number * count for key, number in node.items()})
            else:
                found[node] += count
    return found


def run(module, x):
    with torch.no_grad():
        return module(x[None].clone())[0]


def sign_of(value):
    return -1 if value < 0 else 1


def from_linear(layer, x, index, sign, choices):
    terms = [
        (sign * float(layer.weight[index[0], place].detach() * x[place]), place)
        for place in range(layer.in_features)
    ]
    positive = sorted((term for term in terms if term[0] > 0), key=lambda term: -term[0])
    most = choices["top_n"] if choices["later"] else choices["entry_n"]
    return [((place,), sign_of(x[place])) for _, place in positive[:most]]


def from_conv(layer, x, index, sign, choices):
    channel, *place = index
    group = channel // (layer.out_channels // layer.groups)
    width = layer.in_channels // layer.groups
    best = []
    for c in range(group * width, (group + 1) * width):
        terms = []
        for offset in product(*map(range, layer.kernel_size)):
            spot = tuple(
                p * s + o * d - q
                for p, s, o, d, q in zip(
                    place, layer.stride, offset, layer.dilation, layer.padding, strict=True
                )
            )
            inside = all(0 <= one < side for one, side in zip(spot, x.shape[1:], strict=True))
            value = float(x[(c, *spot)]) if inside else 0.0
            terms.append(
                (
                    sign * float(layer.weight[(channel, c - group * width, *offset)].detach()) * value,
                    spot,
                    inside,
                )
            )
        best.append((sum(term[0] for term in terms), c, max(terms, key=lambda term: term[0])))
    chosen = [one for one in best if one[0] > 0]
    if choices["channels"] == "argmax":
        chosen = sorted(chosen, key=lambda one: -one[0])[:1]
    return [((c, *spot), sign_of(x[(c, *spot)])) for _, c, (_, spot, inside) in chosen if inside]


def window(layer, x, index):
    """Places of a pool's window, without the padding."""
    axes = x.ndim - 1
    spread = {
        name: (value,) * axes if isinstance(value, int) else value
        for name, value in (
            ("kernel", layer.kernel_size),
            ("stride", layer.stride),
            ("padding", layer.padding),
            ("dilation", getattr(layer, "dilation", 1)),
        )
    }
    for offset in product(*map(range, spread["kernel"])):
        spot = tuple(
            p * s + o * d - q
            for p, s, o, d, q in zip(
                index[1:], spread["stride"], offset, spread["dilation"], spread["padding"], strict=True
            )
        )
        if all(0 <= one < side for one, side in zip(spot, x.shape[1:], strict=True)):
            yield (index[0], *spot)


def from_max_pool(layer, x, index, sign, _choices):
    return [(max(window(layer, x, index), key=lambda spot: float(x[spot])), sign)]


def from_avg_pool(layer, x, index, sign, _choices):
    return largest(window(layer, x, index), x, sign)


def from_adaptive(layer, x, index, sign, _choices):
    size = layer.output_size if isinstance(layer.output_size, tuple) else (layer.output_size,) * (x.ndim - 1)
    ranges = [
        range(p * side // n, -(-(p + 1) * side // n))
        for p, side, n in zip(index[1:], x.shape[1:], size, strict=True)
    ]
    return largest(((index[0], *spot) for spot in product(*ranges)), x, sign)


def largest(spots, x, sign):
    best = max(spots, key=lambda spot: sign * float(x[spot]))
    return [(best, sign_of(x[best]))] if sign * float(x[best]) > 0 else []


def from_norm(layer, _x, index, sign, _choices):
    return [(index, sign * sign_of(layer.weight[index[0]]))]


def from_flatten(_layer, x, index, sign, _choices):
    return [(tuple(int(one) for one in torch.unravel_index(torch.tensor(index[0]), x.shape)), sign)]


def from_residual(block, x, index, sign, choices):
    inner = run(block.inner, x)
    if sign * float(x[index]) > sign * float(inner[index]):
        return [(index, sign)]
    return [naive(block.inner, x, {(index, sign): 1}, **choices)]


def from_dense(block, x, index, sign, choices):
    if index[0] < x.shape[0]:
        return [(index, sign)]
    return [naive(block.inner, x, {((index[0] - x.shape[0], *index[1:]), sign): 1}, **choices)]


def straight(_layer, _x, index, sign, _choices):
    return [(index, sign)]


RULES = {
    nn.Linear: from_linear,
    **dict.fromkeys((nn.Conv1d, nn.Conv2d, nn.Conv3d), from_conv),
    **dict.fromkeys((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), from_max_pool),
    **dict.fromkeys((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), from_avg_pool),
    **dict.fromkeys((nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d), from_adaptive),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), from_norm),
    nn.Flatten: from_flatten,
    nn.ReLU: straight,
    nn.LeakyReLU: straight,
    nn.Dropout: straight,
    Residual: from_residual,
    Dense: from_dense,
}

KINDS = {
    1: (nn.Conv1d, nn.MaxPool1d, nn.AvgPool1d, nn.BatchNorm1d, nn.AdaptiveAvgPool1d),
    2: (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.BatchNorm2d, nn.AdaptiveAvgPool2d),
    3: (nn.Conv3d, nn.MaxPool3d, nn.AvgPool3d, nn.BatchNorm3d, nn.AdaptiveAvgPool3d),
}


@st.composite
def geometries(draw, axes):
    """Kernel, stride, padding and dilation of a window, each its own along every axis."""
    kernel = [draw(st.integers(1, 3)) for _ in range(axes)]
    return {
        "kernel_size": tuple(kernel),
        "stride": tuple(draw(st.integers(1, 2)) for _ in range(axes)),
        "padding": tuple(draw(st.integers(0, size // 2)) for size in kernel),
        "dilation": tuple(draw(st.integers(1, 2)) for _ in range(axes)),
    }


def conv_step(draw, axes, width, geometry):
    groups = draw(st.sampled_from([one for one in (1, 2) if width % one == 0]))
    return KINDS[axes][0](width, 4, groups=groups, **geometry), 4


def max_step(draw, axes, width, geometry):
    return KINDS[axes][1](ceil_mode=draw(st.booleans()), **geometry), width


def avg_step(draw, axes, width, geometry):
    geometry.pop("dilation")
    return KINDS[axes][2](ceil_mode=draw(st.booleans()), **geometry), width


def residual_step(draw, axes, width, _geometry):
    inner = nn.Sequential(KINDS[axes][0](width, width, 3, padding=1), KINDS[axes][3](width))
    return Residual(inner, draw(st.booleans())), width


def dense_step(_draw, axes, width, _geometry):
    inner = nn.Sequential(KINDS[axes][3](width), nn.ReLU(), KINDS[axes][0](width, 2, 3, padding=1))
    return Dense(inner), width + 2


STEPS = [conv_step, conv_step, max_step, avg_step, residual_step, dense_step]


@st.composite
def networks(draw):
    """A random network of one to three steps on the grid, and one or two Linears; and its input's shape."""
    axes = draw(st.integers(1, 3))
    sides = [draw(st.integers(5, 6)) for _ in range(axes)]
    width = draw(st.sampled_from([1, 2, 4]))
    shape, steps = (width, *sides), []
    for _ in range(draw(st.integers(1, 3))):
        step, width = draw(st.sampled_from(STEPS))(draw, axes, width, draw(geometries(axes)))
        after = [nn.ReLU(inplace=True), nn.ReLU(), nn.LeakyReLU(0.2), nn.Dropout(), KINDS[axes][3](width)]
        steps += [step, draw(st.sampled_from(after))]
    steps += [*([KINDS[axes][4](2)] if draw(st.booleans()) else []), nn.Flatten()]
    try:
        example = nn.Sequential(*steps).eval()(torch.zeros(1, *shape))
    except RuntimeError:  # a window that is larger than what is left of the grid
        return draw(networks())
    if not example.isfinite().all():  # a dilated max-pool's window that lies in the padding as a whole
        return draw(networks())
    features = example.shape[1]
    if draw(st.booleans()):
        steps += [nn.Linear(features, 7), nn.ReLU(inplace=True)]
        features = 7
    return nn.Sequential(*steps, nn.Linear(features, 3)), shape


def run_backtrack(net, x, targets, choices):
    parsed = [read_unit(target) for target in targets]
    with Tap(net.eval(), None, target_layers(parsed)) as tap:
        return backtrack(TappedSubject(tap, x, parsed), **choices)


def randomise(net, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in net.double().eval().state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
            tensor.copy_(drawn.abs() + 0.5 if name.endswith("running_var") else drawn)
    return generator


def pixels_of(nodes, shape):
    counts = torch.zeros(shape[1:], dtype=torch.float64)
    for (index, _sign), count in nodes.items():
        counts[index[1:]] += count
    return counts


@settings(max_examples=40, deadline=None)
@given(
    networks(),
    st.integers(0, 2**31),
    st.sampled_from([None, 1, 3]),
    st.sampled_from([None, 2]),
    st.sampled_from(["argmax", "positive"]),
)
def test_it_goes_where_the_twin_goes(made, seed, top_n, entry_n, channels):
    net, shape = made
    x = torch.randn(2, *shape, generator=randomise(net, seed), dtype=torch.float64)
    choices = {"top_n": top_n, "entry_n": entry_n, "channels": channels}
    found = run_backtrack(net, x, ("class:0", "class:2"), choices)
    for sample in range(2):
        for unit, node in enumerate((0, 2)):
            nodes = naive(net, x[sample], Counter({((node,), 1): 1}), later=False, **choices)
            assert torch.equal(found.counts[sample, unit], pixels_of(nodes, shape))


@pytest.mark.parametrize("kind", ["channel", "position"])
def test_units_inside_the_network(kind):
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(True), nn.Conv2d(4, 4, 3), nn.ReLU(True)
    )
    net = nn.Sequential(*net, nn.Flatten(), nn.Linear(4 * 4 * 4, 2))
    x = torch.randn(3, 2, 8, 8, generator=randomise(net, 1), dtype=torch.float64)
    for channel in range(4):
        target = f"3:{channel}" if kind == "channel" else f"3:{channel}@2,1"
        found = run_backtrack(net, x, (target,), {})
        for sample in range(3):
            values = run(net[:4], x[sample])[channel]
            place = divmod(int(values.argmax()), 4) if kind == "channel" else (2, 1)
            start = Counter({((channel, *place), 1): 1})
            nodes = naive(net[:4], x[sample], start, top_n=5, entry_n=None, channels="argmax", later=False)
            assert torch.equal(found.counts[sample, 0], pixels_of(nodes, x.shape[1:]))
