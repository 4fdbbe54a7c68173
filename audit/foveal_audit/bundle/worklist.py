"""``worklist.csv``: what to mask, a line for each artefact, and what to acquire, a line for each gap."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from foveal_audit.bundle.masking import mask_of
from foveal_audit.bundle.schema import ArtefactFinding, GapFinding
from foveal_audit.judgement.irrelevance import is_property

WORKLIST = "worklist.csv"
COLUMNS = (
    "finding",
    "kind",
    "action",
    "needed",
    "has",
    "share_of_production",
    "what",
    "mask",
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
        told = "; ".join(f"{name} = {value}" for name, value in sorted(one.explained_by.items()))
        like, nearest = one.samples[:_SHOWN], one.nearest_training[:_SHOWN]
        share = f"{one.share_of_production:.4g}"
        numbers = (str(self.needed), str(self.has), share)
        what = told or one.statement
        return (one.id, one.gap, one.action, *numbers, what, "", " ".join(like), " ".join(nearest))


def worklist_csv(orders: Iterable[Order], artefacts: Iterable[ArtefactFinding] = ()) -> str:
    """Write the worklist as a table with a header: artefacts to mask, then samples to acquire."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(_masked(one) for one in artefacts)
    table.writerows(one.row() for one in orders)
    return text.getvalue()


def _masked(one: ArtefactFinding) -> tuple[str, ...]:
    """Give the line of an artefact; ``has`` counts its training windows, ``mask`` is a box y0 x0 y1 x1."""
    whole, listed = is_property(one.signals), sorted(one.entries, key=lambda entry: -entry.activation)
    mask = None if whole else mask_of([entry.window for entry in listed])
    like = dict.fromkeys(entry.sample for entry in listed if entry.source == "training")
    kind, action = ("property", "even_out") if whole else ("artefact", "mask")
    has = str(one.n_entries.get("training", 0))
    box = " ".join(map(str, mask.window)) if mask else ""
    return (one.id, kind, action, "", has, "", _answers(one), box, " ".join(list(like)[:_SHOWN]), "")


def _answers(one: ArtefactFinding) -> str:
    """Name the answer that most of the entries were given, and the verdict."""
    wanted = max(one.classes, key=lambda name: one.classes[name], default=None)
    return one.verdict if wanted is None else f"answer {wanted}; {one.verdict}"
