"""``huggingface``: Parquet files and a dataset card that ``datasets.load_dataset(DIR)`` reads.

One split per source. Crops are a column of the type Image, as its own bytes; the schema's metadata says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from foveal.errors import UsageError
from foveal.library.exporting.describing import KEY
from foveal.library.exporting.packing import packed
from foveal.records import SOURCES
from foveal.samples.arrays import crop_suffix

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
    with ExitStack() as files:
        splits: dict[str, _Split] = {}
        for entries in tables:
            rows = _rows(entries)
            for source in SOURCES:
                own = rows.filter(pc.equal(entries["source"], source))
                if len(own):
                    if source not in splits:
                        splits[source] = files.enter_context(_Split(folder / "data", source))
                    splits[source].write(own)
    counts = Counter({source: split.rows for source, split in splits.items()})
    (folder / "README.md").write_text(_card(name, counts), encoding="utf-8")


class _Split:
    """The files of one source: rows go in as they come, and a full file is followed by the next."""

    def __init__(self, folder: Path, source: str) -> None:
        self._folder, self._source = folder, source
        self._file: pq.ParquetWriter | None = None
        self.rows = 0

    def __enter__(self) -> _Split:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def write(self, rows: pa.Table) -> None:
        """Add rows."""
        while len(rows):
            if self._file is None:
                path = self._folder / f"{self._source}-{self.rows // FILE_ROWS:05d}.parquet"
                self._file = pq.ParquetWriter(path, rows.schema, compression="zstd")
            fitting = rows.slice(0, FILE_ROWS - self.rows % FILE_ROWS)
            self._file.write_table(fitting)
            self.rows += len(fitting)
            rows = rows.slice(len(fitting))
            if self.rows % FILE_ROWS == 0:
                self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _rows(entries: pa.Table) -> pa.Table:
    """Put the columns of entries into the form that the card describes."""
    names = pa.array([f"{key}.png" for key in entries[KEY].to_pylist()], pa.string())
    crops = pa.array([_picture(crop.as_py()) for crop in entries["crop"]], pa.binary())
    image = pa.StructArray.from_arrays([crops, names], fields=list(_IMAGE))
    metadata = pa.array(
        [json.dumps(dict(pairs), sort_keys=True) for pairs in entries["metadata"].to_pylist()]
    )
    columns = {"image": image} | {name: entries[name] for name in _PLAIN} | {"metadata": metadata}
    described = json.dumps(
        {"info": {"features": {name: _type(column.type) for name, column in columns.items()}}}
    )
    return pa.table(columns).replace_schema_metadata({"huggingface": described})


def _picture(crop: bytes) -> bytes:
    """Pack a crop; the format has a column of pictures."""
    if crop_suffix(crop) != ".png":
        raise UsageError("The library holds crops that are no pictures", "Export it as webdataset or folders")
    return packed(crop)


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
