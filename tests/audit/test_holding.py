"""Holding a unit still, in every layout a layer's output may have."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from foveal_audit import holding
from foveal_audit.holding import held, share_of
from foveal_audit.units.unit import Unit

SIDE, PATCH, WIDTH = 16, 4, 6
GRID = SIDE // PATCH


class Conv(nn.Module):
    """Gives (B, C, H, W)."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, WIDTH, PATCH, PATCH)
        self.head = nn.Linear(WIDTH * GRID * GRID, 3)

    def forward(self, x):
        return self.head(torch.relu(self.layer(x)).flatten(1))


class _Tokens(nn.Module):
    """Patches as tokens (B, T, C), after so many tokens of no place."""

    def __init__(self, prefix):
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, PATCH, PATCH)
        self.first = nn.Parameter(torch.randn(1, prefix, WIDTH))
        self.layer = nn.LayerNorm(WIDTH)

    def tokens(self, x):
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        # What comes first looks at the picture as well, as attention would make it.
        return torch.cat([self.first + tokens.mean(1, keepdim=True), tokens], dim=1)


class Tokens(_Tokens):
    def __init__(self, prefix=0):
        super().__init__(prefix)
        self.head = nn.Linear(WIDTH * (GRID * GRID + prefix), 3)

    def forward(self, x):
        return self.head(torch.relu(self.layer(self.tokens(x))).flatten(1))


class ClassToken(Tokens):
    def __init__(self):
        super().__init__(prefix=1)


class TokensFirst(Tokens):
    """Gives (T, B, C)."""

    def forward(self, x):
        tokens = self.layer(self.tokens(x).transpose(0, 1))
        return self.head(torch.relu(tokens).transpose(0, 1).flatten(1))


class ChannelsLast(nn.Module):
    """Gives (B, H, W, C)."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(1, WIDTH, PATCH, PATCH)
        self.layer = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH * GRID * GRID, 3)

    def forward(self, x):
        return self.head(torch.relu(self.layer(self.patches(x).permute(0, 2, 3, 1))).flatten(1))


class Pooled(nn.Module):
    """Gives (B, C): nodes behind the pooled layer have no place."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, WIDTH, PATCH, PATCH)
        self.layer = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, x):
        return self.head(torch.relu(self.layer(torch.relu(self.conv(x)).mean((2, 3)))))


NETS = [Conv, Tokens, ClassToken, TokensFirst, ChannelsLast, Pooled]
BATCH = 3


def network(kind):
    torch.manual_seed(0)
    return kind().eval()


def pictures(seed):
    return torch.from_numpy(
        np.random.default_rng(seed).normal(size=(BATCH, 1, SIDE, SIDE)).astype(np.float32)
    )


def asked(net, unit, window):
    """The held answers, and those of the changed and of the clean pictures."""
    changed, clean = pictures(1), pictures(2)
    shares = [share_of(window, (SIDE, SIDE, 1), unit)] * BATCH
    with torch.no_grad():
        with held(net, net.layer, clean, shares, unit):
            answers = net(changed)
        return answers, net(changed), net(clean)


@pytest.mark.parametrize("kind", NETS)
def test_holding_everything_leaves_nothing_of_the_change(kind):
    answers, _, clean = asked(network(kind), Unit("n", "layer", tuple(range(WIDTH)), False), (0, 0, 4, 4))
    torch.testing.assert_close(answers, clean)


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("local", [True, False])
def test_holding_nothing_leaves_all_of_the_change(kind, local):
    answers, changed, _ = asked(network(kind), Unit("n", "layer", (), local), (0, 0, 4, 4))
    torch.testing.assert_close(answers, changed)


@pytest.mark.parametrize("kind", [Conv, Tokens, TokensFirst, ChannelsLast])
def test_holding_all_channels_in_the_whole_window_holds_everything(kind):
    unit = Unit("contribution:0", "layer", tuple(range(WIDTH)), True)
    answers, _, clean = asked(network(kind), unit, (0, 0, SIDE, SIDE))
    torch.testing.assert_close(answers, clean)


def as_grid(kind, output):
    """Bring a layer's output to (B, C, GRID, GRID) the plain way."""
    if kind is Conv:
        return output
    if kind is ChannelsLast:
        return output.permute(0, 3, 1, 2)
    tokens = output.transpose(0, 1) if kind is TokensFirst else output
    patches = tokens[:, -GRID * GRID :]
    return patches.transpose(1, 2).reshape(BATCH, WIDTH, GRID, GRID)


@st.composite
def windows(draw):
    y0, x0 = draw(st.integers(0, SIDE - 1)), draw(st.integers(0, SIDE - 1))
    return y0, x0, draw(st.integers(y0 + 1, SIDE)), draw(st.integers(x0 + 1, SIDE))


