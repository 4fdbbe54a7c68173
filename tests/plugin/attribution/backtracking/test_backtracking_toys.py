"""Backtracking of networks so small that every step is done by hand."""

import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate, pad, pixel_shuffle, unfold


def linear(*rows, bias=None):
    layer = nn.Linear(len(rows[0]), len(rows), bias=bias is not None)
    layer.weight.data = torch.tensor(rows, dtype=torch.float32)
    if bias is not None:
        layer.bias.data = torch.tensor(bias, dtype=torch.float32)
    return layer


def conv(weight, **options):
    weight = torch.tensor(weight, dtype=torch.float32)
    layer = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[weight.ndim - 3](
        weight.shape[1] * options.get("groups", 1), weight.shape[0], weight.shape[2:], bias=False, **options
    )
    layer.weight.data = weight
    return layer


def reached(backtrack, sample=0, unit=0):
    pixels = backtrack.pixels(sample, unit)
    return dict(zip(map(tuple, pixels.coordinates.tolist()), pixels.counts.tolist(), strict=True))


class TestTwoLayers:
    """x = (1, 2, 3); hidden = ReLU(-1, 5, 4) = (0, 5, 4); output = (5 - 4, 9) = (1, 9)."""

    x = torch.tensor([[[1.0, 2.0, 3.0]]])

    def net(self):
        hidden = linear([1, -1, 0], [0, 1, 1], [1, 0, 1])
        return nn.Sequential(nn.Flatten(), hidden, nn.ReLU(), linear([1, 1, -1], [1, 1, 1]))

    def test_every_path_counts(self, trace):
        # Output 1 comes from hidden 1 (5) and 2 (4); these from inputs 1, 2 and 0, 2: input 2 twice.
        assert reached(trace(self.net(), self.x, top_n=None)) == {(0,): 1, (1,): 1, (2,): 2}

    def test_only_what_contributes_positively_is_followed(self, trace):
        assert reached(trace(self.net(), self.x, "class:0", top_n=None)) == {(1,): 1, (2,): 1}

    def test_top_n_keeps_the_largest_of_later_layers(self, trace):
        assert reached(trace(self.net(), self.x, top_n=1)) == {(1,): 1, (2,): 1}

    def test_entry_n_keeps_the_largest_of_the_first_layer(self, trace):
        assert reached(trace(self.net(), self.x, top_n=None, entry_n=1)) == {(2,): 2}

    def test_nodes_of_a_layer_start_at_themselves(self, trace):
        assert reached(trace(self.net(), self.x, "1:1")) == {(1,): 1, (2,): 1}

    def test_a_node_to_which_nothing_contributes_ends(self, trace):
        found = trace(self.net(), -self.x, "1:1")
        assert reached(found) == {}
        assert not found.density().any()
        assert found.box(0) is None

    def test_several_units_at_once(self, trace):
        found = trace(self.net(), self.x, "class:0", "1:2", "class:1", top_n=1)
        assert [reached(found, unit=unit) for unit in range(3)] == [
            {(1,): 1, (2,): 1},
            {(0,): 1, (2,): 1},
            {(1,): 1, (2,): 1},
        ]


class TestBias:
    def test_it_is_left_out_unless_asked_for(self, trace):
        # Contributions -1, 0 and 2; with the bias of 1.5 each: 0.5, 1.5 and 3.5.
        net = nn.Sequential(nn.Flatten(), linear([-1, 0, 1], bias=[1.5]))
        x = torch.tensor([[[1.0, 1.0, 2.0]]])
        assert reached(trace(net, x)) == {(2,): 1}
        assert reached(trace(net, x, bias=True)) == {(0,): 1, (1,): 1, (2,): 1}

    def test_a_node_in_the_padding_is_dropped(self, trace):
        # Only the bias makes the node: the largest of -3 + 1, 0 + 1 (padding) lies in the padding.
        net = nn.Sequential(nn.Conv1d(1, 1, 2, padding=1), nn.Flatten(), linear([1, 0, 0]))
        net[0].weight.data, net[0].bias.data = torch.ones(1, 1, 2), torch.tensor([9.0])
        x = torch.tensor([[[-3.0, -1.0]]])
        assert reached(trace(net, x, "0:0@0")) == {}
        assert reached(trace(net, x, "0:0@0", bias=True)) == {}
        assert reached(trace(net, x, "0:0@1", bias=True)) == {(1,): 1}


