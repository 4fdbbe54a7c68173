"""What auditing costs a worker in CPU time: the same archive bare and wrapped, asked in turns in one process.

    python tests/benchmarks/worker_cost.py --rounds 40

ResNet-18 at 224 pixels, JPEGs of 500 x 375, one thread, every request audited. Without a server and its
clients, what another program does to the machine shows less: each round asks both, and the table holds
medians over the rounds. ``answering`` is the thread that answers; ``process`` adds the threads that go on
meanwhile. ``--profile`` says where the answering thread of the wrapped worker spends it.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import torch
import ts
from serving_cost import NAMES, build, images
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.model_loader import TsModelLoader

from foveal.archives.mar import read_manifest

WARM, CALLS = 80, 6
Ask = Callable[[bytes], bytes]


def start(folder: Path) -> Ask:
    """Load an unpacked archive as TorchServe's worker does; gives what answers an image."""
    metrics = MetricsCacheYamlImpl(str(Path(ts.__file__).parent / "configs" / "metrics.yaml"))
    metrics.initialize_cache()
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    model = read_manifest(folder)
    service = TsModelLoader().load(
        model["modelName"], str(folder), model["handler"], None, 1, None, True, metrics
    )
    service.cl_socket, number = None, iter(range(10**9))

    def ask(image: bytes) -> bytes:
        parameters = [{"name": "body", "value": bytearray(image), "contentType": "image/jpeg"}]
        headers = [{"name": b"explain", "value": b"False"}]
        request = {"requestId": b"%d" % next(number), "headers": headers, "parameters": parameters}
        return bytes(service.predict([request]))

    return ask


def unpack(folder: Path) -> dict[str, Ask]:
    """Build both archives and start a worker of each."""
    build(folder)
    for name in NAMES:
        with ZipFile(folder / f"{name}.mar") as archive:
            archive.extractall(folder / name)
    return {name: start(folder / name) for name in NAMES}


def seconds(ask: Ask, pictures: list[bytes]) -> tuple[float, float]:
    """Give the CPU seconds of a request: of this thread, and of the process."""
    before = time.thread_time(), time.process_time()
    for picture in pictures:
        ask(picture)
    after = time.thread_time(), time.process_time()
    return (after[0] - before[0]) / len(pictures), (after[1] - before[1]) / len(pictures)


def table(rounds: list[dict[str, tuple[float, float]]]) -> str:
    """Write the medians."""
    lines = ["| CPU ms of a request | bare | wrapped | difference | ratio |", "| --- " * 5 + "|"]
    for place, what in enumerate(("answering", "process")):
        bare, wrapped = ([one[name][place] * 1000 for one in rounds] for name in NAMES)
        pairs = list(zip(bare, wrapped, strict=True))
        more = statistics.median(b - a for a, b in pairs)
        ratio = statistics.median(b / a for a, b in pairs)
        middle = (statistics.median(bare), statistics.median(wrapped))
        lines.append(f"| {what} | {middle[0]:.2f} | {middle[1]:.2f} | {more:+.2f} | {ratio:.3f} |")
    return "\n".join(lines)


def profiled(ask: Ask, pictures: list[bytes]) -> None:
    """Print where a worker's time goes."""
    profile = cProfile.Profile()
    profile.enable()
    for picture in pictures:
        ask(picture)
    profile.disable()
    pstats.Stats(profile).sort_stats("cumulative").print_stats(90)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    pictures = images(32)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["FOVEAL_SPOOL_DIR"] = str(Path(scratch) / "spool")
        workers = unpack(Path(scratch))
        for number in range(WARM):
            for ask in workers.values():
                ask(pictures[number % 32])
        if asked.profile:
            profiled(workers["wrapped"], pictures * 4)
        rounds = []
        for number in range(asked.rounds):
            own = [pictures[(number * CALLS + call) % 32] for call in range(CALLS)]
            order = NAMES if number % 2 else NAMES[::-1]
            rounds.append({name: seconds(workers[name], own) for name in order})
        os.chdir("/")
    print(table(rounds))  # noqa: T201 - what a benchmark is for


if __name__ == "__main__":
    main()
