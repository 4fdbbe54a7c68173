"""What observing a request costs, as a ratio to the plain prediction of the same run.

Run it with ``python tests/benchmarks/request_cost.py``. CPU time of one thread, the two taken in turns,
medians of the rounds: on a busy machine only the ratios mean anything.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from foveal.config import FovealConfig
from foveal.observer import Observer, Seen
from foveal_audit.studies.network import PatentNet

ROUNDS, CALLS = 15, 20


def seen(number: int) -> list[Seen]:
    """Make the requests of one batch."""
    pixels = np.random.default_rng(0).integers(0, 256, (number, 96, 96, 1), dtype=np.uint8)
    return [
        Seen(f"r{row}", 0, pixels[row], "production", "2026-01-01T00:00:00Z", f"r{row}")
        for row in range(number)
    ]


def cpu_seconds(call: Callable[[], object]) -> float:
    """Time a call, in CPU seconds per run."""
    before = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - before) / CALLS


def measure(batch: int) -> tuple[float, float]:
    """Give the CPU milliseconds of a plain forward, and the ratio of the observed one to it."""
    network = PatentNet().eval()
    requests, x = seen(batch), torch.rand(batch, 1, 96, 96)
    observer = Observer(network, None, FovealConfig(), "0" * 64, x[:1])

    def plain() -> object:
        with torch.inference_mode():
            return network(x)

    pairs = [(cpu_seconds(plain), cpu_seconds(lambda: observer.observe(requests, x))) for _ in range(ROUNDS)]
    milliseconds = 1000 * statistics.median(first for first, _ in pairs)
    return milliseconds, statistics.median(second / first for first, second in pairs)


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("batch  plain ms  observed / plain")  # noqa: T201 - a table is what this is for
    for batch in (1, 8):
        milliseconds, ratio = measure(batch)
        print(f"{batch:5}  {milliseconds:8.2f}  {ratio:16.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
