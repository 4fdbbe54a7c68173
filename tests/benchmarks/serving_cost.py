"""What auditing costs a served model: the same archive bare and wrapped, side by side in one TorchServe.

    python tests/benchmarks/serving_cost.py --rounds 12 --requests 60

ResNet-18 at 224 pixels, one worker each, every request audited, a fixed number of requests under way. The two
are asked in turns, so that both meet the same machine; only ratios mean anything. Prints one table in
markdown: throughput, latency, memory, start-up, and where the time in the worker goes.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil
import torch
from PIL import Image

from foveal.archives.mar import MANIFEST, write_archive
from foveal.archives.wrapping import wrap
from foveal.servers import TorchServe
from foveal.servers.http import ask as get

SERVED = Path(__file__).parent / "served"
NAMES = ("bare", "wrapped")


@dataclass
class Measured:
    """What one of the two did."""

    throughputs: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    memory: int = 0
    private: int = 0
    start: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)


def build(store: Path) -> None:
    """Write the bare archive and wrap it."""
    model = {"modelName": "bare", "modelVersion": "1.0", "handler": "resnet18_handler.py"}
    files = {path.name: path for path in SERVED.glob("*.py")}
    manifest = json.dumps({"runtime": "python", "model": model, "archiverVersion": "0.12.0"}).encode()
    with (store / "bare.mar").open("wb") as out:
        write_archive({**files, MANIFEST: manifest}, out)
    renamed = json.dumps({"runtime": "python", "model": {**model, "modelName": "wrapped"}}).encode()
    with (store / "named.mar").open("wb") as out:
        write_archive({**files, MANIFEST: renamed}, out)
    wrap(store / "named.mar", store / "wrapped.mar")
    (store / "named.mar").unlink()


def images(number: int) -> list[bytes]:
    """Make JPEGs of 500 x 375 pixels, as cameras and data sets give them."""
    random, made = np.random.default_rng(0), []
    for _ in range(number):
        rough = random.integers(0, 256, (24, 32, 3), dtype=np.uint8)
        out = io.BytesIO()
        Image.fromarray(rough).resize((500, 375), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
        made.append(out.getvalue())
    return made


def ask(server: TorchServe, name: str, batch: list[bytes], at_once: int, measured: Measured) -> None:
    """Send a round of requests and note how long each and all took."""

    def one(image: bytes) -> tuple[float, bytes]:
        begun = time.perf_counter()
        answer = server.request(f"/predictions/{name}", image)
        if answer.status != 200:
            raise SystemExit(f"{name} answered {answer.status}: {answer.message}")
        return time.perf_counter() - begun, answer.body

    begun = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(one, batch))
    measured.throughputs.append(len(batch) / (time.perf_counter() - begun))
    measured.latencies += [seconds for seconds, _ in found]
    measured.bodies += [body for _, body in found]


def worker_memory(server: TorchServe, name: str) -> tuple[int, int]:
    """Give the resident memory of a model's worker in bytes, and the part that no other process shares."""
    answer = json.loads(server_ask(server, f"/models/{name}"))
    pids = [worker["pid"] for version in answer for worker in version["workers"]]
    found = [psutil.Process(int(pid)).memory_full_info() for pid in pids]
    return sum(one.rss for one in found), sum(one.uss for one in found)


def server_ask(server: TorchServe, path: str) -> bytes:
    """Ask the management address."""
    return bytes(get(f"{server.management_url}{path}").body)


_START = """
import sys, time
begun = time.perf_counter()
sys.path.insert(0, sys.argv[1])
import json, os
from ts.model_loader import ModelLoaderFactory
os.chdir(sys.argv[1])
handler = json.load(open("MAR-INF/MANIFEST.json"))["model"]["handler"]
ModelLoaderFactory.get_model_loader().load("m", sys.argv[1], handler, None, 1)
print(f"seconds {time.perf_counter() - begun}", flush=True)
os._exit(0)
"""


