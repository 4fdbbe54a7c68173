"""Units of an audit: which contribution window belongs to which ``contribution:k``."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from foveal.errors import UsageError
from foveal.library.schema import parquet_bytes
from foveal.library.shards import ShardStore, check_file_name
from foveal.library.tracking import Tracking

#: The feature under which windows are recorded before an audit gives them to units.
RECORDED = "contribution"
FOLDER = "units"
_TAG = "foveal.units"
_SCHEMA = pa.schema(
    [pa.field("id", pa.string(), nullable=False), pa.field("unit", pa.string(), nullable=False)]
)


@dataclass
class Forgotten:
    """What was taken out of assignments: entries of the one in force, and files with their hashes."""

    ids: int = 0
    files: dict[str, str] = field(default_factory=dict)


class Units:
    """The assignment in force: that of the audit named last, by a tag of the library's run.

    Parameters
    ----------
    tracking, store
        The library's run and files.
    """

    def __init__(self, tracking: Tracking, store: ShardStore) -> None:
        self._tracking, self._store = tracking, store

    def assign(self, units: Mapping[str, str], audit_run_id: str) -> None:
        """Write an assignment and put it in force."""
        wrong = next((unit for unit in units.values() if not unit.startswith(f"{RECORDED}:")), None)
        if wrong is not None:
            raise UsageError(f"{wrong!r} cannot be a unit of windows", f"Write '{RECORDED}:' and a number")
        check_file_name(audit_run_id, "an audit")
        pairs = sorted(units.items())
        columns = {"id": [key for key, _ in pairs], "unit": [unit for _, unit in pairs]}
        content = parquet_bytes(pa.table(columns, schema=_SCHEMA))
        self._tracking.put(f"{FOLDER}/{audit_run_id}.parquet", content)
        named = {"audit": audit_run_id, "sha256": hashlib.sha256(content).hexdigest()}
        self._tracking.tag(_TAG, json.dumps(named, sort_keys=True))

    def forget(self, ids: Collection[str], mark: str) -> Forgotten:
        """Leave entries out of the assignment in force, and delete those of earlier audits that name them.

        Parameters
        ----------
        ids
            The entries' ids.
        mark
            Names the new file; the same mark and ids may be given again after a cut.
        """
        tag = self._tag()
        forgotten = Forgotten()
        for name in self._tracking.names_in(FOLDER):
            content = self._tracking.read(f"{FOLDER}/{name}")
            table = _read(content)
            named = pc.is_in(table["id"], pa.array(sorted(ids), pa.string()))
            in_force, count = name == _file(tag), pc.sum(named).as_py() or 0
            if not count and (in_force or len(table)):
                continue
            if in_force:
                self._keep(table.filter(pc.invert(named)), tag, mark)
                forgotten.ids = count
            self._tracking.delete(f"{FOLDER}/{name}")
            forgotten.files[f"{FOLDER}/{name}"] = hashlib.sha256(content).hexdigest()
        return forgotten

    def _keep(self, table: pa.Table, tag: dict[str, str], mark: str) -> None:
        """Put a smaller assignment of the same audit in force."""
        content = parquet_bytes(table)
        changed = {**tag, "file": f"{tag['audit'][:150]}.{mark}.parquet"}
        self._tracking.put(f"{FOLDER}/{changed['file']}", content)
        named = {**changed, "sha256": hashlib.sha256(content).hexdigest()}
        self._tracking.tag(_TAG, json.dumps(named, sort_keys=True))

    def _tag(self) -> dict[str, str]:
        return dict(json.loads(self._tracking.tags().get(_TAG, "{}")))

    def show(self, entries: pa.Table) -> pa.Table:
        """Put the units in place of the recorded feature; what no audit has seen yet stays as it is."""
        assigned = self.table()
        unit = assigned["unit"].take(pc.index_in(entries["id"], value_set=assigned["id"]))
        window = pc.equal(entries["feature"], RECORDED)
        shown = pc.coalesce(pc.if_else(window, unit, None), entries["feature"])
        at = entries.schema.get_field_index("feature")
        return entries.set_column(at, entries.schema.field("feature"), shown)

    def key(self) -> str:
        """Tell the assignment in force from any other; empty where there is none."""
        return self._tracking.tags().get(_TAG, "")

    def table(self) -> pa.Table:
        """Give the assignment in force: entry's ``id`` and ``unit``."""
        tag = self._tag()
        if not tag:
            return _SCHEMA.empty_table()
        file = self._store.artifact(f"{FOLDER}/{_file(tag)}", tag["sha256"])
        return pq.read_table(file, partitioning=None).combine_chunks()


def _read(content: bytes) -> pa.Table:
    """Read an assignment; one whose writing was cut off is empty, and never was in force."""
    try:
        return pq.read_table(io.BytesIO(content))
    except pa.ArrowInvalid:
        return _SCHEMA.empty_table()


def _file(tag: Mapping[str, str]) -> str:
    """Name the file of an assignment; an erasure gives it another name than its audit's."""
    return tag.get("file", f"{tag.get('audit')}.parquet")


def recorded_as(feature: str) -> list[str]:
    """Give the features under which the entries of a feature may have been recorded."""
    return [feature, RECORDED] if feature.startswith(f"{RECORDED}:") else [feature]
