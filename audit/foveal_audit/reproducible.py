"""Same inputs and seed, same bits: one thread and a seeded random state, both given back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone

import torch
from threadpoolctl import get_cached_controller

#: Seconds since 1970 that stand for now (reproducible-builds.org): with it even the date is the same.
EPOCH = "SOURCE_DATE_EPOCH"


def now() -> datetime:
    """Say when it is, to the second: by the clock, or by :data:`EPOCH` where that is set."""
    told = os.environ.get(EPOCH, "")
    if told.isascii() and told.isdigit():
        return datetime.fromtimestamp(int(told), timezone.utc)
    return datetime.now(timezone.utc).replace(microsecond=0)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run a block on one thread: sums change with the number of threads that share them.

    The process's libraries are looked up anew, which takes 15 ms, only after something was imported.
    """
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        with get_cached_controller().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Run a block on one thread with torch's global generator seeded; restores both.

    Gradients are on inside, whatever mode the caller is in.
    """
    with (
        one_thread(),
        torch.random.fork_rng(devices=[]),
        torch.inference_mode(mode=False),
        torch.enable_grad(),
    ):
        torch.manual_seed(seed)
        yield
