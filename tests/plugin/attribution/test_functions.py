"""Operations are seen on every road, replaced for one forward in one thread, and left alone afterwards."""

from __future__ import annotations

import threading
from functools import partial
from math import prod

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from foveal.attribution import operations
from foveal.attribution.functions import Override, check_visible, read_call, replace_backward
from foveal.attribution.operations import OPERATIONS, canonical_name
from foveal.errors import UsageError

torch.set_num_threads(1)


def _x(*shape, seed=0):
    return torch.randn(shape or (2, 4), generator=torch.Generator().manual_seed(seed))


def _axes(name):
    return next((int(digit) for digit in "123" if name.split("_with")[0].endswith(f"{digit}d")), 2)


def _grid(name, channels=4):
    return _x(2, channels, *[5] * _axes(name))


def _conv(name):
    return _grid(name), _x(4, 4, *[2] * _axes(name))


def _matrices(name):
    return (_x(2, 3), _x(3, 2)) if name.endswith(".mm") else (_x(1, 2, 3), _x(1, 3, 2))


def _batch_norm(name):
    weight, bias, mean, var = torch.full((4,), 2.0), torch.ones(4), torch.zeros(4), torch.ones(4)
    if name == "torch.batch_norm":
        return _grid(name), weight, bias, mean, var, False, 0.1, 1e-5, False
    return _grid(name), mean, var, weight, bias


#: Operation -> arguments for the function of a given name, where one tensor will not do.
ARGUMENTS = {
    "clamp": lambda _: (_x(), -0.5, 0.5),
    "clamp_min": lambda _: (_x(), 0.1),
    "threshold": lambda _: (_x(), 0.1, 0.2),
    "maximum": lambda _: (_x(), _x(seed=1)),
    "max": lambda _: (_x(), _x(seed=1)),
    "minimum": lambda _: (_x(), _x(seed=1)),
    "prelu": lambda _: (_x(), torch.full((1,), 0.2)),
    "rrelu": lambda _: (_x(), 0.1, 0.2, False),
    "softmax": lambda _: (_x(), 1),
    "softmin": lambda _: (_x(), 1),
    "log_softmax": lambda _: (_x(), 1),
    "linear": lambda _: (_x(), _x(3, 4)),
    "conv": _conv,
    "conv_transpose": _conv,
    "matmul": _matrices,
    "batch_norm": _batch_norm,
    "layer_norm": lambda _: (_x(), (4,)),
    "group_norm": lambda name: (_grid(name), 2),
    "instance_norm": lambda name: (_grid(name),),
    "local_response_norm": lambda name: (_grid(name), 2),
    "max_pool": lambda name: (_grid(name), 2),
    "avg_pool": lambda name: (_grid(name), 2),
    "adaptive_max_pool": lambda name: (_grid(name), 2),
    "adaptive_avg_pool": lambda name: (_grid(name), 2),
    "mean": lambda _: (_x(), 1),
    "sum": lambda _: (_x(), 1),
    "cat": lambda _: ((_x(), _x()), 1),
    "dropout": lambda name: (_grid(name), 0.5, False),
    "attention": lambda _: (_x(1, 3, 4), _x(1, 3, 4), _x(1, 3, 4)),
    "pow": lambda _: (_x(), 2),
    "bilinear": lambda _: (_x(), _x(seed=1), _x(3, 4, 4)),
    "cosine_similarity": lambda _: (_x(), _x(seed=1)),
    "logsumexp": lambda _: (_x(), 1),
    "prod": lambda _: (_x(), 1),
    "cumprod": lambda _: (_x(), 1),
} | {
    name: lambda _: (_x(), _x(seed=1).abs() + 1) for name in ("add", "sub", "rsub", "mul", "div", "rdiv")
}  # fmt: skip

ROADS = [
    (operation, name)
    for operation, (parameters, names) in operations._TABLE.items()
    if parameters
    for name in names
    if list(operations._functions([name]))
]


class Spy:
    """Passes calls on and keeps them."""

    def __init__(self):
        self.calls = []

    def __call__(self, call):
        self.calls.append(call)
        return call.plain()