def start_seconds(folder: Path, spool: Path) -> float:
    """Load an unpacked archive as a worker does, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _START, str(folder)],
        env={**os.environ, "FOVEAL_SPOOL_DIR": str(spool)},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("seconds ")]
    return float(line.split()[1])


def measure(rounds: int, requests: int, at_once: int) -> tuple[dict[str, Measured], int]:
    """Serve both and ask them in turns."""
    measured = {name: Measured() for name in NAMES}
    pool = images(32)
    with tempfile.TemporaryDirectory() as scratch:
        store, spool = Path(scratch) / "store", Path(scratch) / "spool"
        store.mkdir()
        build(store)
        for name in NAMES:
            subprocess.run(
                [sys.executable, "-m", "zipfile", "-e", store / f"{name}.mar", Path(scratch) / name],
                check=True,
            )
        for _ in range(5):
            for name in NAMES:
                measured[name].start.append(start_seconds(Path(scratch) / name, spool))
        with TorchServe(store, spool=spool) as server:
            for name in NAMES:
                ask(server, name, pool[:16], 1, Measured())
                ask(server, name, pool * 2, at_once, Measured())
            for number in range(rounds):
                batch = [pool[(number * requests + index) % len(pool)] for index in range(requests)]
                for name in NAMES if number % 2 else NAMES[::-1]:
                    ask(server, name, batch, at_once, measured[name])
            for name in NAMES:
                measured[name].memory, measured[name].private = worker_memory(server, name)
        kept = sum(path.stat().st_size for path in spool.rglob("*") if path.suffix in (".open", ".seg"))
    return measured, kept


def report(measured: dict[str, Measured], kept: int) -> str:
    """Write the table."""
    bare, wrapped = measured["bare"], measured["wrapped"]
    ratio = statistics.median(w / b for w, b in zip(wrapped.throughputs, bare.throughputs, strict=True))
    tail = {name: np.percentile(measured[name].latencies, [50, 99]) * 1000 for name in NAMES}
    starts = {name: statistics.median(measured[name].start) for name in NAMES}
    same = sorted(bare.bodies) == sorted(wrapped.bodies)
    rows = [
        (
            "throughput, requests/s",
            *(f"{statistics.median(m.throughputs):.1f}" for m in (bare, wrapped)),
            f"{ratio:.3f} x",
        ),
        *(
            (
                f"latency p{p}, ms",
                f"{tail['bare'][i]:.1f}",
                f"{tail['wrapped'][i]:.1f}",
                f"{tail['wrapped'][i] / tail['bare'][i]:.3f} x",
            )
            for i, p in enumerate((50, 99))
        ),
        (
            "worker memory, MB",
            f"{bare.memory / 1e6:.0f}",
            f"{wrapped.memory / 1e6:.0f}",
            f"+{(wrapped.memory - bare.memory) / 1e6:.0f}",
        ),
        (
            "of it private, MB",
            f"{bare.private / 1e6:.0f}",
            f"{wrapped.private / 1e6:.0f}",
            f"+{(wrapped.private - bare.private) / 1e6:.0f}",
        ),
        (
            "start of a worker, s",
            f"{starts['bare']:.2f}",
            f"{starts['wrapped']:.2f}",
            f"+{starts['wrapped'] - starts['bare']:.2f}",
        ),
        ("same bodies", str(len(bare.bodies)), str(len(wrapped.bodies)), "yes" if same else "NO"),
        ("spooled, MB", "", f"{kept / 1e6:.1f}", ""),
    ]
    lines = [("", "bare", "wrapped", "difference"), ("---",) * 4, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--requests", type=int, default=60, help="per round and archive")
    parser.add_argument("--at-once", type=int, default=2, help="requests under way")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(report(*measure(asked.rounds, asked.requests, asked.at_once)))  # noqa: T201 - what a benchmark is for


if __name__ == "__main__":
    main()
