"""``huggingface``: Parquet files and a dataset card that ``datasets.load_dataset(DIR)`` reads.

One split per source. Crops are a column of the type Image, as its own bytes; the schema's metadata says so.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from foveal.library.exporting.naming import Keys
from foveal.library.exporting.packing import packed
from foveal.records import SOURCES

#: Rows of a file, so that none is too large to be loaded at once.
FILE_ROWS = 10_000
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_PLAIN = (
    "id", "feature", "sample", "row", "label", "predicted", "window", "activation", "share", "threshold",
    "method", "layer", "time", "map", "map_shape", "vector", "model_sha256", "config_sha256", "sample_sha256",
)  # fmt: skip


def write_huggingface(tables: Iterable[pa.Table], folder: Path, name: str) -> None:
    """Write ``data/SOURCE-00000.parquet`` and so on, and ``README.md``."""
    (folder / "data").mkdir()
    counts: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for source, batch in _files(tables):
        path = folder / "data" / f"{source}-{numbers[source]:05d}.parquet"
        pq.write_table(batch, path, compression="zstd", row_group_size=1000)
        numbers[source] += 1
        counts[source] += len(batch)
    (folder / "README.md").write_text(_card(name, counts), encoding="utf-8")


def _files(tables: Iterable[pa.Table]) -> Iterator[tuple[str, pa.Table]]:
    """Collect rows of each source until a file is full."""
    keys = Keys()
    waiting: dict[str, list[pa.Table]] = defaultdict(list)
    for entries in tables:
        rows = _rows(entries, keys)
        for source in SOURCES:
            own = rows.filter(pc.equal(entries["source"], source))
            waiting[source] += [own.slice(at, FILE_ROWS) for at in range(0, len(own), FILE_ROWS)]
            if sum(map(len, waiting[source])) >= FILE_ROWS:
                yield source, pa.concat_tables(waiting.pop(source))
    for rest_of, rest in sorted(waiting.items()):
        if rest:
            yield rest_of, pa.concat_tables(rest)


def _rows(entries: pa.Table, keys: Keys) -> pa.Table:
    """Put the columns of entries into the form that the card describes."""
    names = pa.array([f"{keys.give(key)}.png" for key in entries["id"].to_pylist()], pa.string())
    crops = pa.array([packed(crop.as_py()) for crop in entries["crop"]], pa.binary())
    image = pa.StructArray.from_arrays([crops, names], fields=list(_IMAGE))
    metadata = pa.array(
        [json.dumps(dict(pairs), sort_keys=True) for pairs in entries["metadata"].to_pylist()]
    )
    columns = {"image": image} | {name: entries[name] for name in _PLAIN} | {"metadata": metadata}
    described = json.dumps(
        {"info": {"features": {name: _type(column.type) for name, column in columns.items()}}}
    )
    return pa.table(columns).replace_schema_metadata({"huggingface": described})


def _type(kind: pa.DataType) -> dict[str, Any]:
    """Describe an Arrow type in the words of `datasets`."""
    if kind == _IMAGE:
        return {"_type": "Image"}
    if pa.types.is_list(kind):
        return {"feature": _type(kind.value_type), "_type": "List"}
    names = {pa.float32(): "float32", pa.float64(): "float64", pa.int32(): "int32"}
    return {"dtype": names.get(kind, "string"), "_type": "Value"}


def _card(name: str, counts: Counter[str]) -> str:
    """Write the dataset card: what the loader needs on top, what people need below."""
    files = [{"split": source, "path": f"data/{source}-*.parquet"} for source in SOURCES if counts[source]]
    head = {
        "pretty_name": f"Feature library {name}",
        "configs": [{"config_name": "default", "data_files": files}],
        "size_categories": [_size(sum(counts.values()))],
        "task_categories": ["image-classification"],
        "tags": ["explainability", "feature-attribution"],
    }
    rows = [f"| {source} | {counts[source]:,} |" for source in SOURCES if counts[source]]
    return "\n".join(["---", yaml.safe_dump(head, sort_keys=True).rstrip(), "---", "", *_TEXT, *rows, ""])


_TEXT = (
    "Crops that a classifier decided by, one per row, each with the feature of the network that responded,",
    "its window in the original sample (half-open: starts, then ends), the raw attribution map (`map`, of",
    "shape `map_shape`) and where it comes from. Written by `foveal library export`. The crops may show",
    "people: treat them like the samples they were cut from.",
    "",
    "| split | rows |",
    "|---|---:|",
)


def _size(rows: int) -> str:
    bounds = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
    return next((text for bound, text in bounds if rows < bound), "1M<n<10M")
