"""Units of an audit: which contribution window belongs to which ``contribution:k``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from foveal.errors import UsageError
from foveal.library.schema import parquet_bytes
from foveal.library.shards import ShardStore, check_file_name
from foveal.library.tracking import Tracking

#: The feature under which windows are recorded before an audit gives them to units.
RECORDED = "contribution"
_TAG = "foveal.units"
_SCHEMA = pa.schema(
    [pa.field("id", pa.string(), nullable=False), pa.field("unit", pa.string(), nullable=False)]
)


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
        self._tracking.put(f"units/{audit_run_id}.parquet", content)
        named = {"audit": audit_run_id, "sha256": hashlib.sha256(content).hexdigest()}
        self._tracking.tag(_TAG, json.dumps(named, sort_keys=True))

    def show(self, entries: pa.Table) -> pa.Table:
        """Put the units in place of the recorded feature; what no audit has seen yet stays as it is."""
        assigned = self._table()
        if assigned is None:
            return entries
        unit = assigned["unit"].take(pc.index_in(entries["id"], value_set=assigned["id"]))
        window = pc.equal(entries["feature"], RECORDED)
        shown = pc.coalesce(pc.if_else(window, unit, None), entries["feature"])
        at = entries.schema.get_field_index("feature")
        return entries.set_column(at, entries.schema.field("feature"), shown)

    def _table(self) -> pa.Table | None:
        named = self._tracking.tags().get(_TAG)
        if named is None:
            return None
        tag = json.loads(named)
        file = self._store.artifact(f"units/{tag['audit']}.parquet", tag["sha256"])
        return pq.read_table(file, partitioning=None).combine_chunks()


def recorded_as(feature: str) -> list[str]:
    """Give the features under which the entries of a feature may have been recorded."""
    return [feature, RECORDED] if feature.startswith(f"{RECORDED}:") else [feature]
