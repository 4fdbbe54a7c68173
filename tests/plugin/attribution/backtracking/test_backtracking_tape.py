"""The tape: what it hears, what it keeps, and that it leaves nothing behind."""

import gc
import weakref
from threading import Barrier, Thread

import torch
from small_nets import ResidualNet, SharedNet, seeded
from torch import nn

import foveal
from foveal.attribution.backtracking.tape import Tape


def record(network, x, **options):
    with torch.enable_grad():
        tape = Tape(x, **options)
        with tape:
            return tape, network(tape.x)


def operations(tape):
    return [step.call.operation for step in tape.steps]


def test_modules_functions_and_methods_have_one_name():
    relu, linear = nn.ReLU(), nn.Linear(3, 2)
    tape, _ = record(lambda x: linear(torch.relu(relu(x).relu_()).clamp(min=0)), torch.rand(2, 3))
    assert operations(tape) == ["input", "relu", "relu", "relu", "clamp", "linear"]


def test_constants_are_not_recorded():
    weight = torch.rand(3)
    tape, _ = record(lambda x: x * (weight.exp() + 1).sqrt(), torch.rand(2, 3))
    assert operations(tape) == ["input", "mul"]


def test_the_result_is_the_network_s_own():
    for net, shape in ((seeded(SharedNet, True), (2, 1, 16, 16)), (seeded(ResidualNet), (2, 3, 33, 32))):
        x = torch.rand(shape)
        with torch.no_grad():
            assert torch.equal(record(net, x)[1], net(x))


def test_values_are_kept_as_they_were_taken():
    conv = nn.Conv1d(2, 2, 1)

    def network(x):
        x = conv(x)
        y = x + conv(x)
        x.zero_()
        y.mul_(0)
        return x + y

    x = torch.rand(1, 2, 3)
    tape, _ = record(network, x)
    first = next(number for number, name in enumerate(operations(tape)) if name == "add")
    call = tape.steps[first].call
    assert torch.equal(tape.tensors.value(call.values["input"]), conv(x).detach())
    assert torch.equal(tape.tensors.value(call.values["other"]), conv(conv(x)).detach())


def test_only_what_rules_compare_is_kept():
    net = nn.Sequential(
        nn.Conv1d(1, 2, 1), nn.BatchNorm1d(2), nn.ReLU(), nn.Flatten(), nn.Linear(6, 2)
    ).eval()
    tape, _ = record(net, torch.rand(1, 1, 3))
    kept = [operations(tape)[ref.step] for ref in tape.tensors.kept]
    assert kept == ["input", "flatten"]


def test_gradients_arrive_at_the_tensors_next_to_a_value_as_they_were_then():
    linear = nn.Linear(3, 2)

    def network(x):
        hidden = linear(x)
        with torch._C.DisableTorchFunction():
            value = (hidden.clone() * torch.tensor([1.0, 2.0])).sum()
        return value, hidden.relu_()

    tape, (value, output) = record(network, torch.rand(4, 3))
    (ref,) = tape.pull(value)
    assert operations(tape)[ref.step] == "linear"
    assert torch.equal(tape.pull(value)[ref], torch.tensor([1.0, 2.0]).expand(4, 2))
    (ref,) = tape.pull(output.sum())
    assert operations(tape)[ref.step] == "relu"


def test_gradients_pass_what_only_moves_numbers():
    tape, output = record(lambda x: torch.stack((x * 2).view(2, 3).unbind(1)).flip(0), torch.rand(6))
    (ref,) = tape.pull(output[0, 1])
    assert operations(tape)[ref.step] == "mul"
    assert tape.pull(output[0, 1])[ref].tolist() == [0, 0, 0, 0, 0, 1]


def test_it_goes_when_its_forward_is_done():
    gc.collect()
    gc.disable()
    try:
        tape, output = record(seeded(ResidualNet), torch.rand(1, 3, 33, 32))
        gone = weakref.ref(tape)
        del tape
        assert gone() is None
        assert output.shape == (1, 3)
    finally:
        gc.enable()


def test_it_hears_its_own_thread_alone():
    net, x = seeded(ResidualNet), torch.rand(2, 3, 33, 32)
    alone = foveal.explain(net, x, method="backtracking").maps
    maps, barrier = [None] * 4, Barrier(4)

    def work(number):
        barrier.wait()
        for _ in range(3):
            maps[number] = foveal.explain(net, x, method="backtracking").maps

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(one, alone) for one in maps)


def test_exported_programs_are_followed():
    net, x = seeded(SharedNet), torch.rand(2, 1, 16, 16)
    exported = torch.export.export(net, (x,)).module()
    for module in exported.modules():
        module.training = False
    usual = foveal.explain(net, x, method="backtracking", targets=["class:0"]).maps
    assert torch.equal(foveal.explain(exported, x, method="backtracking", targets=["class:0"]).maps, usual)
