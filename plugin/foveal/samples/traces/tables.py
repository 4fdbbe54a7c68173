"""Traces as text: one row per step, one column per channel, a column of times if there is one."""

from __future__ import annotations

import io
import re

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal.samples.formats import reading
from foveal.samples.kinds import Decoded
from foveal.samples.numpy_files import as_sample
from foveal.samples.traces.sounds import check_length

#: What a column of times is called, and the unit in seconds.
_TIMES = {
    **dict.fromkeys(("time", "t", "seconds", "sec", "s", "time_s", "time (s)", "time [s]"), 1.0),
    **dict.fromkeys(("ms", "milliseconds", "time_ms", "time (ms)", "time [ms]"), 1e-3),
}
#: Times may be off even steps by this part of one.
_UNEVEN = 0.1
_SEPARATORS = (";", "\t", ",")
#: What NumPy says of a cell, quoting it, and of rows of different lengths.
_CELL = re.compile(r".* at row (\d+), column (\d+)\.?", re.DOTALL)
_RAGGED = re.compile(r"(the number of columns changed from \d+ to \d+) at row (\d+)")


def is_text(data: bytes) -> bool:
    """Tell text from other bytes."""
    return bool(data.strip()) and b"\0" not in data[:4096]


def decode_table(data: bytes, name: str) -> Decoded:
    """Read a CSV table as a trace (T, C) of float32, in the table's own unit.

    Separators are commas, semicolons (numbers may have decimal commas then), tabs or blanks. A first row that
    holds no numbers names the channels; a first column called ``time``, ``t``, ``seconds`` or ``ms`` gives
    the spacing and is no channel.

    Raises
    ------
    UsageError
        If it is no such table, or the times are not evenly spaced; names the sample, the row and the column,
        and quotes nothing of the file.
    """
    with reading(name, "CSV table", "signals"):
        text = _text(data)
        first = text.lstrip().partition("\n")[0].strip()
        separator = next((one for one in _SEPARATORS if one in first), None)
        names = [cell.strip().strip('"') for cell in re.split(separator or r"\s+", first)]
        headed = not all(_is_number(cell) for cell in names)
        check_length(len(names) * text.count("\n"), name)
        body = text.replace(",", ".") if separator == ";" else text
        rows = _rows(body.lstrip(), separator, int(headed))
    check_length(rows.size, name)
    return _split(rows, names if headed else [], name)


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None


def _rows(body: str, separator: str | None, heads: int) -> NDArray[np.float64]:
    """Read the numbers (rows, columns) below so many heads."""
    try:
        return np.loadtxt(io.StringIO(body), np.float64, delimiter=separator, skiprows=heads, ndmin=2)
    except ValueError as error:
        raise ValueError(_reason(str(error), heads)) from None


def _reason(said: str, heads: int) -> str:
    """Say where a table is wrong, without NumPy's words: they quote the cell. The head is row 1."""
    if cell := _CELL.fullmatch(said):
        return f"row {int(cell[1]) + 1 + heads}, column {cell[2]} holds no number"
    if ragged := _RAGGED.match(said):
        return f"{ragged[1]} at row {int(ragged[2]) + heads}"
    return "it is no table of numbers"


def _split(rows: NDArray[np.float64], names: list[str], name: str) -> Decoded:
    """Take the column of times apart."""
    unit = _TIMES.get(names[0].lower()) if names else None
    if unit is None:
        return Decoded(as_sample(rows, name), channels=tuple(names))
    check_length(rows[:, 1:].size, name)
    spacing = () if len(rows) < 2 else (_step(rows[:, 0], name) * unit,)
    return Decoded(as_sample(rows[:, 1:], name), spacing=spacing, channels=tuple(names[1:]))


def _step(times: NDArray[np.float64], name: str) -> float:
    steps = np.diff(times)
    step = float(steps.mean())
    if not (np.isfinite(step) and step > 0 and np.abs(steps - step).max() <= _UNEVEN * step):
        raise UsageError(f"Sample {name!r} has times that are not evenly spaced", "Resample it first")
    return step


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True
