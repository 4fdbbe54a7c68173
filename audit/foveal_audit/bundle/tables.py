"""Tables as CSV, written so that any text is read again as it was."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path


def table_text(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table with its header."""
    text = io.StringIO()
    plain = csv.writer(text, lineterminator="\n")
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    plain.writerow(columns)
    for row in rows:  # Python leaves a lone carriage return bare, and takes it for the end of a line
        (quoted if any("\r" in cell for cell in row) else plain).writerow(row)
    return text.getvalue()


def read_table(path: Path) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Read the header and the rows of a table; nothing where there is none."""
    if not path.is_file():
        return (), []
    table = csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8", "replace"), newline=""))
    return tuple(table.fieldnames or ()), list(table)
