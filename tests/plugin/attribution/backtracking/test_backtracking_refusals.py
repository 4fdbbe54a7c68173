"""What backtracking cannot follow is refused, by name, whatever the input."""

import pytest
import torch
from torch import nn
from torch.nn.functional import conv_transpose1d, interpolate, scaled_dot_product_attention

from foveal.errors import UsageError


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x).flatten(1) * 1


class Recurrent(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.rnn = kind(4, 3, batch_first=True)

    def forward(self, x):
        return self.rnn(x)[0][:, -1]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x):
        return (x + self.attention(x, x, x)[0]).mean(1)


def hidden(x):
    with torch._C.DisableTorchFunction():
        x = x * 2
    return x + 1


def view_in_place(x):
    first = x[:, :2]
    first.mul_(2)
    return x


def part_in_place(x):
    first, second = x.chunk(2, 1)
    first.relu_()
    return torch.cat([first, second], 1)


def filled(x):
    copy = torch.zeros_like(x)
    copy[:, :1] = x[:, :1]
    return copy


def filled_through_a_view(x):
    copy = torch.zeros(x.shape)
    copy[:, :1].copy_(x[:, :1])
    return copy


REFUSED = {
    "attention": lambda x: scaled_dot_product_attention(x, x, x),
    "matmul": lambda x: x @ x.mT,
    "mul": lambda x: x * torch.relu(x),
    "div": lambda x: torch.ones(3) / x,
    "interpolate": lambda x: interpolate(x, scale_factor=2.0, mode="linear"),
    "sort": lambda x: x.sort(-1)[0],
    "__getitem__": lambda x: x[:, x[0, :, 0].argsort()],
    "mean": lambda x: x.mean().expand(len(x), 2),
    "conv_transpose": lambda x: conv_transpose1d(x, torch.ones(4, 2, 2)),
    "pow": lambda x: x**2,
    "__setitem__": filled,
    "copy in place of a view": filled_through_a_view,
    "change in place of a view": view_in_place,
    "relu in place of a view": part_in_place,
}


def refusal(operation):
    return (
        f"Backtracking cannot follow the operation {operation!r}. "
        "Choose a method that takes any network, such as occlusion or rise."
    )


@pytest.mark.parametrize("operation", REFUSED)
def test_operations_are_named(trace, operation):
    with pytest.raises(UsageError) as caught:
        trace(Function(REFUSED[operation]), torch.rand(2, 4, 3), "class:0")
    assert str(caught.value) == refusal(operation)


def test_operations_out_of_sight(trace):
    with pytest.raises(UsageError) as caught:
        trace(Function(hidden), torch.rand(2, 4, 3), "class:0")
    assert str(caught.value) == (
        "The network computes where torch's function protocol does not show it. "
        "Give a plain eager network, or choose a method that takes any, such as occlusion or rise."
    )


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_are_named(trace, kind):
    with pytest.raises(UsageError) as caught:
        trace(Recurrent(kind), torch.rand(2, 3, 4))
    assert str(caught.value) == refusal("recurrent")


def test_attention_is_refused_even_beside_a_larger_branch(trace):
    """The residual branch is larger at every node here, and yet the network is refused."""
    net = Attention()
    net.attention.out_proj.weight.data.zero_()
    with pytest.raises(UsageError) as caught:
        trace(net, torch.rand(2, 3, 4))
    assert str(caught.value) == refusal("multi_head_attention")


def test_what_does_not_lead_to_the_unit_may_be_anything(trace):
    class Net(nn.Module):
        def forward(self, x):
            (x**2).sort(-1)
            return x.flatten(1) * 1

    assert trace(Net(), torch.rand(2, 1, 3), "class:0").counts[:, 0].tolist() == [[1, 0, 0], [1, 0, 0]]


def test_a_unit_that_does_not_depend_on_the_input(trace):
    with pytest.raises(UsageError) as caught:
        trace(Function(lambda x: torch.ones(len(x), 3)), torch.rand(2, 1, 3), "class:0")
    assert str(caught.value) == (
        "Unit 0 does not come from the input by operations that backtracking sees. "
        "Give an eager network, and a unit that depends on the input."
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_is_refused(trace):
    net = nn.Sequential(torch.jit.trace(nn.Linear(3, 3), torch.rand(2, 3)), nn.Flatten())
    with pytest.raises(UsageError, match="TorchScript"):
        trace(net, torch.rand(2, 1, 3), "class:0")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_n": 0}, "top_n is 0. Give a whole number from 1, or None for all."),
        ({"entry_n": 1.5}, "entry_n is 1.5. Give a whole number from 1, or None for all."),
        ({"channels": "all"}, "channels is 'all'. Choose argmax or positive."),
    ],
)
def test_choices_out_of_range(trace, options, message):
    with pytest.raises(UsageError) as caught:
        trace(nn.Flatten(), torch.rand(2, 1, 3), **options)
    assert str(caught.value) == message


def test_an_input_without_a_grid(trace):
    with pytest.raises(UsageError) as caught:
        trace(nn.Linear(3, 2), torch.rand(2, 3), "class:0")
    assert str(caught.value) == (
        "The input of shape (2, 3) has no pixels. Give samples as (batch, channels, ...)."
    )
