"""One feature's entries: what a unit of the network responded to, with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from foveal.library.query import Query
from foveal.records import Entry

if TYPE_CHECKING:
    from foveal.library.store import Library


class FeatureLibrary:
    """The entries of one feature.

    Parameters
    ----------
    library
        The library that holds them.
    feature
        The feature, as :meth:`Library.features` lists it.
    size
        Number of its entries.
    """

    def __init__(self, library: Library, feature: str, size: int) -> None:
        self.library = library
        self.feature = feature
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __repr__(self) -> str:
        return f"FeatureLibrary({self.feature!r} of {self.library.name!r}: {self._size:,} entries)"

    def query(self) -> Query:
        """Give the entries as a query, to count, draw or read."""
        return self.library.query(feature=self.feature)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the entries as a table; see :meth:`Library.entries`."""
        return self.query().table(columns)

    def entries(self) -> list[Entry]:
        """Read all entries."""
        return self.query().entries()

    def sample(self, n: int, seed: int = 0) -> list[Entry]:
        """Draw entries at random, none twice; see :meth:`foveal.library.query.Query.sample`."""
        return self.query().sample(n, seed)
