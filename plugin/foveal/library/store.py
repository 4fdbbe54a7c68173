"""A model's feature libraries: everything that was seen of it, in one MLflow experiment."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
from numpy.typing import ArrayLike

from foveal.errors import FovealError, UsageError, nearest
from foveal.library.catalog import Catalog
from foveal.library.connection import Connection
from foveal.library.feature import FeatureLibrary
from foveal.library.links import Links
from foveal.library.made import Made
from foveal.library.manifests import Added, described
from foveal.library.neighbours import Neighbour, Neighbours
from foveal.library.page import Page
from foveal.library.query import Filter, Query, Time
from foveal.library.reading import Piece, Reader, Selection
from foveal.library.schema import to_entries, to_samples
from foveal.library.shards import ShardStore, check_file_name
from foveal.library.tracking import Tracking
from foveal.library.tracking import library_names as _names
from foveal.library.units import Units
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
        self.tracking = Tracking(name, self._connection)
        self.store = ShardStore(self.tracking)
        self._units = Units(self.tracking, self.store)
        self._page = Page(self.tracking, self.store, self._units)
        self._links = Links(self.tracking)
        self._catalog = Catalog(self.tracking, self.store, self._units)
        self._neighbours = Neighbours(self._catalog, self.store)

    def __repr__(self) -> str:
        try:
            known = f"{described(self.counts()) if self.exists() else 'not made yet'}, at {self.uri}"
        except FovealError as fault:
            known = fault.fault
        return f"Library({self.name!r}: {known})"

    def _repr_html_(self) -> str:
        from foveal.library.notebook import library_html  # noqa: PLC0415 - it brings torch along

        return library_html(self)

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
        return self.tracking.url

    @property
    def run_id(self) -> str:
        """The library's run."""
        return str(self.tracking.run().info.run_id)

    @property
    def experiment_id(self) -> str:
        """The library's experiment."""
        return str(self.tracking.run().info.experiment_id)

    def exists(self) -> bool:
        """Say whether there is such a library."""
        return self.tracking.find() is not None

    def add(self, observations: Iterable[Observation] | Made, shard: str) -> Added:
        """Add observations as one shard, all or nothing; doing so again changes nothing.

        Parameters
        ----------
        observations
            Of one source, one model and one configuration, or what :meth:`made` has made of them. Of several
            of the same sample the last counts.
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
        made = observations if isinstance(observations, Made) else self.made(observations)
        added = self.store.add(made, shard)
        if made.held is not None:
            self._links.model(made.held[1])
        return added

    def made(self, observations: Iterable[Observation]) -> Made:
        """Make a shard's files for :meth:`add`, which says more; it asks nobody and may run in a thread."""
        return Made(observations)

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
            for shard in sorted(self.store.shards(), key=lambda shard: shard.name)
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
        wanted = Filter(feature, source, model_sha256=model_sha256, config_sha256=config_sha256, units=units)
        return Query(self._catalog, self.store, wanted).table(columns)

    def query(
        self,
        *,
        feature: str | None = None,
        source: Source | None = None,
        predicted: int | None = None,
        label: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        metadata: Mapping[str, str] | None = None,
        activation: tuple[float | None, float | None] = (None, None),
        sample: str | None = None,
        model_sha256: str | None = None,
        config_sha256: str | None = None,
        units: bool = True,
        ids: Iterable[str] | None = None,
    ) -> Query:
        """Choose entries; nothing is read before the query is asked for something.

        Parameters
        ----------
        feature
            The feature, or the unit of the last audit.
        source, predicted, label, sample, model_sha256, config_sha256
            As recorded.
        since, until
            From this time on, and before that one: ISO 8601, UTC where no zone is named.
        metadata
            Keys with the values that they must have.
        activation
            The lowest and the highest activation; None for no bound.
        units
            Take `feature` for a unit of the last audit (``contribution:12``), not only for what was recorded.
        ids
            Only these entries.

        Raises
        ------
        UsageError
            If a source or a time is none.
        """
        wanted = Filter(
            feature, source, predicted, label, since, until, dict(metadata or {}), activation, sample,
            model_sha256, config_sha256, units, None if ids is None else tuple(ids),
        )  # fmt: skip
        return Query(self._catalog, self.store, wanted)

    def nearest(
        self, to: str | bytes | ArrayLike, k: int = 10, feature: str | None = None
    ) -> list[Neighbour]:
        """Find the entries that are most alike.

        Entries with a contribution vector are compared by it, with those of the same model and layer; all
        others by what their crops look like. What is new since the last time is indexed first.

        Parameters
        ----------
        to
            An entry's id (it is left out itself), a contribution vector or an encoded image.
        k
            How many.
        feature
            Only among entries of this feature or unit.

        Returns
        -------
        list of Neighbour
            The nearest first: their ids and cosine distances; ``query(ids=...)`` reads them.

        Raises
        ------
        UsageError
            If there is no such entry, or no vector like this one.
        """
        return self._neighbours.nearest(to, k, feature)

    def observations(self, source: Source | None = None) -> Iterator[Observation]:
        """Read the records back as they were added, shard by shard, the earlier shards first."""
        for piece in self._reader(Selection(source)).pieces():
            yield from _observations(piece)

    def features(self) -> dict[str, int]:
        """Count the entries of every feature, in the order of the names."""
        counts = {str(name): n for name, n in self.query().facets("feature").items()}
        return {feature: counts[feature] for feature in sorted(counts, key=_natural)}

    def forget_index(self) -> None:
        """Delete what is kept on this machine to answer quickly; it is made anew when it is needed."""
        self._catalog.forget()

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
        self.tracking.put(f"losses/{origin}.json", json.dumps(report, indent=1, sort_keys=True).encode())

    def losses(self) -> dict[str, int]:
        """Count what did not get in, by reason (``quota``, ``damaged``, ``unreadable``, ...)."""
        paths = [f"losses/{name}" for name in self.tracking.names_in("losses")]
        total: Counter[str] = Counter()
        for content in self.tracking.read_all(paths):
            total.update(json.loads(content)["counts"])
        return dict(sorted(total.items()))

    def counts(self) -> dict[Source, Added]:
        """Count samples and entries per source, as recorded: what was recorded twice counts twice."""
        total: dict[Source, Added] = {}
        for shard in self.store.shards():
            own = Added(shard.samples.rows, shard.entries.rows)
            total[shard.source] = total.get(shard.source, Added()) + own
        return dict(sorted(total.items()))

    def publish_note(self, patience: float = 300.0) -> None:
        """Write what the library holds on its page in MLflow, with a gallery of its strongest crops.

        Parameters
        ----------
        patience
            Seconds for which a gallery that this object has drawn is good enough; 0 draws it anew.
        """
        self._page.publish(self.counts(), self.losses(), patience)

    def _reader(self, selection: Selection) -> Reader:
        superseded = self._catalog.superseded(selection.scope)
        shards = [shard for shard in self._catalog.shards() if selection.takes(shard)]
        return Reader(self.store, shards, superseded)


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
