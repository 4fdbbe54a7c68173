"""How long a large library takes to be erased from, compacted, verified and exported.

    python tests/benchmarks/library_upkeep.py                       # 20,000 entries, seconds
    python tests/benchmarks/library_upkeep.py --entries 1000000     # the figures of the documentation

The library is that of library_scale.py, in a database and a folder of this machine. Times are those of the
clock, with those of the processor in brackets, and the most memory that was taken until then.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from library_scale import _fill, _memory

from foveal.library import Library
from foveal.library.compacting import compact
from foveal.library.erasing import erase
from foveal.library.exporting import export
from foveal.library.verifying import verify
from foveal.library.wanted import Wanted


def main() -> None:
    """Make a library and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=32, help="height and width of the crops")
    parser.add_argument("--compact", action="store_true", help="compact too, and erase once more after it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FOVEAL_CACHE_DIR"] = f"{folder}/cache"
        os.chdir(folder)
        uri = f"sqlite:///{folder}/mlflow.db"
        _fill(Library("scale", uri), options.entries, options.side)
        for name, value in _measure(uri, Path(folder), options.compact):
            sys.stdout.write(f"| {name} | {value} |\n")
            sys.stdout.flush()


def _measure(uri: str, folder: Path, merge: bool) -> Iterator[tuple[str, str]]:
    names = Library("scale", uri).samples("production", columns=["sample"])["sample"].to_pylist()
    yield "samples", f"{len(names):,} of production"
    yield "erase one request", _time(lambda: _erase(uri, names[len(names) // 2]))
    yield "erase it again", _time(lambda: _erase(uri, names[len(names) // 2]))
    yield "verify", _time(lambda: verify(Library("scale", uri)))
    yield (
        "export 100 entries of each feature",
        _time(lambda: export(Library("scale", uri), folder / "out", "huggingface", limit=100)),
    )
    yield (
        "export one feature whole",
        _time(lambda: export(Library("scale", uri), folder / "all", "webdataset", features=["fc1:3"])),
    )
    yield "three facets of a feature", _time(lambda: Library("scale", uri)["contribution"].facets(3))
    if merge:
        yield "compact to 10,000 entries a shard", _time(lambda: compact(Library("scale", uri)))
        yield "erase one request then", _time(lambda: _erase(uri, names[0]))


def _erase(uri: str, name: str) -> None:
    erase(Library("scale", uri), Wanted("request-id", name))


def _time(action: Callable[[], Any]) -> str:
    wall, cpu = time.perf_counter(), time.process_time()
    action()
    took = f"{time.perf_counter() - wall:.1f} s ({time.process_time() - cpu:.1f} s)"
    return f"{took}, {_memory():.0f} MB"


if __name__ == "__main__":
    main()
