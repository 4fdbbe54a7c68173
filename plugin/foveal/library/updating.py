"""What the catalog's tables are, and how they follow the library's shards.

Shards come and go as a whole, a few at a time, each few in a transaction of their own: memory does not grow
with the library, and an update that was cut off goes on where it was. Until its end the catalog names no
state. A sample that was recorded more than once counts once, in the latest shard; but who asks for one model
or one configuration gets the latest of these. So ``superseded`` names what does not count, for each of the
four scopes, and an update looks only at samples whose shards came or went.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from foveal.library.light import LIGHT, light_of, read_light
from foveal.library.manifests import Shard
from foveal.library.shards import ShardStore
from foveal.library.units import RECORDED, Units

if TYPE_CHECKING:
    import duckdb

_T = TypeVar("_T")

#: Of another version, the tables are made anew.
_VERSION = "3"
#: Columns that a sample's identity is made of, and the scopes: by whose latest record it counts.
_IDENTITY = ("source", "sample", "row", "sample_sha256")
_SCOPES = ("", ", model_sha256", ", config_sha256", ", model_sha256, config_sha256")
#: Samples and entries that are put in, or given their units, in one transaction.
_AT_ONCE = 20_000

_TABLES = """
CREATE TABLE facts (name VARCHAR, value VARCHAR);
CREATE TABLE manifests (file VARCHAR, signature VARCHAR, content BLOB);
CREATE TABLE shards (shard VARCHAR, stamp VARCHAR, "rows" BIGINT, units VARCHAR);
CREATE TABLE samples (
    shard VARCHAR, sequence BIGINT, place INTEGER, identity UHUGEINT, model_sha256 VARCHAR,
    config_sha256 VARCHAR
);
CREATE TABLE entries (
    id VARCHAR, feature VARCHAR, sample VARCHAR, "row" INTEGER, source VARCHAR, "window" INTEGER[],
    activation DOUBLE, share DOUBLE, predicted INTEGER, method VARCHAR, layer VARCHAR, threshold DOUBLE,
    "time" VARCHAR, model_sha256 VARCHAR, config_sha256 VARCHAR, label VARCHAR,
    metadata MAP(VARCHAR, VARCHAR), sample_sha256 VARCHAR, sample_at INTEGER, number INTEGER,
    spacing DOUBLE[], band DOUBLE[], place INTEGER, digest BLOB, dims INTEGER, shard VARCHAR, moment DOUBLE,
    unit VARCHAR, lot UBIGINT
);
CREATE TABLE superseded (shard VARCHAR, place INTEGER, scope INTEGER);
CREATE TABLE units (id VARCHAR, unit VARCHAR);
"""


def is_ours(connection: duckdb.DuckDBPyConnection) -> bool:
    """Say whether the tables of a catalog are those of this version."""
    return _facts(connection).get("version") == _VERSION


def state(connection: duckdb.DuckDBPyConnection) -> str:
    """Say which state of the library a catalog shows; nothing before the end of its update."""
    return _facts(connection).get("state", "") if is_ours(connection) else ""


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
    """Make the catalog show the shards of a listing and the assignment in force; cut off, it goes on."""
    shards = store.shards(listing)
    if not is_ours(connection):
        with _whole(connection):
            _make(connection)
    with _whole(connection):
        _note(connection, "state", "")
        _keep_manifests(connection, store.recorded(listing))
        _leave(connection, shards)
    for some in _pieces(_missing(connection, shards)):
        with _whole(connection):
            _arrive(connection, some, store)
    _assign(connection, units)
    _note(connection, "state", state_)


def moment(time: str) -> float | None:
    """Read a time as seconds since 1970; without a zone it is UTC, and what is no time is none."""
    try:
        read = datetime.fromisoformat(time.replace("Z", "+00:00"))
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=timezone.utc)).timestamp()


def _facts(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    tables = connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'facts'").fetchall()
    return dict(connection.execute("SELECT name, value FROM facts").fetchall()) if tables[0][0] else {}


@contextmanager
def _whole(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Do all or nothing; where it fails, closing the connection undoes it."""
    connection.begin()
    yield
    connection.commit()


def _make(connection: duckdb.DuckDBPyConnection) -> None:
    for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        connection.execute(f'DROP TABLE "{name}"')
    connection.execute(_TABLES)
    _note(connection, "version", _VERSION)
    _note(connection, "units", "")


def _note(connection: duckdb.DuckDBPyConnection, name: str, value: str) -> None:
    connection.execute("DELETE FROM facts WHERE name = ?", [name])
    connection.execute("INSERT INTO facts VALUES (?, ?)", [name, value])


