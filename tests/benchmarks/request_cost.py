"""What observing a request costs, part by part, beside the plain prediction of the same run.

    python tests/benchmarks/request_cost.py

ResNet-18 at 224 pixels, CPU time of one thread, the parts taken in turns, medians of the rounds: on a busy
machine only the shares mean anything. The last two parts happen in the shipper, after the answer.
"""

from __future__ import annotations

import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent / "served"))
from resnet18_model import resnet18

from foveal.config import FovealConfig
from foveal.developing import develop
from foveal.observer import Observer, Seen
from foveal.samples import decode_image
from foveal.spool import Spool

ROUNDS, CALLS, WARM = 15, 10, 60


def photograph() -> bytes:
    """Make a JPEG."""
    rough = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(rough).resize((500, 375), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def cpu_seconds(call: Callable[[], object]) -> float:
    """Time a call, in CPU seconds per run."""
    before = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - before) / CALLS


def parts(folder: Path) -> dict[str, Callable[[], object]]:
    """Give what is timed: the plain forward, and each part of observing it."""
    network, jpeg = resnet18(), photograph()
    batches = [torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(n)) for n in range(16)]
    observer = Observer(network, None, FovealConfig(), "0" * 64, batches[0])
    seen = Seen("r1", 0, None, "production", "2026-01-01T00:00:00Z", "r1", encoded=jpeg, size=(375, 500, 3))
    forwards = [observer.forward(x) for x in batches]
    for number in range(WARM):
        observations = observer.record([seen], forwards[number % 16])
    spool, turn = Spool(folder), iter(range(10**9))

    def plain() -> object:
        with torch.inference_mode():
            return network(batches[next(turn) % 16])

    return {
        "plain forward": plain,
        "forward with hooks": lambda: observer.forward(batches[next(turn) % 16]),
        "maps and records": lambda: observer.record([seen], forwards[next(turn) % 16]),
        "encode and append": lambda: spool.append(observations[0]),
        "later: decode": lambda: decode_image(jpeg, "r1"),
        "later: decode, windows, crops, PNG": lambda: develop(observations[0]),
    }


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        calls = parts(Path(folder))
        rounds = [{name: cpu_seconds(call) for name, call in calls.items()} for _ in range(ROUNDS)]
    lines = ["| part | CPU ms | share of the plain forward |", "| --- | --- | --- |"]
    for name in calls:
        seconds = statistics.median(one[name] for one in rounds)
        share = statistics.median(one[name] / one["plain forward"] for one in rounds)
        lines.append(f"| {name} | {1000 * seconds:.2f} | {share:.3f} |")
    print("\n".join(lines))  # noqa: T201 - a table is what this is for


if __name__ == "__main__":
    main()
