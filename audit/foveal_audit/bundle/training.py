"""``training.csv``: every training window of every facet, so that a dismissed one is masked or removed whole.

``findings.json`` names 200 entries of a facet at most; this names all of them that are of training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from foveal_audit.bundle.fields import Number, Record, Text
from foveal_audit.bundle.identity import six_digits
from foveal_audit.bundle.schema import Assessment
from foveal_audit.bundle.tables import read_table, table_text

TRAINING = "training.csv"
#: Of whole pictures, which are no entries of the library, ``entry`` is empty.
COLUMNS = ("facet", "sample", "label", "window", "activation", "entry")
_WINDOW = r"^-?\d+( -?\d+)*$"


@dataclass(frozen=True)
class TrainingWindows:
    """The training windows of one facet, column by column.

    Attributes
    ----------
    facet
        Id of the assessment.
    samples, labels
        Each window's sample and its label, "" where it has none.
    windows
        Half-open boxes, starts before ends.
    activations, entries
        How strongly the unit answers, and the entry in the library, "" for a whole picture.
    """

    facet: str
    samples: Sequence[str]
    labels: Sequence[str]
    windows: Sequence[Sequence[int]]
    activations: Sequence[float]
    entries: Sequence[str]

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Give the rows of the table, the strongest first."""
        columns = (self.activations, self.samples, self.labels, self.windows, self.entries)
        ranked = sorted(zip(*columns, strict=True), key=lambda row: (-row[0], row[1], row[4], *row[3]))
        for activation, sample, label, window, entry in ranked:
            box = " ".join(map(str, window))
            yield (self.facet, sample, label, box, f"{six_digits(activation):g}", entry)


class Row(Record):
    """One row of the table, as it is read."""

    facet: Text
    sample: str
    label: str
    window: Annotated[str, Field(pattern=_WINDOW)]
    activation: Number
    entry: str


_ROWS = TypeAdapter(list[Row])


def training_csv(facets: Iterable[TrainingWindows]) -> str:
    """Write the table, facet by facet in the order given."""
    return table_text(COLUMNS, (row for one in facets for row in one.rows()))


def read_training(bundle: Path) -> list[Row] | None:
    """Read the table of a bundle; None where it has none.

    Raises
    ------
    ValueError
        It is there and no such table.
    """
    if not (bundle / TRAINING).is_file():
        return None
    columns, rows = read_table(bundle / TRAINING)
    if columns != COLUMNS:
        raise ValueError(f"{TRAINING}: does not have the columns {', '.join(COLUMNS)}")
    try:
        return _ROWS.validate_python([{**row, "activation": _number(row["activation"])} for row in rows])
    except (ValidationError, TypeError) as error:
        raise ValueError(f"{TRAINING}: {_first(error)}") from error


def misfits(rows: Iterable[Row], assessments: Iterable[Assessment], *, redacted: bool = False) -> list[str]:
    """Say where the table and the findings disagree.

    Parameters
    ----------
    redacted
        Samples were erased from the bundle since: there may be fewer rows than were counted.
    """
    listed = list(rows)
    counts, known = Counter(row.facet for row in listed), {one.id: one for one in assessments}
    return [
        *(f"{TRAINING}: there is no facet {name}" for name in sorted(counts.keys() - known.keys())),
        *_miscounted(counts, known, redacted=redacted),
        *_missing(listed, known),
    ]


def _miscounted(
    counts: Mapping[str, int], known: Mapping[str, Assessment], *, redacted: bool
) -> Iterator[str]:
    for name, one in known.items():
        here, there = counts.get(name, 0), one.n_entries.get("training", 0)
        if here > there or (here < there and not redacted):
            yield f"{TRAINING}: lists {here:,} training windows of {name}, findings.json counts {there:,}"


def _missing(rows: Iterable[Row], known: Mapping[str, Assessment]) -> Iterator[str]:
    """Name the facets of which findings.json lists training windows that the table does not."""
    here = {(row.facet, row.sample, row.window) for row in rows}
    for name, one in known.items():
        listed = (ref for ref in one.entries if ref.source == "training")
        if any((name, ref.sample, " ".join(map(str, ref.window))) not in here for ref in listed):
            yield f"{TRAINING}: lacks training windows of {name} that findings.json lists"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{TRAINING}: {text[:40]!r} is no activation") from None


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return "a row is cut short"
    told = error.errors()[0]
    return f"row {int(told['loc'][0]) + 1}, {told['loc'][-1]}: {told['msg']}"