def _insert(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    columns = ", ".join(f'"{column}"' for column in table.column_names)
    with _registered(connection, "arriving", table):
        connection.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM arriving")  # noqa: S608


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> Iterator[None]:
    connection.register(name, table)
    try:
        yield
    finally:
        connection.unregister(name)


def _keep_manifests(connection: duckdb.DuckDBPyConnection, recorded: pa.Table) -> None:
    """Keep the manifests as read; those that are kept already stay as they are."""
    with _registered(connection, "recorded", recorded):
        connection.execute(_MANIFESTS)


def _leave(connection: duckdb.DuckDBPyConnection, shards: Sequence[Shard]) -> None:
    """Take out the shards that are gone, and see which samples count without them."""
    wanted = pa.table({"shard": [shard.name for shard in shards], "stamp": [_stamp(one) for one in shards]})
    wanted = wanted.cast(pa.schema([("shard", pa.string()), ("stamp", pa.string())]))
    with _registered(connection, "wanted", wanted):
        connection.execute(_GONE)
    connection.execute(
        "CREATE TEMP TABLE touched AS SELECT identity FROM samples WHERE shard IN (SELECT shard FROM gone)"
    )
    for name in ("shards", "samples", "entries", "superseded"):
        connection.execute(f"DELETE FROM {name} WHERE shard IN (SELECT shard FROM gone)")  # noqa: S608
    connection.execute(f"{_SUPERSEDE} DROP TABLE gone;")


def _missing(connection: duckdb.DuckDBPyConnection, shards: Sequence[Shard]) -> list[tuple[Shard, int]]:
    """Give the shards that are not in yet, with their rows."""
    held = {name for (name,) in connection.execute("SELECT shard FROM shards").fetchall()}
    return [(one, one.samples.rows + one.entries.rows) for one in shards if one.name not in held]


def _pieces(sized: Iterable[tuple[_T, int]]) -> Iterator[list[_T]]:
    """Cut a list where its rows become too many for one transaction."""
    piece: list[_T] = []
    rows = 0
    for one, size in sized:
        if piece and rows + size > _AT_ONCE:
            yield piece
            piece, rows = [], 0
        piece.append(one)
        rows += size
    if piece:
        yield piece


def _stamp(shard: Shard) -> str:
    return f"{shard.sequence} {shard.samples.sha256} {shard.entries.sha256}"


def _arrive(connection: duckdb.DuckDBPyConnection, shards: Sequence[Shard], store: ShardStore) -> None:
    """Put shards in, and see which samples count with them."""
    files = store.files(shards, "samples")
    samples = [
        _samples(shard, pq.read_table(file, columns=list(_IDENTITY), partitioning=None))
        for shard, file in zip(shards, files, strict=True)
    ]
    with _registered(connection, "arrived", pa.concat_tables(samples)):
        connection.execute(_ARRIVE)
    lights = (_light(shard, file, store) for shard, file in zip(shards, files, strict=True))
    with _registered(connection, "arriving", pa.concat_tables(lights)):
        connection.execute(_ENTER)
    rows = [shard.samples.rows + shard.entries.rows for shard in shards]
    names, stamps = [shard.name for shard in shards], [_stamp(shard) for shard in shards]
    columns = {"shard": names, "stamp": stamps, "rows": rows, "units": [""] * len(shards)}
    _insert(connection, "shards", pa.table(columns))
    connection.execute(_SUPERSEDE)


def _light(shard: Shard, samples: Path, store: ShardStore) -> pa.Table:
    light = read_light(samples)
    return _entries(shard, light_of(store.file(shard, "entries")) if light is None else light)


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
    """Show the units of the assignment in force, in shards that show another, or none."""
    key = units.key()
    if _facts(connection)["units"] != key:
        with _whole(connection):
            connection.execute("DELETE FROM units")
            _insert(connection, "units", units.table())
            _note(connection, "units", key)
    stale = connection.execute('SELECT shard, "rows" FROM shards WHERE units <> ?', [key]).fetchall()
    names: list[str]
    for names in _pieces(stale):
        with _whole(connection), _registered(connection, "stale", pa.table({"shard": names})):
            for text in _ASSIGN:
                connection.execute(text)
            connection.execute("UPDATE shards SET units = ? WHERE shard IN (SELECT shard FROM stale)", [key])


_MANIFESTS = """
DELETE FROM manifests WHERE (file, signature) NOT IN (SELECT file, signature FROM recorded);
INSERT INTO manifests SELECT file, signature, content FROM recorded
    WHERE file NOT IN (SELECT file FROM manifests);
"""

_GONE = """
CREATE TEMP TABLE gone AS SELECT shard FROM shards
    WHERE (shard, stamp) NOT IN (SELECT shard, stamp FROM wanted);
"""

#: The lot of an entry is a number that its id alone decides, as good as drawn at random.
_ENTER = "INSERT INTO entries BY NAME SELECT *, md5_number_lower(id) AS lot FROM arriving"

_ASSIGN = (
    "UPDATE entries SET unit = feature WHERE unit <> feature AND shard IN (SELECT shard FROM stale)",
    f"""UPDATE entries SET unit = units.unit FROM units WHERE entries.id = units.id
    AND entries.feature = '{RECORDED}' AND entries.shard IN (SELECT shard FROM stale)""",  # noqa: S608
)

#: Lengths keep two names apart that would be one text side by side.
_ARRIVE = """
CREATE TEMP TABLE numbered AS SELECT shard, sequence, place, model_sha256, config_sha256, CAST(md5_number(
    source || ' ' || "row" || ' ' || strlen(sample) || ' ' || sample || sample_sha256
) AS UHUGEINT) AS identity FROM arrived;
CREATE TEMP TABLE touched AS SELECT identity FROM numbered;
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
CREATE TEMP TABLE known AS SELECT * FROM samples WHERE identity IN (SELECT identity FROM touched);
DELETE FROM superseded USING known WHERE superseded.shard = known.shard AND superseded.place = known.place;
CREATE TEMP TABLE twice AS SELECT * FROM known WHERE identity IN (
    SELECT identity FROM known GROUP BY identity HAVING count(*) > 1
);
""",
        *(_FROM_TWICE.format(scope, _LATER.format(columns)) for scope, columns in enumerate(_SCOPES)),
        "DROP TABLE twice; DROP TABLE known; DROP TABLE touched;",
    ]
)

assert all(name in _TABLES for name in LIGHT.names)  # noqa: S101 - the catalog shows what a shard says