def _clones(arguments):
    return [one.clone() if isinstance(one, torch.Tensor) else one for one in arguments]


@pytest.mark.parametrize(("operation", "name"), ROADS, ids=[name for _, name in ROADS])
def test_every_road_is_seen(operation, name):
    """Each function of the table, called as written: seen once, its arguments bound, its result unchanged."""
    (function,) = operations._functions([name])
    arguments = ARGUMENTS.get(operation, lambda _: (_x(),))(name)
    expected = function(*_clones(arguments))
    spy = Spy()
    with Override({operation: spy}):
        result = function(*_clones(arguments))
    (call,) = spy.calls
    first = expected[0] if isinstance(expected, tuple) else expected
    torch.testing.assert_close(result[0] if isinstance(result, tuple) else result, first, equal_nan=True)
    assert call.operation == operation
    bound = list(call.values.values())
    assert all(torch.equal(*map(torch.as_tensor, pair)) for pair in zip(bound, arguments, strict=False)
               if all(isinstance(one, torch.Tensor) for one in pair) and not call.in_place)  # fmt: skip


def test_no_function_stands_for_two_operations():
    entered = [
        function for _, names in operations._TABLE.values() for function in operations._functions(names)
    ]
    homes = {}
    for function in entered:
        homes.setdefault(function, set()).add(OPERATIONS[function])
    assert all(len(names) == 1 for names in homes.values())


def test_weights_of_both_batch_norms_are_told_apart():
    spy = Spy()
    with Override({"batch_norm": spy}):
        F.batch_norm(*_batch_norm("F.batch_norm"))
        torch.batch_norm(*_batch_norm("torch.batch_norm"))
    assert [call.values["weight"].tolist() for call in spy.calls] == [[2.0] * 4] * 2
    assert [call.values["running_mean"].tolist() for call in spy.calls] == [[0.0] * 4] * 2


RELUS = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu in place": partial(F.relu, inplace=True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "torch.relu_ by name": lambda h: torch.relu_(input=h),
    "method": lambda h: h.relu(),
    "method in place": lambda h: h.relu_(),
    "clamp": lambda h: h.clamp(min=0),
    "clamp, position": lambda h: torch.clamp(h, 0.0),
    "clamp, no maximum": lambda h: torch.clamp(h, min=0, max=None),
    "clamp_": lambda h: h.clamp_(0),
    "clip": lambda h: torch.clip(h, min=0),
    "clamp_min": lambda h: h.clamp_min(0),
    "threshold": nn.Threshold(0, 0),
    "threshold in place": nn.Threshold(0, 0, inplace=True),
    "maximum": lambda h: torch.maximum(h, torch.zeros(())),
    "max": lambda h: torch.max(h, torch.zeros_like(h)),
    "operator": torch.ops.aten.relu.default,
    "operator, any overload": torch.ops.aten.relu,
    "operator in place": torch.ops.aten.relu_.default,
    "operator clamp": lambda h: torch.ops.aten.clamp.default(h, 0),
    "out": lambda h: torch.clamp(h, 0, out=torch.empty_like(h)),
}


@pytest.mark.parametrize("road", RELUS)
def test_relu_by_any_other_name(road):
    """All of them are `relu`, and take the handler's result, in place and into `out` too."""
    h = _x()
    with Override({"relu": lambda call: call.plain() + 1}):
        result = RELUS[road](h.clone())
    torch.testing.assert_close(result, h.clamp(min=0) + 1)


@pytest.mark.parametrize(
    "other",
    [
        lambda h: h.clamp(min=0.5),
        lambda h: h.clamp(0, 6),
        lambda h: h.clamp(max=0),
        lambda h: torch.clamp(h, torch.zeros(())),
        lambda h: torch.maximum(h, torch.ones(())),
        lambda h: torch.maximum(h, torch.zeros((), requires_grad=True)),
        lambda h: h.max(1),
        lambda h: F.threshold(h, 0, 1),
        lambda h: h.long().clamp(min=0),
        F.relu6,
    ],
)
def test_what_is_no_relu(other):
    spy = Spy()
    with Override({"relu": spy}):
        other(_x())
    assert not spy.calls


