"""What may go wrong when a generator is asked for."""

from __future__ import annotations

from foveal.errors import UsageError

#: Below this nothing honest can be learned; the audit says "not examined" instead.
FEWEST_CROPS = 12


class TooFewCrops(UsageError):  # noqa: N818 (reads as what it says)
    """A feature library holds too few crops for any generator.

    Parameters
    ----------
    n
        Number of crops there are.
    needed
        Number of crops at least needed.
    """

    def __init__(self, n: int, needed: int = FEWEST_CROPS) -> None:
        super().__init__(
            f"{n} crops are too few to learn a generator, at least {needed} are needed",
            "Collect more samples that show the feature",
        )
        self.n = n
        self.needed = needed
