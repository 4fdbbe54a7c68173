"""What the catalog's tables are, and how they follow the library's shards.

Shards come and go as a whole. A sample that was recorded more than once counts once, in the latest shard; but
who asks for one model or one configuration gets the latest of these. So ``superseded`` names what does not
count, for each of the four scopes, and an update looks only at samples whose shards came or went.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from foveal.library.light import LIGHT, light_of, read_light
from foveal.library.manifests import Shard
from foveal.library.shards import ShardStore
from foveal.library.units import RECORDED, Units

if TYPE_CHECKING:
    import duckdb

#: Of another version, the tables are made anew.
_VERSION = "1"
#: Columns that a sample's identity is made of, and the scopes: by whose latest record it counts.
_IDENTITY = ("source", "sample", "row", "sample_sha256")
_SCOPES = ("", ", model_sha256", ", config_sha256", ", model_sha256, config_sha256")
#: Shards that are read before they are put in.
_AT_ONCE = 64

_TABLES = """
CREATE TABLE facts (name VARCHAR, value VARCHAR);
CREATE TABLE manifests (file VARCHAR, signature VARCHAR, content BLOB);
CREATE TABLE shards (shard VARCHAR, stamp VARCHAR);
CREATE TABLE samples (
    shard VARCHAR, sequence BIGINT, place INTEGER, identity UHUGEINT, model_sha256 VARCHAR,
    config_sha256 VARCHAR
);
CREATE TABLE entries (
    id VARCHAR, feature VARCHAR, sample VARCHAR, "row" INTEGER, source VARCHAR, "window" INTEGER[],
    activation DOUBLE, share DOUBLE, predicted INTEGER, method VARCHAR, layer VARCHAR, threshold DOUBLE,
    "time" VARCHAR, model_sha256 VARCHAR, config_sha256 VARCHAR, label VARCHAR,
    metadata MAP(VARCHAR, VARCHAR), sample_sha256 VARCHAR, sample_at INTEGER, number INTEGER, place INTEGER,
    digest BLOB, dims INTEGER, shard VARCHAR, moment DOUBLE, unit VARCHAR
);
CREATE TABLE superseded (shard VARCHAR, place INTEGER, scope INTEGER);
CREATE TABLE units (id VARCHAR, unit VARCHAR);
"""


def state(connection: duckdb.DuckDBPyConnection) -> str:
    """Say which state of the library a catalog shows; nothing where its tables are not ours."""
    tables = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'facts'").fetchall()
    known = dict(connection.execute("SELECT name, value FROM facts").fetchall()) if tables[0][0] else {}
    return str(known["state"]) if known.get("version") == _VERSION and "state" in known else ""


def manifests(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, bytes]]:
    """Give the manifests that were read before: file to signature and content."""
    rows = connection.execute("SELECT file, signature, content FROM manifests").fetchall()
    return {file: (signature, content) for file, signature, content in rows}


def update(
    connection: duckdb.DuckDBPyConnection,
    listing: Mapping[str, str],
    store: ShardStore,
    units: Units,
    state_: str,
) -> None:
    """Make the catalog show the shards of a listing and the assignment in force, all or nothing."""
    connection.begin()
    if not state(connection):
        _make(connection)
    _follow(connection, store.shards(listing), store)
    _assign(connection, units)
    _replace(connection, "manifests", store.recorded(listing))
    _note(connection, "state", state_)
    connection.commit()


def moment(time: str) -> float | None:
    """Read a time as seconds since 1970; without a zone it is UTC, and what is no time is none."""
    try:
        read = datetime.fromisoformat(time.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=timezone.utc)).timestamp()


def _make(connection: duckdb.DuckDBPyConnection) -> None:
    for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        connection.execute(f'DROP TABLE "{name}"')
    connection.execute(_TABLES)
    _note(connection, "version", _VERSION)
    _note(connection, "units", "")


def _note(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    connection.execute("DELETE FROM facts WHERE name = ?", [name])
    connection.execute("INSERT INTO facts VALUES (?, ?)", [name, value])


def _replace(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    connection.execute(f"DELETE FROM {name}")  # noqa: S608 - one of our own tables
    _insert(connection, name, table)


def _insert(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    columns = ", ".join(f'"{column}"' for column in table.column_names)
    connection.register("arriving", table)
    connection.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM arriving")  # noqa: S608
    connection.unregister("arriving")


def _follow(connection: duckdb.DuckDBPyConnection, shards: Sequence[Shard], store: ShardStore) -> None:
    """Take out the shards that are gone, put in those that are new, and see which samples count."""
    held = dict(connection.execute("SELECT shard, stamp FROM shards").fetchall())
    wanted = {shard.name: _stamp(shard) for shard in shards}
    gone = pa.table({"shard": [name for name, stamp in held.items() if wanted.get(name) != stamp]})
    new = iter([shard for shard in shards if held.get(shard.name) != wanted[shard.name]])
    connection.register("gone", gone.cast(pa.schema([("shard", pa.string())])))
    connection.execute(
        "CREATE TEMP TABLE touched AS SELECT identity FROM samples WHERE shard IN (SELECT shard FROM gone)"
    )
    for name in ("shards", "samples", "entries", "superseded"):
        connection.execute(f"DELETE FROM {name} WHERE shard IN (SELECT shard FROM gone)")  # noqa: S608
    while some := list(islice(new, _AT_ONCE)):
        _arrive(connection, some, store)
    connection.execute(_SUPERSEDE)
    connection.execute("DROP TABLE touched")


def _stamp(shard: Shard) -> str:
    return f"{shard.sequence} {shard.samples.sha256} {shard.entries.sha256}"


def _arrive(connection: duckdb.DuckDBPyConnection, shards: Sequence[Shard], store: ShardStore) -> None:
    files = store.files(shards, "samples")
    samples = [
        _samples(shard, pq.read_table(file, columns=list(_IDENTITY), partitioning=None))
        for shard, file in zip(shards, files, strict=True)
    ]
    connection.register("arrived", pa.concat_tables(samples))
    connection.execute(_ARRIVE)
    connection.unregister("arrived")
    lights = []
    for shard, file in zip(shards, files, strict=True):
        light = read_light(file)
        lights.append(_entries(shard, light_of(store.file(shard, "entries")) if light is None else light))
    _insert(connection, "entries", pa.concat_tables(lights))
    stamps = {"shard": [shard.name for shard in shards], "stamp": [_stamp(shard) for shard in shards]}
    _insert(connection, "shards", pa.table(stamps))


def _samples(shard: Shard, table: pa.Table) -> pa.Table:
    size = len(table)
    columns = {
        "shard": pa.repeat(shard.name, size),
        "sequence": pa.repeat(pa.scalar(shard.sequence, pa.int64()), size),
        "place": pa.array(range(size), pa.int32()),
        "model_sha256": pa.repeat(shard.model_sha256, size),
        "config_sha256": pa.repeat(shard.config_sha256, size),
    }
    return pa.table({**columns, **{name: table[name] for name in _IDENTITY}})


def _entries(shard: Shard, light: pa.Table) -> pa.Table:
    times = light["time"].to_pylist()
    known = {time: moment(time) for time in set(times)}
    made = light.append_column("shard", pa.repeat(shard.name, len(light)))
    made = made.append_column("moment", pa.array([known[time] for time in times], pa.float64()))
    return made.append_column("unit", light["feature"])


def _assign(connection: duckdb.DuckDBPyConnection, units: Units) -> None:
    """Show the units of the assignment in force: over all entries where it is another, else over new ones."""
    named = connection.execute("SELECT value FROM facts WHERE name = 'units'").fetchall()[0][0]
    if named != units.key():
        _replace(connection, "units", units.table())
        connection.execute("UPDATE entries SET unit = feature WHERE unit <> feature")
        _note(connection, "units", units.key())
    connection.execute(
        "UPDATE entries SET unit = units.unit FROM units "
        "WHERE entries.id = units.id AND entries.feature = ? AND entries.unit = entries.feature",
        [RECORDED],
    )


#: Lengths keep two names apart that would be one text side by side.
_ARRIVE = """
CREATE TEMP TABLE numbered AS SELECT shard, sequence, place, model_sha256, config_sha256, CAST(md5_number(
    source || ' ' || "row" || ' ' || strlen(sample) || ' ' || sample || sample_sha256
) AS UHUGEINT) AS identity FROM arrived;
INSERT INTO touched SELECT identity FROM numbered;
INSERT INTO samples SELECT shard, sequence, place, identity, model_sha256, config_sha256 FROM numbered;
DROP TABLE numbered;
"""

_LATER = "row_number() OVER (PARTITION BY identity{} ORDER BY sequence DESC, shard DESC, place DESC)"
_FROM_TWICE = """
INSERT INTO superseded SELECT shard, place, {} FROM (SELECT *, {} AS later FROM twice) WHERE later > 1;
"""
_SUPERSEDE = "\n".join(
    [
        """
CREATE TEMP TABLE twice AS SELECT * FROM samples WHERE identity IN (
    SELECT identity FROM samples WHERE identity IN (SELECT identity FROM touched)
    GROUP BY identity HAVING count(*) > 1
);
DELETE FROM superseded USING samples WHERE superseded.shard = samples.shard
    AND superseded.place = samples.place AND samples.identity IN (SELECT identity FROM touched);
""",
        *(_FROM_TWICE.format(scope, _LATER.format(columns)) for scope, columns in enumerate(_SCOPES)),
        "DROP TABLE twice;",
    ]
)

assert all(name in _TABLES for name in LIGHT.names)  # noqa: S101 - the catalog shows what a shard says
