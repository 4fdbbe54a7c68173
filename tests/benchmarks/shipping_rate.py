"""How fast crops get into a library behind an MLflow server, beside `mlflow.log_image` in the same run.

    python tests/benchmarks/shipping_rate.py                  # 20,000 crops of 64 px

A real `mlflow server` takes the files over HTTP and stores them itself. The crops are PNGs with next to no
compression; making them is not part of the time. Rounds of shards and of single images alternate, so that
both see the same machine.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from foveal.library import Library, shards
from foveal.library.connection import quiet
from foveal.library.content import digests, tables_sha256
from foveal.library.light import with_index
from foveal.library.schema import TABLES, parquet_bytes
from foveal.records import Entry, Observation, SampleRecord, entry_id
from foveal.servers.mlflow import MlflowServer

_ROUNDS = 5


def main() -> None:
    """Ship shards and log images in turn, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=64, help="height and width of the crops")
    parser.add_argument("--per-shard", type=int, default=2000)
    parser.add_argument("--images", type=int, default=40, help="images to log in all")
    options = parser.parse_args()
    quiet()
    with tempfile.TemporaryDirectory() as folder, MlflowServer(Path(folder)) as server:
        os.environ["FOVEAL_CACHE_DIR"] = f"{folder}/cache"
        rows = _measure(server.uri, options.crops, options.side, options.per_shard, options.images)
    lines = [f"| crops of {options.side} px, {options.per_shard:,} per shard | |", "|---|---:|"]
    sys.stdout.write("\n".join([*lines, *(f"| {name} | {value} |" for name, value in rows), ""]))


def _measure(uri: str, crops: int, side: int, per_shard: int, images: int) -> list[tuple[str, str]]:
    from mlflow import MlflowClient  # noqa: PLC0415 - after the settings above

    client = MlflowClient(uri)
    client.create_experiment("foveal/shipped", "mlflow-artifacts:/shipped")
    library = Library("shipped", uri)
    pixels = [_pixels(number, side) for number in range(499)]
    pieces = [_observations(n, per_shard, pixels) for n in range(crops // per_shard)]
    library.add(_observations(-1, 10, pixels), "warm")
    run = client.create_run(client.create_experiment("images")).info.run_id
    _log(client, run, pixels[:2])
    shipped, logged = [], []
    for turn in range(_ROUNDS):
        for number in range(turn, len(pieces), _ROUNDS):
            shipped.append(per_shard / _time(lambda n=number: library.add(pieces[n], f"shard-{n}")))
        some = pixels[turn * images // _ROUNDS : (turn + 1) * images // _ROUNDS]
        logged.append(len(some) / _time(lambda some=some: _log(client, run, some)))
    rate, single = statistics.median(shipped), statistics.median(logged)
    bytes_ = len(pieces[0][0].entries[0].crop)
    return [
        ("bytes per crop", f"{bytes_:,}"),
        ("shipped, crops per second: median (slowest, fastest shard)", _spread(shipped)),
        ("mlflow log_image, images per second: median (slowest, fastest round)", _spread(logged)),
        ("shards against log_image", f"{rate / single:,.0f} x"),
        *((f"of a shard: {name}", value) for name, value in _parts(pieces[0])),
    ]


def _parts(piece: list[Observation]) -> list[tuple[str, str]]:
    """Time the steps of a shard on their own; the rest of it is HTTP and the server."""
    tables = {kind: make(piece) for kind, make in TABLES.items()}
    hashes = list(digests(tables["entries"]))
    whole = with_index(**tables, hashes=hashes)
    steps: dict[str, Callable[[], Any]] = {
        "records to tables": lambda: [make(piece) for make in TABLES.values()],
        "hash of the content": lambda: tables_sha256(tables, list(digests(tables["entries"]))),
        "index beside the samples": lambda: with_index(**tables, hashes=hashes),
        "Parquet": lambda: [parquet_bytes(whole), parquet_bytes(tables["entries"])],
        "one observation per sample": lambda: shards._unrepeated(piece),
    }
    return [(name, f"{_time(step) * 1000:.0f} ms") for name, step in steps.items()]


def _log(client: Any, run: str, pixels: list[np.ndarray]) -> None:
    for number, image in enumerate(pixels):
        client.log_image(run, image, key="crops", step=number, synchronous=True)


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


def _spread(rates: list[float]) -> str:
    return f"{statistics.median(rates):,.1f} ({min(rates):,.1f}, {max(rates):,.1f})"


def _time(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