class TestConvolution:
    x = torch.arange(16.0).view(1, 1, 4, 4)

    def test_largest_contribution_of_the_window(self, trace):
        net = nn.Sequential(conv([[[[2, 0], [0, 1]]]]), nn.Flatten(), nn.Identity())
        assert reached(trace(net, self.x, "0:0@0,0")) == {(1, 1): 1}  # 2 * 0 against 1 * 5
        assert reached(trace(net, self.x, "0:0@2,2")) == {(2, 2): 1}  # 2 * 10 against 1 * 15

    def test_mean_of_a_channel_starts_at_its_largest(self, trace):
        net = nn.Sequential(conv([[[[1, 0], [0, 0]]], [[[-1, 0], [0, 0]]]]), nn.ReLU(), nn.Flatten())
        assert reached(trace(net, self.x, "0:0")) == {(2, 2): 1}
        assert reached(trace(net, self.x, "0:1")) == {}

    def test_channel_of_the_largest_sum_not_of_the_largest_term(self, trace):
        # Channel 0: 5 - 4 = 1; channel 1: 2 + 2 = 4.
        net = nn.Sequential(conv([[[1, -1], [1, 1]]]), nn.Flatten())
        x = torch.tensor([[[5.0, 4.0], [2.0, 2.5]]])
        assert reached(trace(net, x, "class:0")) == {(1,): 1}
        assert reached(trace(net, x, "class:0", channels="positive")) == {(0,): 1, (1,): 1}

    def test_groups_keep_to_their_channels(self, trace):
        net = nn.Sequential(conv([[[1]], [[1]]], groups=2), nn.Flatten())
        x = torch.tensor([[[1.0, 3.0], [9.0, 8.0]]])
        assert reached(trace(net, x, "0:0")) == {(1,): 1}
        assert reached(trace(net, x, "0:1")) == {(0,): 1}

    def test_stride_padding_and_dilation_find_the_way(self, trace):
        net = nn.Sequential(conv([[[0, 1, 2]]], stride=2, padding=2, dilation=2), nn.Flatten())
        x = torch.tensor([[[1.0, 2.0, 3.0, 4.0, 5.0]]])
        # Outputs at -2, 0, 2 + (0, 2, 4): x0 + 2 x2, x2 + 2 x4, x4 + 0.
        assert [reached(trace(net, x, f"0:0@{place}")) for place in range(3)] == [
            {(2,): 1},
            {(4,): 1},
            {(4,): 1},
        ]


class TestPooling:
    x = torch.tensor([[[[1.0, 2.0], [4.0, 3.0]]]])

    def test_the_largest_of_a_max_pool(self, trace):
        net = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), linear([1]))
        assert reached(trace(net, self.x)) == {(1, 0): 1}

    def test_the_largest_of_a_max_pool_even_if_negative(self, trace):
        net = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), linear([-1]))
        assert reached(trace(net, -self.x)) == {(0, 0): 1}

    @pytest.mark.parametrize(
        "pool",
        [nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), lambda x: x.mean((2, 3)), lambda x: x.sum(dim=(-1, -2))],
        ids=["avg", "adaptive", "mean", "sum"],
    )
    def test_the_largest_contribution_to_an_average(self, trace, pool):
        class Net(nn.Module):
            def forward(self, x):
                return pool(x).flatten(1) * 2

        assert reached(trace(Net(), self.x, "class:0")) == {(1, 0): 1}

    def test_nothing_speaks_for_an_average_of_negatives(self, trace):
        net = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Identity())
        assert reached(trace(net, -self.x, "class:0")) == {}


class TestSigns:
    def test_one_logit_below_zero_speaks_for_class_0(self, trace):
        net = nn.Sequential(nn.Flatten(), linear([1, -1, -3]))
        assert reached(trace(net, torch.ones(1, 1, 3), "top")) == {(1,): 1, (2,): 1}

    def test_a_negative_norm_turns_the_weights_before_it(self, trace):
        norm = nn.BatchNorm1d(1)
        norm.weight.data[:] = -1
        net = nn.Sequential(conv([[[1, -4]]]), norm, nn.Flatten())
        assert reached(trace(net, torch.tensor([[[2.0, 1.0]]]), "1:0")) == {(1,): 1}

    def test_a_norm_of_weight_zero_comes_from_nothing(self, trace):
        norm = nn.BatchNorm1d(1)
        norm.weight.data[:] = 0
        net = nn.Sequential(conv([[[1, -1]]]), norm, nn.Flatten())
        assert reached(trace(net, torch.tensor([[[2.0, 1.0]]]), "1:0")) == {}

    def test_what_made_a_negative_node_negative(self, trace):
        # Hidden -3 through -2 contributes 6: it is small because of input 1.
        net = nn.Sequential(nn.Flatten(), linear([1, -4]), linear([-2]))
        assert reached(trace(net, torch.ones(1, 1, 2), "class:0")) == {(1,): 1}

    def test_the_top_class_against_the_rest_starts_at_the_top_class(self, trace):
        net = nn.Sequential(nn.Flatten(), linear([1, 0, 0], [0, 1, -9]))
        x = torch.ones(1, 1, 3)
        assert reached(trace(net, x, "contribution")) == {(0,): 1}

    def test_a_function_of_the_scores(self, trace):
        net = nn.Sequential(nn.Flatten(), linear([1, 0], [0, 1]))
        x = torch.ones(2, 1, 2)
        assert reached(trace(net, x, lambda logits: 2 * logits[:, 1] + logits[:, 0]), sample=1) == {(1,): 1}