def test_exported_programs_are_seen():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(True), nn.MaxPool2d(2), nn.Flatten(),
                        nn.Linear(8, 3)).eval()  # fmt: skip
    program = torch.export.export(net, (_x(1, 1, 6, 6),)).module()
    spy = Spy()
    with Override(dict.fromkeys(("conv", "batch_norm", "relu", "max_pool", "linear"), spy)):
        program(_x(1, 1, 6, 6))
    assert [call.operation for call in spy.calls] == ["conv", "batch_norm", "relu", "max_pool", "linear"]
    assert torch.equal(spy.calls[1].values["weight"], net[1].weight)
    assert spy.calls[2].in_place
    assert canonical_name(torch.ops.prims.sin.default) is None


def test_modules_that_hide_behind_others():
    """Recurrent cells and attention are one call each; what they call inside is their own affair."""
    spy = Spy()
    with Override(dict.fromkeys(("recurrent", "multi_head_attention", "softmax", "linear"), spy)):
        nn.LSTM(4, 3)(_x(5, 2, 4))
        nn.GRUCell(4, 3)(_x())
        nn.MultiheadAttention(4, 2)(*[_x(3, 2, 4)] * 3)
    assert [call.operation for call in spy.calls] == ["recurrent", "recurrent", "multi_head_attention"]


def test_in_place_changes_what_others_hold():
    """Whoever holds the tensor, or a view of it, sees the handler's result."""
    h = _x()
    held, view = h, h[:, :2]
    with Override({"relu": lambda call: call.input * 0 + 7}):
        result = F.relu(h, inplace=True)
    assert result is h
    assert held.unique().tolist() == view.unique().tolist() == [7.0]


def test_in_place_on_a_view():
    h = torch.tensor([[-1.0, -2.0, 3.0]], requires_grad=True)
    with Override(
        {"relu": lambda call: replace_backward(call.input, call.plain(), lambda signal: 10 * signal)}
    ):
        whole = h * 1
        whole[:, :2].relu_()
        (gradient,) = torch.autograd.grad(whole.sum(), h)
    assert whole.tolist() == [[0, 0, 3]]
    assert gradient.tolist() == [[10, 10, 1]]


def test_plain_leaves_the_input_as_it_was():
    h = _x()
    for road in ("module in place", "torch.relu_", "torch.relu_ by name", "operator in place"):
        kept = h.clone()
        with Override({"relu": lambda call: (call.plain(), call.input.clone())[1]}):
            result = RELUS[road](kept)
        assert torch.equal(result, h), road


def test_handlers_run_with_their_override_off():
    depth = []
    with Override({"relu": lambda call: (depth.append(1), torch.relu(call.input))[1]}):
        torch.relu(_x())
    assert depth == [1]


def test_overrides_nest():
    """The inner one comes first; what it computes meets the outer one."""
    with (
        Override({"relu": lambda call: call.plain() + 1}),
        Override({"relu": lambda call: 10 * call.plain()}),
    ):
        assert torch.relu(torch.tensor([2.0])).tolist() == [30]


def test_nothing_is_left_afterwards():
    h, spy = _x(), Spy()
    override = Override({"relu": spy})
    with override:
        torch.relu(h)
    with pytest.raises(RuntimeError), override:
        torch.relu(h) @ h
    torch.relu(h)
    assert len(spy.calls) == 2


def test_a_fault_of_a_handler_is_not_swallowed():
    def broken(_call):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"), Override({"relu": broken}):
        torch.relu(_x())
    assert torch.relu(torch.tensor(-1.0)) == 0


