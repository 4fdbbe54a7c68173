"""One feature's entries: what a unit of the network responded to, with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from foveal.errors import UsageError
from foveal.library.schema import to_entries
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

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read the entries as a table; see :meth:`Library.entries`."""
        return self.library.entries(feature=self.feature, columns=columns)

    def entries(self) -> list[Entry]:
        """Read all entries."""
        return to_entries(self.table())

    def sample(self, n: int, seed: int = 0) -> list[Entry]:
        """Draw entries at random, none twice.

        Parameters
        ----------
        n
            How many; all of them, in random order, where there are fewer.
        seed
            The same seed and the same entries give the same draw, however they came into the library.

        Raises
        ------
        UsageError
            If `n` is negative.
        """
        if n < 0:
            raise UsageError(f"{n} entries cannot be drawn", "Ask for 0 or more")
        table = self.table()
        by_id = pc.sort_indices(table["id"]).to_numpy()
        chosen = np.random.default_rng(seed).permutation(by_id)[:n]
        return to_entries(table.take(pa.array(chosen)))
