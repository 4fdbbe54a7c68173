"""The gallery: a contact sheet of a library's strongest crops, small enough for its page in MLflow.

Only the newest shards are looked at, so that drawing it costs the same however large the library is. They are
also those whose records count where a sample was recorded twice.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image

from foveal.errors import UsageError
from foveal.library.manifests import Shard
from foveal.library.reading import Reader
from foveal.library.rows import read_heavy
from foveal.library.shards import ShardStore
from foveal.library.units import Units
from foveal.samples.arrays import decode_crop
from foveal.samples.depicting import tile
from foveal.samples.legend import PAPER
from foveal.samples.sheets import strip

#: Rows and columns of the sheet: 48 crops at most.
FEATURES, CROPS = 6, 8
#: Side of a tile: the sheet fits into MLflow's page, and even pictures of noise stay below half a MB.
_TILE = 56
_LIGHT = ["id", "feature", "activation", "sample_sha256"]
#: Entries that are looked at, unless the newest shard alone has more.
_ENTRIES = 20_000


@dataclass(frozen=True)
class Gallery:
    """A drawn gallery.

    Attributes
    ----------
    png
        The sheet; the same crops give the same bytes.
    features
        The features in its rows, with the number of their entries among those looked at.
    crops
        Number of crops it shows.
    entries
        Number of entries that were looked at.
    """

    png: bytes
    features: dict[str, int]
    crops: int
    entries: int


def newest(shards: Sequence[Shard]) -> list[Shard]:
    """Choose the newest shards of together at most :data:`_ENTRIES` entries, one at least; in their order."""
    chosen: list[Shard] = []
    room = _ENTRIES
    for shard in reversed(shards):
        room -= shard.entries.rows
        if chosen and room < 0:
            break
        chosen.insert(0, shard)
    return chosen


def draw_gallery(store: ShardStore, units: Units) -> Gallery | None:
    """Draw the strongest crops of the features with most entries, one crop per sample.

    Parameters
    ----------
    store
        The library's shards; the newest are looked at.
    units
        Give the windows of an audited library their names.

    Returns
    -------
    Gallery or None
        Nothing where there is no crop that can be shown.
    """
    shards = newest(store.shards())
    entries = units.show(Reader(store, shards).table("entries", _LIGHT))
    counts = Counter(entries["feature"].to_pylist())
    top = sorted(counts, key=lambda feature: (-counts[feature], feature))[:FEATURES]
    strongest = {feature: _strongest(entries, feature) for feature in top}
    crops = _crops(store, shards, {id_ for ids in strongest.values() for id_ in ids})
    rows = {feature: tiles for feature, ids in strongest.items() if (tiles := list(_tiles(ids, crops)))}
    if not rows:
        return None
    shown = {feature: counts[feature] for feature in rows}
    return Gallery(_sheet(rows, shown), shown, sum(map(len, rows.values())), len(entries))


def empty_sheet() -> bytes:
    """Give the picture that takes a gallery's place when the library holds no crop any more."""
    return _png(Image.new("RGB", (_TILE, _TILE), PAPER))


def _strongest(entries: pa.Table, feature: str) -> list[str]:
    """List the ids of a feature's strongest entries, the same first among equals, one per sample."""
    own = entries.filter(pc.equal(entries["feature"], feature))
    ranked = own.sort_by([("activation", "descending"), ("id", "ascending")])
    firsts: dict[str, str] = {}
    for id_, sample in zip(ranked["id"].to_pylist(), ranked["sample_sha256"].to_pylist(), strict=True):
        firsts.setdefault(sample, id_)
    return list(firsts.values())[:CROPS]


def _crops(store: ShardStore, shards: Iterable[Shard], ids: Collection[str]) -> dict[str, bytes]:
    """Read the crops of a few entries, and no others."""
    wanted = pa.array(sorted(ids), pa.string())
    found: dict[str, bytes] = {}
    for shard in shards:
        here = pq.read_table(store.file(shard, "entries"), columns=["id"], partitioning=None)["id"]
        at = np.flatnonzero(pc.is_in(here, wanted).to_numpy()).astype(np.int32)
        if len(at):
            unchecked = pa.nulls(len(at), pa.binary())  # store.file has checked the file as a whole
            heavy = read_heavy(store, shard, at, unchecked)
            found |= zip(here.take(pa.array(at)).to_pylist(), heavy["crop"].to_pylist(), strict=True)
    return found


def _tiles(ids: Iterable[str], crops: Mapping[str, bytes]) -> Iterator[Image.Image]:
    """Make tiles of one size; what cannot be read is left out."""
    for id_ in ids:
        try:
            small = tile(decode_crop(crops[id_], id_), _TILE)
        except UsageError:
            continue
        framed = Image.new("RGB", (_TILE, _TILE), PAPER)
        framed.paste(small, ((_TILE - small.width) // 2, (_TILE - small.height) // 2))
        yield framed


def _sheet(rows: dict[str, list[Image.Image]], counts: dict[str, int]) -> bytes:
    names = [f"{_short(feature)} ({counts[feature]:,})" for feature in rows]
    columns = [str(number) for number in range(1, max(map(len, rows.values())) + 1)]
    return _png(strip(list(rows.values()), names, columns))


def _short(feature: str) -> str:
    return feature if len(feature) <= 28 else f"{feature[:12]}\N{HORIZONTAL ELLIPSIS}{feature[-15:]}"


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
