"""One thread and a seeded state inside, everything as before outside."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import datetime, timezone

import pytest
import torch
from threadpoolctl import ThreadpoolController, reset_cached_controller, threadpool_info

from foveal_audit.reproducible import now, one_thread, reproducible


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("block", [one_thread, lambda: reproducible(0)])
def test_one_thread_inside_and_the_old_number_after(two_threads, block):
    with suppress(ZeroDivisionError), block():
        assert torch.get_num_threads() == 1
        assert {pool["num_threads"] for pool in threadpool_info()} <= {1}
        raise ZeroDivisionError
    assert torch.get_num_threads() == 2


def test_libraries_are_looked_up_once_as_long_as_nothing_is_imported(monkeypatch):
    made = []
    look = ThreadpoolController.__init__
    monkeypatch.setattr(ThreadpoolController, "__init__", lambda self: (made.append(self), look(self))[1])
    reset_cached_controller()
    for _ in range(5):
        with one_thread():
            assert {pool["num_threads"] for pool in made[0].info()} <= {1}
    assert len(made) == 1
    monkeypatch.setitem(sys.modules, "something_new", None)
    with one_thread():
        pass
    assert len(made) == 2


def test_the_same_numbers_inside_and_the_callers_own_after():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    drawn = []
    for _ in range(2):
        with reproducible(5):
            drawn.append(torch.rand(4))
    assert torch.equal(*drawn)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_gradients_are_on_inside(mode):
    with mode(), reproducible(0):
        x = torch.ones(1, requires_grad=True)
        (x * 2).sum().backward()
    assert x.grad.item() == 2


def test_now_is_the_clock_or_what_was_told(monkeypatch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    before = datetime.now(timezone.utc)
    assert before.replace(microsecond=0) <= now() <= datetime.now(timezone.utc)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert now() == datetime(1970, 1, 2, tzinfo=timezone.utc)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert now() >= before.replace(microsecond=0)
