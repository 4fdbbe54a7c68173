"""How a feature library behaves as it grows: appending, opening, counting, drawing, neighbours, memory.

    python tests/benchmarks/library_scale.py                                  # 20,000 entries, seconds
    python tests/benchmarks/library_scale.py --entries 1000000 --neighbours   # as in the documentation
    python tests/benchmarks/library_scale.py --keep FOLDER            # made once, asked again

The library lies in a database and a folder of this machine. Half of the entries have a contribution vector,
the other half are compared by what their crops look like. Times are seconds of the clock, with those of the
processor in brackets: on a machine that does other things too, the second are the ones to compare.
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
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from foveal.library import Library
from foveal.records import Entry, Observation, SampleRecord, entry_id

_PER_SHARD = 2000
_DIMS = 64
_FEATURES = [f"fc1:{number}" for number in range(20)]
#: Where the cost of appending is looked at first.
_EARLY = 10_000
#: Searches whose answers are compared with going through everything.
_SEARCHES = 50


class Cost(NamedTuple):
    """Seconds of the clock and of the processor."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{_ms(self.wall)} ({_ms(self.cpu)})"


def main() -> None:
    """Make a library and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=32, help="height and width of the crops")
    parser.add_argument("--folder", type=Path, default=None, help="where to put it; a new one otherwise")
    parser.add_argument("--keep", type=Path, default=None, help="keep the library there, and use one that is")
    parser.add_argument("--neighbours", action="store_true", help="also index and search for neighbours")
    options = parser.parse_args()
    place = (
        tempfile.TemporaryDirectory(dir=options.folder) if options.keep is None else nullcontext(options.keep)
    )
    with place as given:
        folder = Path(given).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["FOVEAL_CACHE_DIR"] = f"{folder}/cache"
        os.chdir(folder)
        _say(f"| {options.entries:,} entries, crops of {options.side} px | |\n|---|---:|")
        for name, value in _measure(f"sqlite:///{folder}/mlflow.db", options):
            _say(f"| {name} | {value} |")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _measure(uri: str, options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    if not Library("scale", uri).exists():
        yield from _appended(_fill(Library("scale", uri), options.entries, options.side))
    before = _memory()
    made, _ = _time(Library("scale", uri).query().count)
    yield "make the catalog, once", f"{made.wall:.1f} s ({made.cpu:.1f} s)"
    yield "most memory until then, of it before", f"{_memory():.0f} MB, {before:.0f} MB"
    cost, library = _time(lambda: _opened(uri))
    yield "open", str(cost)
    asked: dict[str, Callable[[], Any]] = {
        "count, all": lambda: library.query().count(),
        "count, filtered by four things": lambda: _filtered(library).count(),
        "facets of a label": lambda: library.query(feature="fc1:3").facets("label"),
        "100 random entries of all": lambda: library.query().sample(100, seed=1),
        "100 random entries of a feature": lambda: library["fc1:3"].sample(100, seed=1),
        "all entries of one sample": lambda: library.query(sample="request-77").entries(),
    }
    for name, ask in asked.items():
        yield name, f"{_time(ask)[0]}, again {_time(ask)[0]}"
    yield "most memory until then", f"{_memory():.0f} MB"
    if options.neighbours:
        yield from _neighbours(library)


def _appended(appends: list[Cost]) -> Iterator[tuple[str, str]]:
    early, late = appends[: max(3, _EARLY // _PER_SHARD)], appends[-10:]
    for name, some in (("at 10,000 entries", early), ("at the end", late)):
        middle = Cost(*(statistics.median(column) for column in zip(*some, strict=True)))
        yield f"append a shard of 2,000, {name}", str(middle)


def _neighbours(library: Library) -> Iterator[tuple[str, str]]:
    for name, feature in (("contribution vectors", "contribution"), ("appearance", "fc1:3")):
        ids = library.query(feature=feature).drawn(_SEARCHES, 0, ["id"])["id"].to_pylist()
        first, _ = _time(lambda ids=ids: library.nearest(ids[0]))
        yield f"index {name}, once", f"{first.wall:.1f} s ({first.cpu:.1f} s)"
        for what, within in (("", None), (" within one feature", feature)):
            library.nearest(ids[0], 10, within)
            costs = [_time(lambda id_=id_, own=within: library.nearest(id_, 10, own))[0] for id_ in ids]
            middle = Cost(*(statistics.median(column) for column in zip(*costs, strict=True)))
            yield f"10 nearest by {name}{what}: median, longest", f"{middle}, {max(costs)}"
    yield "of the 10 nearest by vectors, found", f"{_recall(library):.1%}"
    yield "most memory, with neighbours", f"{_memory():.0f} MB, of it files {_file_memory():.0f} MB"


def _recall(library: Library) -> float:
    """Compare with going through all vectors at single precision."""
    query = library.query(feature="contribution")
    asked = query.drawn(_SEARCHES, 0, ["id", "vector"])
    points = _points(asked)
    best: list[list[tuple[float, str]]] = [[] for _ in range(len(asked))]
    for batch in query.batches(["id", "vector"], 20_000):
        ids, products = batch["id"].to_pylist(), _points(batch) @ points.T
        for at, nearest in enumerate(products.T):
            near = np.argsort(-nearest)[:11]
            best[at] = sorted([*best[at], *((-float(nearest[row]), ids[row]) for row in near)])[:11]
    right = 0
    for id_, found in zip(asked["id"].to_pylist(), best, strict=True):
        expected = [other for _, other in found if other != id_][:10]
        right += len({one.id for one in library.nearest(id_, 10)} & set(expected))
    return right / 10 / len(asked)


def _points(entries: Any) -> Any:
    values = np.asarray(entries["vector"].combine_chunks().flatten()).reshape(len(entries), -1)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def _opened(uri: str) -> Library:
    library = Library("scale", uri)
    library.features()
    return library


def _filtered(library: Library) -> Any:
    return library.query(
        source="production", predicted=1, metadata={"site": "3"}, since="2026-03-01T12:10:00Z"
    )


def _fill(library: Library, entries: int, side: int) -> list[Cost]:
    """Append shards and give what each cost."""
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


def _time(work: Callable[[], Any]) -> tuple[Cost, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu), result


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def _file_memory() -> float:
    """Tell the memory that holds pieces of files: the system takes it back when it needs some."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("RssFile"))


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
