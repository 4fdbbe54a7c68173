"""One feature's entries: what a unit of the network responded to, with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from foveal.library.facets import Facet, split
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

    def _repr_html_(self) -> str:
        from foveal.library.notebook import feature_html  # noqa: PLC0415 - it brings torch along

        return feature_html(self)

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

    def facets(self, k: int, seed: int = 0) -> list[Facet]:
        """Split the entries into groups that are alike: the kinds of things that the feature responds to.

        Groups are those of k-means among the entries' contribution vectors, each of length one, or where they
        have none among small grey pictures of their crops. Vectors of another model or layer cannot be
        compared: of several kinds only the entries of the commonest are split. Centres are learned from
        20,000 entries at most.

        Parameters
        ----------
        k
            How many groups; there are fewer where fewer entries differ.
        seed
            The same seed and the same entries give the same facets, however they came into the library.

        Returns
        -------
        list of Facet
            The largest first.

        Raises
        ------
        UsageError
            If `k` is not positive.
        """
        return split(self.query(), self.feature, k, seed)
