"""Windows onto long lists of entries: ordered once, and pictures are read for what is seen only."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from foveal.errors import UsageError, nearest
from foveal.library import Library
from foveal.library.query import Query
from foveal.library.schema import clean_text
from foveal.samples.places import place
from foveal_audit.explorer.keeping import Keeper
from foveal_audit.explorer.tiles import Range, crop_uri, layer_uris

ORDERS: Mapping[str, list[tuple[str, str]]] = {
    "activation": [("activation", "descending"), ("id", "ascending")],
    "weakest": [("activation", "ascending"), ("id", "ascending")],
    "newest": [("time", "descending"), ("id", "ascending")],
    "oldest": [("time", "ascending"), ("id", "ascending")],
    "sample": [("sample", "ascending"), ("id", "ascending")],
}
#: Entries of one answer at most, and lists and answers that are remembered.
MOST = 200
_LISTS, _TILES = 8, 4000
#: Values and metadata that can be chosen from, and samples that are looked at for them.
_VALUES, _KEYS, _LOOKED_AT = 40, 8, 2000
#: Seconds for which the listing of the library's shards is taken for true.
_FRESH = 3.0
_COLUMNS = [
    "id",
    "feature",
    "sample",
    "row",
    "source",
    "window",
    "activation",
    "share",
    "predicted",
    "method",
    "layer",
    "threshold",
    "time",
    "label",
    "metadata",
    "crop",
    "map",
    "map_shape",
    "spacing",
    "band",
]
_NUMBERED = ("activation", "share", "threshold")
_LISTED = ["id", "feature", "activation"]
#: Seconds for which the library is read before anybody asks, and entries that a browser asks for first.
_AHEAD, _SCREEN = 1.5, 96
#: Entries of a library up to which all of them are listed before anybody asks.
_WHOLE = 300_000
_T = TypeVar("_T")


@dataclass(frozen=True)
class Wanted:
    """What a reader wants to see: filters as :meth:`foveal.library.Library.query` has them, and an order."""

    feature: str | None = None
    source: str | None = None
    predicted: int | None = None
    label: str | None = None
    since: str | None = None
    until: str | None = None
    sample: str | None = None
    model_sha256: str | None = None
    low: float | None = None
    high: float | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    order: str = "activation"

    def query(self, library: Library) -> Query:
        """Ask the library."""
        return library.query(
            feature=self.feature, source=self.source, predicted=self.predicted, label=self.label,  # type: ignore[arg-type]  # checked by Filter
            since=self.since, until=self.until, sample=self.sample, model_sha256=self.model_sha256,
            activation=(self.low, self.high), metadata=dict(self.metadata),
        )  # fmt: skip


#: No class has a larger number.
_LARGEST = 2**63 - 1
_NUMBERS: Mapping[str, Callable[[str], Any]] = {"predicted": int, "low": float, "high": float}


def wanted_of(parameters: Sequence[tuple[str, str]]) -> Wanted:
    """Read filters from an address's parameters; empty ones mean nothing.

    Raises
    ------
    UsageError
        A filter does not exist, or its value is none.
    """
    fields: dict[str, Any] = {}
    metadata = []
    for name, value in parameters:
        if name.startswith("metadata."):
            metadata += [(name.removeprefix("metadata."), value)] if value else []
        elif value and name in Wanted.__dataclass_fields__ and name != "metadata":
            fields[name] = _number(name, value) if name in _NUMBERS else value
    wanted = Wanted(**fields, metadata=tuple(metadata))
    if wanted.order not in ORDERS:
        raise UsageError(f"There is no order {wanted.order!r}", nearest(wanted.order, ORDERS))
    return wanted


def _number(name: str, value: str) -> Any:  # noqa: ANN401 - int or float
    try:
        number = _NUMBERS[name](value)
    except ValueError:
        raise UsageError(f"{value[:40]!r} is no number for {name!r}", "Give one") from None
    if abs(number) > _LARGEST if isinstance(number, int) else not math.isfinite(number):
        raise UsageError(f"{value[:40]!r} is no number for {name!r}", "Give one")
    return number


class Browser:
    """Remembers orders and pictures of one library; the caller sees to it that one thread asks at a time."""

    def __init__(self) -> None:
        self.keeper = Keeper(_COLUMNS)
        self._lists: OrderedDict[Any, pa.Table] = OrderedDict()
        self._options: OrderedDict[Any, dict[str, list[str]]] = OrderedDict()
        self._tiles: OrderedDict[Any, dict[str, Any]] = OrderedDict()
        self._state, self._asked_at = "", -_FRESH

    def window(
        self, library: Library, wanted: Wanted, start: int, count: int, span: Range | None = None
    ) -> dict[str, Any]:
        """Give part of a list.

        Parameters
        ----------
        start, count
            The first of them and how many, of the list from 0; at most :data:`MOST`.
        span
            See :func:`.tiles.crop_picture`.

        Returns
        -------
        dict
            ``total``, ``start`` and ``entries``: what is known of each; ``crop``, ``map`` and ``outline`` as
            addresses.
        """
        listed = self.listed(library, wanted)
        start, count = max(0, start), min(max(0, count), MOST)
        ids = listed["id"].slice(start, count).to_pylist()
        return {"total": len(listed), "start": start, "entries": self.entries(library, ids, span)}

    def listed(self, library: Library, wanted: Wanted) -> pa.Table:
        """Give ids, features and activations in order; looked up anew where the library has changed."""
        state = self._fresh(library)
        part = self._part(state, wanted)
        if part is not None:
            return part
        return _remembered(self._lists, (state, wanted), _LISTS, lambda: _listed(library, wanted))

    def _part(self, state: str, wanted: Wanted) -> pa.Table | None:
        """Take a feature's list from the list of all entries, where that is remembered."""
        whole = (state, replace(wanted, feature=None))
        if wanted.feature is None or whole not in self._lists:
            return None
        self._lists.move_to_end(whole)
        listed = self._lists[whole]
        return listed.filter(pc.equal(listed["feature"], clean_text(wanted.feature)))

    def options(self, library: Library, feature: str) -> dict[str, list[str]]:
        """List what entries of a feature (of all where it is empty) can be sifted by, the commonest first."""
        key = (self._fresh(library), feature)
        return _remembered(self._options, key, _LISTS, lambda: _options(library, feature))

    def warm(self, library: Library, lock: AbstractContextManager[Any]) -> None:
        """Look up what is asked first, before anybody asks, and begin to read the library."""
        self.keeper.follow(library, self._fresh(library), lock, _AHEAD)
        if sum(library.features().values()) <= _WHOLE:
            self.window(library, Wanted(), 0, _SCREEN)
            self.options(library, "")

    def follow(self, library: Library, lock: AbstractContextManager[Any]) -> None:
        """Read the library, anew where it has changed; see :class:`.keeping.Keeper`."""
        self.keeper.follow(library, self._fresh(library), lock)

    def _fresh(self, library: Library) -> str:
        """Tell the library's content from any other."""
        if time.monotonic() - self._asked_at > _FRESH:
            self._state, self._asked_at = repr(sorted(library.store.listing().items())), time.monotonic()
        return self._state

    def entries(
        self, library: Library, ids: Sequence[str], span: Range | None = None
    ) -> list[dict[str, Any]]:
        """Give entries by their ids, in that order; those that are gone are left out."""
        missing = [id_ for id_ in dict.fromkeys(ids) if (id_, span) not in self._tiles]
        for told in _described(self.rows(library, missing), span):
            _keep(self._tiles, (told["id"], span), told, max(_TILES, len(ids)))
        return [self._tiles[id_, span] for id_ in ids if (id_, span) in self._tiles]

    def rows(self, library: Library, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Read entries by their ids, in any order: from memory as far as they are there."""
        known = self.keeper.rows(ids)
        unread = [id_ for id_ in ids if id_ not in known]
        read = library.query(ids=unread).table(_COLUMNS).to_pylist() if unread else []
        return [*(dict(row) for row in known.values()), *read]


def _listed(library: Library, wanted: Wanted) -> pa.Table:
    order = ORDERS[wanted.order]
    names = list(dict.fromkeys([*_LISTED, *(name for name, _ in order)]))
    table = wanted.query(library).table(names)
    return table.take(pc.sort_indices(table, sort_keys=order)).select(_LISTED)


def _options(library: Library, feature: str) -> dict[str, list[str]]:
    query = library.query(feature=feature or None)
    found = {by: query.facets(by) for by in ("source", "predicted", "label", "model_sha256")}
    for key in _keys(library):
        found[f"metadata.{key}"] = query.facets(f"metadata.{key}")
    return {
        by: [str(value) for value in list(values)[:_VALUES] if value is not None]
        for by, values in found.items()
    }


def _keys(library: Library) -> list[str]:
    """Name the metadata that samples carry; where they carry very much, some of it."""
    column = library.samples(columns=["metadata"])["metadata"]
    return sorted({key for row in column.slice(0, _LOOKED_AT).to_pylist() for key, _ in row})[:_KEYS]


def _described(rows: Sequence[dict[str, Any]], span: Range | None) -> list[dict[str, Any]]:
    """Tell of entries what a page shows, all at once: what they have in common is computed once."""
    crops = [crop_uri(row.pop("crop"), row["id"], span) for row in rows]
    sizes = [size if any(size) else (1, 1) for _, size in crops]
    layers = layer_uris([(row.pop("map"), row.pop("map_shape")) for row in rows], sizes)
    places = [_place(row["window"], row.pop("spacing"), row.pop("band")) for row in rows]
    return [
        {
            **row,
            **{name: _finite(row[name]) for name in _NUMBERED},
            "metadata": dict(row["metadata"]),
            **told,
            "crop": crop,
            "map": colours,
            "outline": line,
            "size": list(size),
        }
        for row, told, (crop, size), (colours, line) in zip(rows, places, crops, layers, strict=True)
    ]


def _place(
    window: Sequence[int], spacing: Sequence[float] | None, band: Sequence[float] | None
) -> dict[str, str]:
    """Say where a window lies, where more is known than its steps."""
    return {"place": place(window, spacing, band)} if spacing or band else {}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _remembered(known: OrderedDict[Any, _T], key: object, most: int, make: Callable[[], _T]) -> _T:
    if key in known:
        known.move_to_end(key)
        return known[key]
    return _keep(known, key, make(), most)


def _keep(known: OrderedDict[Any, _T], key: object, value: _T, most: int) -> _T:
    known[key] = value
    while len(known) > most:
        known.popitem(last=False)
    return value
