"""Which entries an export holds, in an order that is the same every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foveal.errors import UsageError
from foveal.records import Source

if TYPE_CHECKING:
    from foveal.library.store import Library


def choose(
    library: Library, features: Sequence[str] = (), source: Source | None = None, limit: int | None = None
) -> Iterator[pa.Table]:
    """Read the chosen entries, a table per feature in the order of the features' names.

    Parameters
    ----------
    features
        Only these; all where none are given.
    source
        Only entries of this source.
    limit
        At most so many of each feature: those of the lowest ids, which is as good as drawn at random and
        does not depend on how they came into the library.

    Raises
    ------
    UsageError
        If there is no such feature, or nothing is chosen.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"{limit} entries cannot be exported", "Ask for 1 or more, or leave --limit out")
    names = [library[feature].feature for feature in features] or list(library.features())
    found = False
    for name in dict.fromkeys(names):
        table = _first(library.entries(name, source), limit)
        if len(table):
            found = True
            yield table
    if not found:
        chosen = f" of source {source}" if source else ""
        raise UsageError(f"Library {library.name!r} has no entries{chosen}", "Look with: foveal library show")


def _first(entries: pa.Table, limit: int | None) -> pa.Table:
    """Keep the entries of the lowest ids, in the order they had."""
    if limit is None or len(entries) <= limit:
        return entries
    lowest = pc.sort_indices(entries["id"]).to_numpy()[:limit]
    return entries.take(pa.array(np.sort(lowest)))
