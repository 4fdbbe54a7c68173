"""``worklist.csv``: what to acquire, a line for each gap that samples can close."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from foveal_audit.bundle.schema import GapFinding

WORKLIST = "worklist.csv"
COLUMNS = (
    "gap",
    "kind",
    "action",
    "needed",
    "has",
    "share_of_production",
    "what",
    "like",
    "nearest_training",
)
_SHOWN = 3


@dataclass(frozen=True)
class Order:
    """One line of the worklist: what to get, how much of it, and what it looks like.

    Attributes
    ----------
    finding
        The gap.
    needed, has
        Samples that close it, and those of the kind that training holds.
    """

    finding: GapFinding
    needed: int
    has: int

    def row(self) -> tuple[str, ...]:
        """Give the line in the order of :data:`COLUMNS`."""
        one = self.finding
        what = "; ".join(f"{name} = {value}" for name, value in sorted(one.explained_by.items()))
        like, nearest = one.samples[:_SHOWN], one.nearest_training[:_SHOWN]
        share = f"{one.share_of_production:.4g}"
        numbers = (str(self.needed), str(self.has), share)
        return (one.id, one.gap, one.action, *numbers, what, " ".join(like), " ".join(nearest))


def worklist_csv(orders: Iterable[Order]) -> str:
    """Write the worklist as a table with a header."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(one.row() for one in orders)
    return text.getvalue()
