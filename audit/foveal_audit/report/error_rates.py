"""How often the audit itself errs, measured on models whose truth was planted; kept beside this module."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from foveal_audit.benchmarking.statistics import wilson
from foveal_audit.report.naming import Term

#: What is counted, and what that means for the reader of a report.
RATES: Mapping[str, Term] = {
    "artefacts": Term("Artefacts found", "planted marks that a model relies on and the audit flags"),
    "clean": Term("Clean models flagged", "models without any artefact in which the audit flags something"),
    "inert": Term("Harmless marks flagged", "facets of marks that the model does not use, flagged"),
    "gaps": Term("Gaps found", "groups that production has and training lacks, found as such"),
    "directions": Term(
        "Effects with the right sign", "removal and paste effects that point the way the network's answers do"
    ),
}


@dataclass(frozen=True)
class Rate:
    """One figure: so many of so many, the share, and its 95 % interval (Wilson 1927)."""

    term: Term
    found: int
    total: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Part of all, 0 to 1."""
        return self.found / self.total


@dataclass(frozen=True)
class ErrorRates:
    """All figures, how many gap groups were false in how many models, and how that was measured."""

    rates: Mapping[str, Rate]
    false_groups: int
    models: int
    provenance: Sequence[tuple[str, str]]


def rates_text() -> str:
    """Give the record of this version's figures as it lies beside this module, for the bundle."""
    return (files(__package__) / "error_rates.json").read_text("utf-8")


@lru_cache(maxsize=1)
def measured_rates() -> ErrorRates:
    """Read the figures of this version of the audit."""
    return read_rates(json.loads(rates_text()))


def read_rates(record: Mapping[str, Any]) -> ErrorRates:
    """Make figures of a record.

    Parameters
    ----------
    record
        ``rates``: name in :data:`RATES` (``of``), ``found`` and ``all``; ``false_groups``: ``groups`` in
        ``models``; ``provenance``: plan, seed, models, command, code and date.
    """
    groups = record["false_groups"]
    return ErrorRates(
        {one["of"]: _rate(one["of"], one["found"], one["all"]) for one in record["rates"]},
        groups["groups"],
        groups["models"],
        [(name, str(value)) for name, value in record["provenance"].items()],
    )


def _rate(name: str, found: int, total: int) -> Rate:
    low, high = wilson(found, total)
    return Rate(RATES[name], found, total, low, high)
