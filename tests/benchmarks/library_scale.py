"""How a feature library behaves as it grows: appending, opening, counting, drawing, neighbours, memory.

    python tests/benchmarks/library_scale.py                       # 20,000 entries, seconds
    python tests/benchmarks/library_scale.py --entries 1000000     # the figures of the documentation

The library lies in a database and a folder of this machine. Half of the entries have a contribution vector,
the other half are compared by what their crops look like.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from foveal.library import Library
from foveal.records import Entry, Observation, SampleRecord, entry_id

_PER_SHARD = 2000
_DIMS = 64
_FEATURES = [f"fc1:{number}" for number in range(20)]
#: Where the cost of appending is looked at first.
_EARLY = 10_000


def main() -> None:
    """Make a library and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=32, help="height and width of the crops")
    parser.add_argument("--folder", type=Path, default=None, help="where to put it; a new one otherwise")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        os.environ["FOVEAL_CACHE_DIR"] = f"{folder}/cache"
        _say(f"| {options.entries:,} entries, crops of {options.side} px | |\n|---|---:|")
        for name, value in _measure(f"sqlite:///{folder}/mlflow.db", options.entries, options.side):
            _say(f"| {name} | {value} |")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _measure(uri: str, entries: int, side: int) -> Iterator[tuple[str, str]]:
    os.chdir(os.environ["FOVEAL_CACHE_DIR"].removesuffix("/cache"))
    appends = _fill(Library("scale", uri), entries, side)
    early = appends[: max(3, _EARLY // _PER_SHARD)]
    yield "append a shard of 2,000, at 10,000 entries", _ms(statistics.median(early))
    yield "append a shard of 2,000, at the end", _ms(statistics.median(appends[-10:]))
    yield "make the catalog, once", f"{_time(Library('scale', uri).query().count)[0]:.1f} s"
    memory = _memory()
    seconds, library = _time(lambda: _opened(uri))
    yield "open", _ms(seconds)
    asked: dict[str, Callable[[], Any]] = {
        "count, all": lambda: library.query().count(),
        "count, filtered by four things": lambda: _filtered(library).count(),
        "facets of a label": lambda: library.query(feature="fc1:3").facets("label"),
        "100 random entries of all": lambda: library.query().sample(100, seed=1),
        "100 random entries of a feature": lambda: library["fc1:3"].sample(100, seed=1),
        "all entries of one sample": lambda: library.query(sample="request-77").entries(),
    }
    for name, ask in asked.items():
        yield name, f"{_ms(_time(ask)[0])}, again {_ms(_time(ask)[0])}"
    yield "memory that all of this took", f"{_memory() - memory:.0f} MB over {memory:.0f} MB"
    yield from _neighbours(library)
    yield "most memory, with indexing", f"{_memory():.0f} MB"


def _neighbours(library: Library) -> Iterator[tuple[str, str]]:
    for name, feature in (("contribution vectors", "contribution"), ("appearance", "fc1:3")):
        ids = [entry.id for entry in library[feature].sample(20)]
        yield f"index {name}, once", f"{_time(lambda ids=ids: library.nearest(ids[0]))[0]:.1f} s"
        fresh = [_time(lambda id_=id_: library.nearest(id_, 10))[0] for id_ in ids]
        yield f"10 nearest by {name}: median, longest", f"{_ms(statistics.median(fresh))}, {_ms(max(fresh))}"
        within = [_time(lambda id_=id_, own=feature: library.nearest(id_, 10, own))[0] for id_ in ids]
        yield "the same within one feature", f"{_ms(statistics.median(within))}, {_ms(max(within))}"


def _opened(uri: str) -> Library:
    library = Library("scale", uri)
    library.features()
    return library


def _filtered(library: Library) -> Any:
    return library.query(
        source="production", predicted=1, metadata={"site": "3"}, since="2026-03-01T12:10:00Z"
    )


def _fill(library: Library, entries: int, side: int) -> list[float]:
    """Append shards and give the seconds that each took."""
    rng = np.random.default_rng(0)
    crops = [_png(rng, side) for _ in range(997)]
    numbers = count()
    seconds = []
    for shard in range(-(-entries // _PER_SHARD)):
        observations = [_observation(next(numbers), crops, rng) for _ in range(_PER_SHARD // 2)]
        seconds.append(_time(lambda: library.add(observations, f"shard-{shard}"))[0])  # noqa: B023 - at once
    return seconds


def _png(rng: np.random.Generator, side: int) -> bytes:
    small = rng.integers(0, 256, (4, 4, 3), np.uint8)
    image = np.asarray(Image.fromarray(small).resize((side, side)), np.int16)
    noisy = np.clip(image + rng.integers(-20, 20, image.shape), 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _observation(number: int, crops: list[bytes], rng: np.random.Generator) -> Observation:
    shared: dict[str, Any] = {
        "sample": f"request-{number}",
        "row": 0,
        "source": "production",
        "time": f"2026-03-01T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000+00:00",
        "predicted": number % 3,
        "model_sha256": "m" * 64,
        "config_sha256": "c" * 64,
        "label": f"label {number % 5}",
        "metadata": {"site": str(number % 7), "ward": str(number % 40)},
    }
    sample = SampleRecord(
        **shared,
        scores=(0.5, 1.5, 0.25),
        activations={"fc1": tuple(rng.random(20).tolist())},
        sample_sha256=f"{number:064x}",
        shape=(224, 224, 3),
    )
    made = (("contribution", rng.normal(size=_DIMS)), (_FEATURES[number % 20], np.empty(0)))
    return Observation(
        sample,
        tuple(_entry(shared, number, *one, crops[(number * 2 + k) % 997]) for k, one in enumerate(made)),
    )


def _entry(shared: dict[str, Any], number: int, feature: str, vector: Any, crop: bytes) -> Entry:
    return Entry(
        **shared,
        id=entry_id(shared["sample"], 0, feature, 0, shared["model_sha256"]),
        feature=feature,
        window=(0, 0, 32, 32),
        activation=number % 1000 / 1000,
        share=0.5,
        crop=crop,
        map=np.full((4, 4), number, np.float32),
        vector=vector.astype(np.float32),
        method="hirescam",
        layer="layer4",
        threshold=0.1,
    )


def _time(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
