"""Networks that cannot be observed are told apart, each with what to do about it."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import nn

from foveal_handlers.wrapped.discovery import find_model, obstacle
from foveal_handlers.wrapped.matching import match
from foveal_handlers.wrapped.original import Original


def plain():
    return nn.Sequential(nn.Linear(2, 2)).eval()


def scripted():
    return torch.jit.script(plain())


NETWORKS = {
    "no_model": lambda: None,
    "compiled": lambda: torch.compile(plain()),
    "training": lambda: plain().train(),
}


@pytest.mark.parametrize("reason", NETWORKS)
def test_obstacles(reason):
    assert obstacle(NETWORKS[reason]()).reason == reason


@pytest.mark.parametrize("make", [plain, scripted, lambda: torch.jit.freeze(scripted())])
def test_eager_and_scripted_networks_are_none(make):
    assert obstacle(make()) is None


def handler(**attributes):
    class Handler(SimpleNamespace):
        def initialize(self, context):
            pass

        def handle(self, data, context):
            pass

    made = Handler(**attributes)
    return Original(ModuleType("handler"), made.handle, made.initialize)


def test_the_usual_names_go_first():
    first, second, third = plain(), plain(), plain()
    assert find_model(handler(other=first, net=second, model=third)) is third
    assert find_model(handler(other=first, net=second)) is second
    assert find_model(handler(other=first)) is first
    assert find_model(handler(pipeline=SimpleNamespace(core=second), words=["none"])) is second
    assert find_model(handler(model=None)) is None


@pytest.mark.parametrize(("path", "found"), [("a.b", True), ("c.0.b", True), ("d.b", False), ("a", False)])
def test_a_named_one(path, found):
    network = plain()
    original = handler(model=plain(), a={"b": network}, c=[SimpleNamespace(b=network)])
    assert find_model(original, path) is (network if found else None)


def forward(rows):
    return SimpleNamespace(x=torch.zeros(rows, 1))


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([(0, 3)], [(3, [0, 1, 2])]),
        ([(1, 1), (0, 2)], [(2, [0, 1]), (1, [2])]),
        ([(0, 1), (1, 1), (2, 1)], [(1, [0]), (1, [1]), (1, [2])]),
        ([(0, 3), (1, 3)], [(3, [0, 1, 2])]),
        ([(0, 6)], None),
        ([(0, 2), (1, 2)], None),
        ([], None),
    ],
)
def test_rows_of_forwards(kept, expected):
    found = match([(place, forward(rows)) for place, rows in kept], [0, 1, 2])
    assert (found and [(len(one.x), rows) for one, rows in found]) == expected
