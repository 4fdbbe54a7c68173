"""A model's feature libraries: everything that was seen of it, in one MLflow experiment."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from foveal.errors import FovealError, UsageError, nearest
from foveal.library.connection import Connection
from foveal.library.feature import FeatureLibrary
from foveal.library.reading import Piece, Reader, Selection
from foveal.library.schema import to_entries, to_samples
from foveal.library.shards import Added, ShardStore, check_file_name
from foveal.library.tracking import NOTE_TAG, Tracking
from foveal.library.tracking import library_names as _names
from foveal.library.units import Units, recorded_as
from foveal.records import Entry, Observation, Source


class Library:
    """The samples and entries of one model.

    Making one of these asks nobody anything. :meth:`add` makes the library in MLflow where it is not there
    yet; reading one that is not there raises a `UsageError`. A tracking server that does not answer raises an
    `EnvironmentFault` within seconds.

    Parameters
    ----------
    name
        The library is the MLflow experiment ``foveal/NAME``.
    tracking_uri
        Where it is; MLflow's own default (``MLFLOW_TRACKING_URI``) where none is given.

    Examples
    --------
    >>> library = Library("nodules")  # doctest: +SKIP
    >>> library["contribution:12"].sample(9)  # doctest: +SKIP
    """

    def __init__(self, name: str, tracking_uri: str | None = None) -> None:
        self.name = name
        self._connection = Connection(tracking_uri)
        self._tracking = Tracking(name, self._connection)
        self._store = ShardStore(self._tracking)
        self._units = Units(self._tracking, self._store)
        self._readers: dict[Selection, Reader] = {}

    def __repr__(self) -> str:
        try:
            known = f"{_describe(self.counts()) if self.exists() else 'not made yet'}, at {self.uri}"
        except FovealError as fault:
            known = fault.fault
        return f"Library({self.name!r}: {known})"

    def __getitem__(self, feature: str) -> FeatureLibrary:
        """Give one feature's library.

        Raises
        ------
        UsageError
            If it has no entries, naming the features that are most alike.
        """
        sizes = self.features()
        if feature not in sizes:
            raise UsageError(f"Library {self.name!r} has no entries of {feature!r}", nearest(feature, sizes))
        return FeatureLibrary(self, feature, sizes[feature])

    @property
    def tracking_uri(self) -> str:
        """The tracking URI as MLflow takes it; it may hold credentials."""
        return self._connection.uri

    @property
    def uri(self) -> str:
        """The tracking URI for people, without credentials."""
        return self._connection.place

    @property
    def url(self) -> str:
        """The library's page in MLflow; without a server the folder of its artifacts."""
        return self._tracking.url

    @property
    def run_id(self) -> str:
        """The library's run."""
        return str(self._tracking.run().info.run_id)

    @property
    def experiment_id(self) -> str:
        """The library's experiment."""
        return str(self._tracking.run().info.experiment_id)

    def exists(self) -> bool:
        """Say whether there is such a library."""
        return self._tracking.find() is not None

    def add(self, observations: Iterable[Observation], shard: str) -> Added:
        """Add observations as one shard, all or nothing; doing so again changes nothing.

        Parameters
        ----------
        observations
            Of one source, one model and one configuration. Of several of the same sample the last counts.
        shard
            The shard's name: the same records always under the same name.

        Returns
        -------
        Added
            What is new: nothing where the shard was there.

        Raises
        ------
        UsageError
            If the shard holds other records, or the observations are of several kinds.
        """
        return self._store.add(list(observations), shard)

    def shards(self) -> list[dict[str, Any]]:
        """List what the library is made of, for provenance.

        Returns
        -------
        list of dict
            Sorted by name; per shard ``name``, ``source``, ``model_sha256``, ``config_sha256``, ``rows``
            (samples and entries), ``sha256`` (of the records) and ``files`` (artifact path to sha256).
        """
        return [
            {
                "name": shard.name,
                "source": shard.source,
                "model_sha256": shard.model_sha256,
                "config_sha256": shard.config_sha256,
                "rows": {"samples": shard.samples.rows, "entries": shard.entries.rows},
                "sha256": shard.content_sha256,
                "files": {shard.path(kind): shard.part(kind).sha256 for kind in ("samples", "entries")},
            }
            for shard in sorted(self._store.shards(), key=lambda shard: shard.name)
        ]

    def samples(
        self,
        source: Source | None = None,
        columns: Sequence[str] | None = None,
        *,
        model_sha256: str | None = None,
        config_sha256: str | None = None,
    ) -> pa.Table:
        """Read the samples, each once, ordered by source, name and row.

        Parameters
        ----------
        source, model_sha256, config_sha256
            Only samples of this source, seen by this model, under this configuration.
        columns
            Only these columns.

        Returns
        -------
        pyarrow.Table
            The fields of :class:`~foveal.records.SampleRecord`.
        """
        return self._reader(Selection(source, model_sha256, config_sha256)).table("samples", columns)

    def entries(
        self,
        feature: str | None = None,
        source: Source | None = None,
        columns: Sequence[str] | None = None,
        *,
        model_sha256: str | None = None,
        config_sha256: str | None = None,
        units: bool = True,
    ) -> pa.Table:
        """Read the entries, each once, ordered by their sample.

        Parameters
        ----------
        feature
            Only entries of this feature.
        source, columns, model_sha256, config_sha256
            As for :meth:`samples`.
        units
            Show the units of the last audit (``contribution:12``) in place of ``contribution``.

        Returns
        -------
        pyarrow.Table
            The fields of :class:`~foveal.records.Entry`, with ``map`` flattened beside its ``map_shape``, and
            the ``sample_sha256`` of the sample.
        """
        reader = self._reader(Selection(source, model_sha256, config_sha256))
        needed = None if columns is None else list(dict.fromkeys([*columns, "id", "feature"]))
        recorded = None if feature is None else recorded_as(feature) if units else [feature]
        table = reader.table("entries", needed, recorded)
        if units:
            table = self._units.show(table)
        if feature is not None:
            table = table.filter(pc.equal(table["feature"], feature))
        return table if columns is None else table.select(list(columns))

    def observations(self, source: Source | None = None) -> Iterator[Observation]:
        """Read the records back as they were added, shard by shard, the earlier shards first."""
        for piece in self._reader(Selection(source)).pieces():
            yield from _observations(piece)

    def features(self) -> dict[str, int]:
        """Count the entries of every feature, in the order of the names."""
        counts = Counter(self.entries(columns=["feature"])["feature"].to_pylist())
        return {feature: counts[feature] for feature in sorted(counts, key=_natural)}

    def assign(self, units: Mapping[str, str], audit_run_id: str) -> None:
        """Write an audit's clustering of the contribution windows back.

        Parameters
        ----------
        units
            Entry id to unit, such as ``contribution:12``. It replaces the assignment of earlier audits.
        audit_run_id
            The audit's run.

        Raises
        ------
        UsageError
            If a unit is not written ``contribution:`` and more.
        """
        self._units.assign(units, audit_run_id)

    def report_losses(self, origin: str, counts: Mapping[str, int], samples: Sequence[str] = ()) -> None:
        """Put on record what did not get in.

        Parameters
        ----------
        origin
            Who lost it (a writer, a segment, a data set); its later reports replace the earlier ones.
        counts
            Number of samples by reason.
        samples
            Their names, where they are known.
        """
        check_file_name(origin, "the origin of a loss")
        report = {"origin": origin, "counts": dict(counts), "samples": list(samples)}
        self._tracking.put(f"losses/{origin}.json", json.dumps(report, indent=1, sort_keys=True).encode())

    def losses(self) -> dict[str, int]:
        """Count what did not get in, by reason (``quota``, ``damaged``, ``unreadable``, ...)."""
        paths = [f"losses/{name}" for name in self._tracking.names_in("losses")]
        total: Counter[str] = Counter()
        for content in self._tracking.read_all(paths):
            total.update(json.loads(content)["counts"])
        return dict(sorted(total.items()))

    def counts(self) -> dict[Source, Added]:
        """Count samples and entries per source, as recorded: what was recorded twice counts twice."""
        total: dict[Source, Added] = {}
        for shard in self._store.shards():
            own = Added(shard.samples.rows, shard.entries.rows)
            total[shard.source] = total.get(shard.source, Added()) + own
        return dict(sorted(total.items()))

    def publish_note(self) -> None:
        """Write what the library holds on its page in MLflow."""
        self._tracking.tag(NOTE_TAG, _note(self.name, self.counts(), self.losses()))

    def _reader(self, selection: Selection) -> Reader:
        shards = tuple(shard for shard in self._store.shards() if selection.takes(shard))
        known = self._readers.get(selection)
        if known is None or known.shards != shards:
            self._readers[selection] = known = Reader(self._store, shards)
        return known


