"""How fast crops get into a library behind an MLflow server, beside `mlflow.log_image` in the same run.

    python tests/benchmarks/shipping_rate.py                  # 200,000 crops of 64 px

A real `mlflow server` takes everything over HTTP and stores it itself: shards, single images and, to show
what it can take at all, bare PUT requests of a shard's bytes. The ways take turns, so that all see the same
machine. Their processor time, client and server, depends less than their rates on what else the machine does.

Shards are timed from the records until the library has them, as `foveal ship` sends them: the next one is
made while one is on its way. The crops are PNGs with next to no compression; making them is not part of it.
Images are logged as MLflow's documentation has it, `mlflow.log_image(image, key=.., step=..)` in a run, each
until the server has it. By default the call does not wait: that is timed until MLflow's queue is flushed.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil
import requests
from PIL import Image

from foveal.library import Library, Made
from foveal.library.connection import quiet
from foveal.library.content import digests, tables_sha256
from foveal.library.light import with_index
from foveal.library.lookahead import ahead
from foveal.library.schema import TABLES, parquet_view
from foveal.records import Entry, Observation, SampleRecord, entry_id
from foveal.servers.mlflow import MlflowServer

_ROUNDS = 5
_STORE = "api/2.0/mlflow-artifacts/artifacts"


def main() -> None:
    """Ship shards and log images in turn, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=int, default=200_000)
    parser.add_argument("--side", type=int, default=64, help="height and width of the crops")
    parser.add_argument("--per-shard", type=int, default=2000)
    parser.add_argument("--images", type=int, default=100, help="images to log in all")
    options = parser.parse_args()
    quiet()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(MlflowServer(folder))
        os.environ |= {
            "FOVEAL_CACHE_DIR": f"{folder}/cache",
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        }
        race = _Race(server.uri, options.side, options.per_shard, stack)
        race.run(options.crops // options.per_shard // _ROUNDS, options.images // _ROUNDS)
    sys.stdout.write("\n".join([*race.lines(), ""]))


@dataclass
class _Way:
    """One way to get crops to the server: its rates round by round, and what its crops took in all."""

    name: str
    rates: list[float] = field(default_factory=list)
    client: float = 0.0
    server: float = 0.0
    crops: int = 0
    requests: int = 0

    @property
    def cpu(self) -> float:
        """Processor time of client and server, milliseconds per crop."""
        return 1000 * (self.client + self.server) / self.crops

    def row(self) -> str:
        rate = statistics.median(self.rates)
        client, server = (1000 * spent / self.crops for spent in (self.client, self.server))
        return (
            f"| {self.name} | {rate:,.0f} ({min(self.rates):,.0f} to {max(self.rates):,.0f}) "
            f"| {client:.3f} | {server:.3f} | {self.requests / self.crops:.4g} |"
        )


class _Race:
    """The ways, and the turns they take."""

    def __init__(self, uri: str, side: int, per_shard: int, stack: ExitStack) -> None:
        self._uri, self._per_shard = uri, per_shard
        self._pixels = [_pixels(number, side) for number in range(499)]
        self._numbers = iter(range(10**9))
        self.shards = _Way("shards")
        self.bare = _Way("bare PUT of the same bytes")
        self.logged = _Way("`mlflow.log_image`")
        self.queued = _Way("`mlflow.log_image`, its queue flushed")
        self._mlflow, self._library = _prepared(uri, stack)
        self._add(self._pieces(1, 10))
        self._log(self._pixels[:2])

    def run(self, shards: int, images: int) -> None:
        """Let each way have its turn, in every round in the same order."""
        for turn in range(_ROUNDS):
            pieces = self._pieces(shards, self._per_shard)
            some = self._pixels[turn * images : (turn + 1) * images]
            crops = shards * self._per_shard
            self._turn(self.shards, crops, lambda pieces=pieces: self._add(pieces))
            contents = [b"".join(Made(piece).files.values()) for piece in pieces]
            self._turn(self.bare, crops, lambda contents=contents: self._put(contents))
            self._turn(self.logged, images, lambda some=some: self._log(some))
        self._turn(self.queued, len(self._pixels), lambda: self._log(self._pixels, wait=False))
        self._parts = _parts(pieces[0])
        self._bytes = len(pieces[0][0].entries[0].crop)

    def lines(self) -> Iterator[str]:
        """Give the report in Markdown."""
        ways = (self.shards, self.bare, self.logged, self.queued)
        yield f"{self._bytes:,} bytes per crop, {self._per_shard:,} crops per shard."
        yield from ("", "| | crops per second, median | client CPU ms | server CPU ms | requests per crop |")
        yield from ("|---|---:|---:|---:|---:|", *(way.row() for way in ways))
        rates = [statistics.median(way.rates) for way in ways]
        yield ""
        yield (
            f"Shards are {rates[0] / rates[2]:,.0f} times as fast as `mlflow.log_image`, at a "
            f"{self.logged.cpu / self.shards.cpu:,.0f}th of its processor time, "
            f"and {rates[0] / rates[1]:.2f} times as fast as the bare PUT."
        )
        yield from ("", "| of a shard | CPU ms |", "|---|---:|")
        yield from (f"| {name} | {1000 * seconds:.1f} |" for name, seconds in self._parts)

    def _turn(self, way: _Way, crops: int, work: Callable[[], Any]) -> None:
        """Time one turn of a way."""
        server = _cpu_of_children()
        with _counting() as asked:
            client, start = time.process_time(), time.perf_counter()
            work()
            way.rates.append(crops / (time.perf_counter() - start))
            way.client += time.process_time() - client
        way.server += _cpu_of_children() - server
        way.crops += crops
        way.requests += len(asked)

    def _pieces(self, count: int, size: int) -> list[list[Observation]]:
        return [_observations(next(self._numbers), size, self._pixels) for _ in range(count)]

    def _add(self, pieces: Sequence[list[Observation]]) -> None:
        for made in ahead(self._library.made, pieces):
            self._library.add(made, f"shard-{next(self._numbers)}")

    def _put(self, contents: Sequence[bytes]) -> None:
        with requests.Session() as session:
            for content in contents:
                url = f"{self._uri}/{_STORE}/bare/{next(self._numbers)}.parquet"
                session.put(url, data=content, timeout=60).raise_for_status()

    def _log(self, pixels: Sequence[np.ndarray], wait: bool = True) -> None:
        for step, image in enumerate(pixels):
            self._mlflow.log_image(image, key="crops", step=step, synchronous=wait)
        if not wait:
            self._mlflow.flush_artifact_async_logging()
            self._mlflow.flush_async_logging()


def _prepared(uri: str, stack: ExitStack) -> tuple[Any, Library]:
    """Give MLflow within a run, and a library; the server stores the artifacts of both itself."""
    import mlflow  # noqa: PLC0415 - after the settings above

    mlflow.set_tracking_uri(uri)
    mlflow.create_experiment("foveal/shipped", "mlflow-artifacts:/shipped")
    experiment = mlflow.create_experiment("images", "mlflow-artifacts:/images")
    stack.enter_context(mlflow.start_run(experiment_id=experiment))
    return mlflow, Library("shipped", uri)


def _cpu_of_children() -> float:
    """Give the processor time of the server: the one program that this process has started."""
    times = [process.cpu_times() for process in psutil.Process().children(recursive=True)]
    return sum(spent.user + spent.system for spent in times)


@contextmanager
def _counting() -> Iterator[list[str]]:
    """Count the requests that are made over HTTP."""
    asked: list[str] = []
    real = requests.Session.request

    def request(self: requests.Session, method: str, *args: Any, **kwargs: Any) -> requests.Response:
        asked.append(method)
        return real(self, method, *args, **kwargs)

    with patch.object(requests.Session, "request", request):
        yield asked


def _parts(piece: list[Observation]) -> list[tuple[str, float]]:
    """Time the steps of making a shard on their own; the rest of it is HTTP."""
    tables = {kind: make(piece) for kind, make in TABLES.items()}
    hashes = list(digests(tables["entries"]))
    whole = with_index(**tables, hashes=hashes)
    steps: dict[str, Callable[[], Any]] = {
        "records to tables": lambda: [make(piece) for make in TABLES.values()],
        "hash of the content": lambda: tables_sha256(tables, list(digests(tables["entries"]))),
        "index beside the samples": lambda: with_index(**tables, hashes=hashes),
        "Parquet": lambda: [parquet_view(whole), parquet_view(tables["entries"])],
        "all of it": lambda: Made(piece),
    }
    return [(name, min(_cpu(step) for _ in range(5))) for name, step in steps.items()]


def _pixels(seed: int, side: int) -> np.ndarray:
    """Make a picture with some structure and some noise, as hard to compress as a photograph."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8)).resize((side, side))
    noisy = np.asarray(small, np.int16) + rng.integers(-12, 13, (side, side, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _observations(shard: int, size: int, pixels: list[np.ndarray]) -> list[Observation]:
    """Make a shard's records, every one with two entries, no two crops the same object."""
    crops = [_png(one) for one in pixels]
    return [
        _observation(shard * size + n, crops[n % 499], crops[(7 * n + 1) % 499]) for n in range(size // 2)
    ]


def _observation(number: int, *crops: bytes) -> Observation:
    shared: dict[str, Any] = {
        "sample": f"request-{number}",
        "row": 0,
        "source": "production",
        "time": "2026-03-01T12:00:00.000+00:00",
        "predicted": number % 3,
        "model_sha256": "m" * 64,
        "config_sha256": "c" * 64,
        "metadata": {"site": str(number % 7)},
    }
    sample = SampleRecord(
        **shared,
        scores=tuple(np.linspace(0, 1, 10).tolist()),
        activations={"fc1": tuple(np.linspace(0, 1, 64).tolist())},
        sample_sha256=f"{number % 2**64:064x}",
        shape=(224, 224, 3),
    )
    return Observation(
        sample,
        tuple(
            Entry(
                **shared,
                id=entry_id(sample.sample, 0, feature, 0, sample.model_sha256),
                feature=feature,
                window=(0, 0, 64, 64),
                activation=1.0,
                share=0.5,
                crop=bytes(bytearray(crop)),
                map=np.full((7, 7), number, np.float32),
                vector=np.full(512 if feature == "contribution" else 0, number, np.float32),
                method="hirescam",
                layer="layer4",
                threshold=0.1,
            )
            for feature, crop in zip(("contribution", "fc1:3"), crops, strict=True)
        ),
    )


def _cpu(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