def test_threads_do_not_meet():
    """While one thread is inside an override, another runs the same module plainly."""
    module, h, inside, done = nn.ReLU(), _x(), threading.Event(), threading.Event()
    other = []

    def plainly():
        inside.wait(5)
        other.append(module(h))
        done.set()

    thread = threading.Thread(target=plainly)
    thread.start()
    with Override({"relu": lambda call: call.plain() + 1}):
        inside.set()
        assert done.wait(5)
        mine = module(h)
    thread.join()
    assert torch.equal(other[0], h.clamp(min=0))
    assert torch.equal(mine, h.clamp(min=0) + 1)


@given(st.lists(st.sampled_from(sorted(RELUS)), min_size=1, max_size=5), st.integers(0, 2**16))
def test_chains_of_roads_give_one_result(roads, seed):
    """A rule applied along any roads gives what it gives along the plain one, values and gradients."""

    def rule(call):
        open_ = call.input > 0
        return replace_backward(call.input, call.plain(), lambda signal: signal.clamp(min=0) * open_)

    def run(chain):
        x = _x(3, 4, seed=seed).requires_grad_()
        h = x
        with Override({"relu": rule}):
            for position, road in enumerate(chain):
                h = RELUS[road](h * (-1) ** position + 0.1)
        return h.detach(), torch.autograd.grad(h.sum(), x)[0]

    safe = ["module" if road == "out" else road for road in roads]
    for ours, plain in zip(run(safe), run(["module"] * len(roads)), strict=True):
        assert torch.equal(ours, plain)


def test_out_does_not_differentiate_as_in_torch():
    buffer = torch.empty(2, 4)
    with Override({"relu": lambda call: call.plain() * 2}):
        result = torch.clamp(_x(), 0, out=buffer)
    assert result is buffer
    assert torch.equal(buffer, 2 * _x().clamp(min=0))


def test_replaced_backward_in_one_batch():
    """A rule works under vmap, so that many units come from one backward."""
    x = _x(3, 4).requires_grad_()
    open_ = x.detach() > 0
    y = replace_backward(x, x.relu(), lambda signal: signal.clamp(min=0) * open_)
    cotangents = _x(5, 3, 4, seed=1)
    (batched,) = torch.autograd.grad(y, x, cotangents, is_grads_batched=True, retain_graph=True)
    singles = [torch.autograd.grad(y, x, one, retain_graph=True)[0] for one in cotangents]
    assert torch.equal(batched, torch.stack(singles))


def test_replaced_results_may_be_changed_in_place():
    x = _x().requires_grad_()
    y = replace_backward(x, x.relu(), lambda signal: 3 * signal)
    y += 1
    y.mul_(2)
    assert torch.autograd.grad(y.sum(), x)[0].unique().tolist() == [6.0]
    assert not replace_backward(x.detach(), x.relu(), lambda signal: signal).requires_grad


def test_rules_run_with_overrides_off():
    """A backward inside the with does not meet the override's own handlers."""
    spy, x = Spy(), _x().requires_grad_()

    def handler(call):
        spy.calls.append(call)
        return replace_backward(call.input, call.plain(), lambda signal: signal.clamp(min=0))

    with Override({"relu": handler}):
        torch.autograd.grad(torch.relu(x).sum(), x)
    assert len(spy.calls) == 1


def test_values_left_to_the_default_are_missing():
    call = read_call("max_pool", F.max_pool2d, (_x(1, 1, 4, 4),), {"kernel_size": 2})
    assert set(call.values) == {"input", "kernel_size"}
    assert prod(call.plain().shape) == 4


class Holder(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.part = part

    def forward(self, x):
        return self.part(x)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_hides_is_refused():
    mend = "Give the eager model, or choose a method that leaves operations alone, such as gradcam"
    inner = nn.Sequential(nn.Linear(4, 2), nn.ReLU())
    check_visible(inner)
    hiding = {
        "The model is TorchScript": torch.jit.script(inner),
        "Layer 'part' of the model is TorchScript": Holder(torch.jit.trace(inner, _x())),
        "Layer 'part' of the model is compiled": Holder(torch.compile(inner, backend="eager")),
    }
    for fault, model in hiding.items():
        with pytest.raises(UsageError) as caught:
            check_visible(model)
        assert str(caught.value) == f"{fault} and hides its operations. {mend}."
