"""A shard to be: its files and hashes, made from records alone, before MLflow is asked for anything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import pyarrow as pa

from foveal.errors import UsageError
from foveal.library import schema
from foveal.library.content import digests, tables_sha256
from foveal.library.light import with_index
from foveal.library.manifests import KINDS, Kind, Part, Shard
from foveal.records import Observation, SampleRecord, Source

#: Source, model and configuration: what the records of a shard have in common.
Held = tuple[Source, str, str]


class Made:
    """Everything about a shard but its name and its number.

    Parameters
    ----------
    observations
        Of one source, one model and one configuration. Of several of the same sample the last counts.

    Attributes
    ----------
    held
        What the records have in common; None where there are none.
    content_sha256
        Hash of the records themselves.
    files, parts
        The two Parquet files, and what the manifest says of them.

    Raises
    ------
    UsageError
        If the observations are of several kinds.
    """

    def __init__(self, observations: Iterable[Observation]) -> None:
        kept = _unrepeated(observations)
        self.held = only(held_by(one.sample) for one in kept) if kept else None
        tables: dict[Kind, pa.Table] = {kind: schema.TABLES[kind](kept) for kind in KINDS}
        hashes = list(digests(tables["entries"]))  # what is heavy is hashed once
        self.content_sha256 = tables_sha256(tables, hashes)
        self.files = {kind: schema.parquet_view(table) for kind, table in _written(tables, hashes).items()}
        self.parts = {
            kind: Part(len(tables[kind]), hashlib.sha256(self.files[kind]).hexdigest()) for kind in KINDS
        }


def held_by(record: Shard | SampleRecord) -> Held:
    """Say what all records of a shard have in common with one of them."""
    return record.source, record.model_sha256, record.config_sha256


def only(held: Iterable[Held]) -> Held:
    """Give what all have in common.

    Raises
    ------
    UsageError
        If they do not.
    """
    kinds = set(held)
    if len(kinds) > 1:
        raise UsageError(
            "Records of several sources, models or configurations cannot share a shard",
            "Add them in groups, each under a name of its own",
        )
    return kinds.pop()


def _written(tables: dict[Kind, pa.Table], hashes: Sequence[bytes]) -> dict[Kind, pa.Table]:
    """Give the tables as they are written."""
    return {**tables, "samples": with_index(tables["samples"], tables["entries"], hashes)}


def _unrepeated(observations: Iterable[Observation]) -> list[Observation]:
    """Keep one observation per sample, the last: a server may run a request again after a crash."""
    return list({_identity(observation): observation for observation in observations}.values())


def _identity(observation: Observation) -> tuple[str, int, str]:
    return (observation.sample.sample, observation.sample.row, observation.sample.sample_sha256)