def library_names(tracking_uri: str | None = None) -> list[str]:
    """List the names of all libraries of a tracking server, sorted."""
    with Connection(tracking_uri).asking() as client:
        return _names(client)


def _observations(piece: Piece) -> Iterator[Observation]:
    """Put the entries of a shard back to their samples."""
    entries = piece.entries.sort_by([("sample_at", "ascending"), ("number", "ascending")])
    owned: dict[int, list[Entry]] = {}
    for owner, entry in zip(entries["sample_at"].to_pylist(), to_entries(entries), strict=True):
        owned.setdefault(owner, []).append(entry)
    for at, sample in zip(piece.rows.tolist(), to_samples(piece.samples), strict=True):
        yield Observation(sample, tuple(owned.get(at, ())))


def _natural(feature: str) -> list[tuple[bool, int, str]]:
    """Order names as people do: fc1:2 before fc1:10."""
    words = re.findall(r"[0-9]+|[^0-9]+", feature)
    return [(not word.isdigit(), int(word) if word.isdigit() else 0, word) for word in words]


def _describe(counts: Mapping[Source, Added]) -> str:
    samples = ", ".join(f"{count.samples:,} {source}" for source, count in counts.items()) or "0"
    return f"{samples} samples, {sum(count.entries for count in counts.values()):,} entries"


def _note(name: str, counts: Mapping[Source, Added], losses: Mapping[str, int]) -> str:
    rows = [f"| {source} | {count.samples:,} | {count.entries:,} |" for source, count in counts.items()]
    lost = ", ".join(f"{count:,} {reason}" for reason, count in losses.items()) or "nothing"
    head = [f"Foveal's feature library **{name}**.", "", "| source | samples | entries |", "|---|---:|---:|"]
    return "\n".join(
        [
            *head,
            *rows,
            "",
            f"Lost on the way: {lost}.",
            "",
            f"Look into it with `foveal library show {name}`.",
        ]
    )
