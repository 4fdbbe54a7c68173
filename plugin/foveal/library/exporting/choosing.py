"""Which entries an export holds, in an order that is the same every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from foveal.errors import UsageError
from foveal.records import Source

if TYPE_CHECKING:
    from foveal.library.store import Library


def choose(
    library: Library,
    features: Sequence[str] = (),
    source: Source | None = None,
    limit: int | None = None,
    scratch: Path | None = None,
) -> Iterator[pa.Table]:
    """Read the chosen entries, feature by feature in the order of their names, a small table at a time.

    Parameters
    ----------
    features
        Only these; all where none are given.
    source
        Only entries of this source.
    limit
        At most so many of each feature: those of the lowest ids, which is as good as drawn at random and
        does not depend on how they came into the library.
    scratch
        Folder with room for the entries of a feature while they are put in order.

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
        for table in library.query(feature=name, source=source).ordered(limit=limit, scratch=scratch):
            found = True
            yield table
    if not found:
        chosen = f" of source {source}" if source else ""
        raise UsageError(f"Library {library.name!r} has no entries{chosen}", "Look with: foveal library show")
