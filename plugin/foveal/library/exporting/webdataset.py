"""``webdataset``: tar files in which the members of an entry share a key and stand together.

Per entry ``ID.png`` (the crop; ``ID.npy`` where it is no picture), ``ID.map.npy`` (the raw map) and
``ID.json`` (what is known of it). Keys hold no dot, so that whatever follows the first one is the ending, as
WebDataset reads names.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from foveal.library.exporting.describing import KEY, described
from foveal.library.exporting.packing import packed
from foveal.samples.arrays import crop_suffix

#: Entries in one tar file.
SHARD = 10_000


def write_webdataset(tables: Iterable[pa.Table], folder: Path, name: str) -> None:  # noqa: ARG001 - one of a table
    """Write ``entries-000000.tar`` and so on; equal entries give equal bytes."""
    members = (_members(one) for entries in tables for one in _whole(entries))
    for number, batch in enumerate(_batches(members)):
        with tarfile.open(folder / f"entries-{number:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for path, content in chain.from_iterable(batch):
                tar.addfile(_info(path, len(content)), io.BytesIO(content))


def _whole(entries: pa.Table) -> Iterator[dict[str, Any]]:
    arrays = entries.select([KEY, "crop", "map", "map_shape"]).to_batches(max_chunksize=1000)
    rows = chain.from_iterable(batch.to_pylist() for batch in arrays)
    return ({**fields, **row} for fields, row in zip(described(entries), rows, strict=True))


def _members(entry: dict[str, Any]) -> list[tuple[str, bytes]]:
    key, crop, flat, shape = (entry.pop(name) for name in (KEY, "crop", "map", "map_shape"))
    map_file = io.BytesIO()
    np.save(map_file, np.asarray(flat, np.float32).reshape(shape), allow_pickle=False)
    known = json.dumps(entry, sort_keys=True).encode()
    named = f"{key}{crop_suffix(crop)}"
    return [(named, packed(crop)), (f"{key}.map.npy", map_file.getvalue()), (f"{key}.json", known)]


def _batches(members: Iterator[list[tuple[str, bytes]]]) -> Iterator[Iterable[list[tuple[str, bytes]]]]:
    for first in members:
        yield chain([first], islice(members, SHARD - 1))


def _info(path: str, size: int) -> tarfile.TarInfo:
    """Describe a member without anything of this machine or moment."""
    info = tarfile.TarInfo(path)
    info.size, info.mtime, info.mode = size, 0, 0o644
    return info