@settings(max_examples=25)
@given(
    windows(),
    st.sets(st.integers(0, WIDTH - 1)),
    st.sampled_from([Conv, Tokens, ClassToken, TokensFirst, ChannelsLast]),
)
def test_a_unit_is_held_in_its_channels_and_in_the_cells_its_window_touches(window, channels, kind):
    net, unit = network(kind), Unit("contribution:0", "layer", tuple(sorted(channels)), True)
    seen = []
    hook = lambda _module, _inputs, output: seen.append(as_grid(kind, output).clone())  # noqa: E731
    changed, clean = pictures(1), pictures(2)
    with torch.no_grad():
        with held(net, net.layer, clean, [share_of(window, (SIDE, SIDE, 1), unit)] * BATCH, unit):
            handle = net.layer.register_forward_hook(hook)
            net(changed)
            handle.remove()
        handle = net.layer.register_forward_hook(hook)
        net(changed), net(clean)
        handle.remove()
    given_out, of_changed, of_clean = seen
    y0, x0, y1, x1 = window
    for channel in range(WIDTH):
        for row in range(GRID):
            for column in range(GRID):
                touched = row * PATCH < y1 and (row + 1) * PATCH > y0
                touched = touched and column * PATCH < x1 and (column + 1) * PATCH > x0
                source = of_clean if channel in channels and touched else of_changed
                where = (slice(None), channel, row, column)
                torch.testing.assert_close(given_out[where], source[where])


def test_the_class_token_of_a_node_is_held_and_that_of_a_window_is_not():
    """It has no place: a unit that lives in a window only does not live in it."""
    net = network(ClassToken)
    first = []
    clean, changed = pictures(2), pictures(1)
    for local in (False, True):
        unit = Unit("n", "layer", (1,), local)
        with torch.no_grad(), held(net, net.layer, clean, [(0.0, 0.0, 1.0, 1.0)] * BATCH, unit):
            handle = net.layer.register_forward_hook(
                lambda _m, _i, output: first.append(output[:, 0].clone())
            )
            net(changed)
            handle.remove()
    with torch.no_grad():
        of_clean, of_changed = (net.layer(net.tokens(one))[:, 0] for one in (clean, changed))
    torch.testing.assert_close(first[0][:, 1], of_clean[:, 1])
    torch.testing.assert_close(first[0][:, 0], of_changed[:, 0])
    torch.testing.assert_close(first[1], of_changed)


def test_a_window_that_ends_with_a_cell_does_not_touch_the_next():
    unit = Unit("contribution:0", "layer", (0,), True)
    assert share_of((0, 0, 8, 16), (48, 48, 3), unit) == (0, 0, 8 / 48, 16 / 48)
    for size in range(1, 60):
        for cell in range(size):
            touched = holding._inside((cell / size, 0, (cell + 1) / size, 1), (size, 1))[:, 0]
            assert touched.nonzero().ravel().tolist() == [cell]


def test_nothing_is_left_hooked_even_when_the_network_fails():
    net = network(Conv)
    with (
        pytest.raises(RuntimeError),
        held(net, net.layer, torch.zeros(1, 3, SIDE, SIDE), [], Unit("n", "layer", (0,), False)),
    ):
        pass
    unit = Unit("n", "layer", (WIDTH,), False)  # no such channel
    with pytest.raises(IndexError), held(net, net.layer, pictures(0), [(0.0, 0.0, 1.0, 1.0)] * BATCH, unit):
        pass
    assert not net.layer._forward_hooks


@pytest.mark.parametrize(
    ("shape", "window", "grid", "cells"),
    [
        ((100, 2), (20, 40), (10,), np.s_[2:4]),
        ((100, 2), (20, 41), (10,), np.s_[2:5]),
        ((8, 8, 8, 1), (0, 4, 4, 4, 8, 6), (4, 4, 4), np.s_[:2, 2:, 2:3]),
        ((100, 1), (20, 40), (6, 10), np.s_[:, 2:4]),  # a spectrogram: every frequency of that time
        ((9, 9, 9, 1), (0, 0, 0, 1, 1, 1), (5, 5), np.s_[:, :]),  # a grid without places of the sample
    ],
)
def test_the_cells_that_a_window_touches_on_any_number_of_axes(shape, window, grid, cells):
    wanted = np.zeros(grid, bool)
    wanted[cells] = True
    share = share_of(window, shape, Unit("contribution:0", "layer", (0,), True))
    np.testing.assert_array_equal(holding._inside(share, grid).numpy(), wanted)
    everywhere = share_of(window, shape, Unit("layer:0", "layer", (0,), False))
    assert holding._inside(everywhere, grid).all()


@pytest.mark.parametrize("axes", [1, 3])
def test_a_unit_of_a_trace_or_volume_is_held_in_its_window(axes):
    torch.manual_seed(0)
    conv = {1: nn.Conv1d, 3: nn.Conv3d}[axes](1, 4, 1)
    net = nn.Sequential(conv, nn.ReLU()).eval()
    changed, clean = torch.randn(2, 3, 1, *[8] * axes)
    unit = Unit("contribution:0", "0", (1, 2), True)
    shares = [share_of((2,) * axes + (5,) * axes, (8,) * axes + (1,), unit)] * 3
    with torch.no_grad(), held(net, conv, clean, shares, unit):
        found = net(changed)
    with torch.no_grad():
        before, wanted = net(clean), net(changed).clone()
    inside = (slice(None), slice(1, 3), *[slice(2, 5)] * axes)
    wanted[inside] = before[inside]
    torch.testing.assert_close(found, wanted)