class Branches(nn.Module):
    def __init__(self, join):
        super().__init__()
        self.join, self.left, self.right = (
            join,
            conv([[[0, 1, 0]]], padding=1),
            conv([[[1, 0, 0]]], padding=1),
        )

    def forward(self, x):
        return self.join(self.left(x), self.right(x)).flatten(1)


class TestBranches:
    x = torch.tensor([[[3.0, 1.0, 2.0]]])

    def test_the_larger_branch_of_a_sum(self, trace):
        # Left (3, 1, 2), right (0, 3, 1).
        found = trace(Branches(torch.add), self.x, "class:0", "class:1", "class:2")
        assert [reached(found, unit=unit) for unit in range(3)] == [{(0,): 1}, {(0,): 1}, {(2,): 1}]

    def test_a_difference_turns_its_second_branch(self, trace):
        found = trace(Branches(torch.sub), self.x, "class:2", lambda logits: -logits[:, 1])
        assert [reached(found, unit=unit) for unit in range(2)] == [{(2,): 1}, {(0,): 1}]

    def test_the_branch_that_owns_the_channel(self, trace):
        found = trace(Branches(lambda *both: torch.cat(both, 1)), self.x, "class:1", "class:4")
        assert [reached(found, unit=unit) for unit in range(2)] == [{(1,): 1}, {(0,): 1}]

    def test_the_larger_of_a_maximum(self, trace):
        found = trace(Branches(torch.maximum), self.x, "class:1", "class:2")
        assert [reached(found, unit=unit) for unit in range(2)] == [{(0,): 1}, {(2,): 1}]

    @pytest.mark.parametrize(
        "gated",
        [
            lambda left, right: left * torch.sigmoid(right.mean(2, keepdim=True)),
            lambda left, right: torch.sigmoid(right.mean(2))[:, :, None].expand(-1, -1, 3) * left,
            lambda left, right: left * torch.sigmoid(left + right),
            lambda left, right: left / right.sum(2, keepdim=True),
        ],
        ids=["smaller", "spread", "swish", "norm"],
    )
    def test_a_gate_is_passed_by(self, trace, gated):
        assert reached(trace(Branches(gated), self.x, "class:2")) == {(2,): 1}

    def test_a_constant_beside_a_branch(self, trace):
        def scaled(left, _right):
            return (5 - left * torch.tensor([1.0, -1.0, 0.0])) / 2 + 1

        found = trace(Branches(scaled), self.x, "class:0", "class:1", "class:2")
        assert [reached(found, unit=unit) for unit in range(3)] == [{}, {(1,): 1}, {}]


class TestMoves:
    x = torch.arange(101.0, 113).view(1, 2, 2, 3)

    @pytest.mark.parametrize(
        "move",
        [
            lambda x: x.permute(0, 3, 1, 2),
            lambda x: x.transpose(1, 2)[:, :, [1]],
            lambda x: torch.stack([x[:, 1], x[:, 0] * 1]),
            lambda x: torch.cat(x.unbind(1)[::-1]),
            lambda x: torch.cat(x.chunk(3, -1), 1),
            lambda x: pad(x, (1, 2), value=7.0),
            lambda x: pad(x, (1, 1, 0, 1), mode="reflect"),
            lambda x: x.roll(1, -1).flip(1),
            lambda x: pixel_shuffle(x.repeat(1, 2, 1, 1), 2),
            lambda x: interpolate(x, scale_factor=2),
            lambda x: unfold(x, 2, padding=1),
            lambda x: x.unfold(3, 2, 1).contiguous().squeeze().unsqueeze(0).clone(),
            lambda x: torch.hstack([x, torch.ones(1, 1, 2, 3)]).swapaxes(1, 2).mT,
            lambda x: x.gather(3, torch.tensor([[[[2], [0]], [[1], [1]]]])).expand(-1, -1, -1, 4),
        ],
    )
    def test_nodes_follow_their_numbers(self, trace, move):
        """Every number of the input is different, so that the result tells where each came from."""

        class Net(nn.Module):
            def forward(self, x):
                return move(x).reshape(1, -1) * 1

        moved = Net()(self.x)[0].tolist()
        found = trace(Net(), self.x, *(f"class:{place}" for place in range(len(moved))))
        for unit, number in enumerate(moved):
            spot = (self.x[0] == number).nonzero()[:, 1:].tolist()
            assert reached(found, unit=unit) == {tuple(place): 1.0 for place in spot}
