"""``coverage.csv``: how well the training library covers each production sample."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass

from foveal.records import Source
from foveal_audit.bundle.identity import six_digits

COLUMNS = ("sample", "source", "p_value", "gap_group")


@dataclass(frozen=True)
class CoverageRow:
    """One production sample.

    Attributes
    ----------
    p_value
        Conformal probability, 0 to 1; small means unlike the training library. ``None``: not examined.
    gap_group
        Id of the gap finding the sample belongs to.
    """

    sample: str
    source: Source
    p_value: float | None
    gap_group: str | None = None


def coverage_csv(rows: Iterable[CoverageRow]) -> str:
    """Write the table, the samples least like the training library first.

    Raises
    ------
    ValueError
        A probability lies outside 0 to 1, or is not a number.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in sorted(rows, key=_rank):
        table.writerow((row.sample, row.source, _probability(row), row.gap_group or ""))
    return text.getvalue()


def _rank(row: CoverageRow) -> tuple[float, str, str]:
    return (math.inf if row.p_value is None else row.p_value, row.sample, row.source)


def _probability(row: CoverageRow) -> str:
    if row.p_value is None:
        return ""
    if not 0 <= row.p_value <= 1:
        raise ValueError(f"p_value {row.p_value} of {row.sample!r} is not a probability")
    return f"{six_digits(row.p_value):g}"
