"""A comparison on disk: compare.json, compare.csv and compare.html."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from foveal.errors import EnvironmentFault
from foveal_audit.comparing.intervals import Estimate
from foveal_audit.comparing.results import EXPLAINED, Result
from foveal_audit.report.page import content_security_policy

_HERE = Path(__file__).parent
_HEADER = ("method", "layer", "sanity", "measure", "mean", "low", "high", "samples", "refused")


def write_comparison(folder: Path, record: Mapping[str, Any], results: Sequence[Result]) -> dict[str, Path]:
    """Write the three files.

    Parameters
    ----------
    folder
        Where; made if it is not there.
    record
        See :func:`~foveal_audit.comparing.results.as_record`.
    results
        One per method and layer, in the order of reports.

    Returns
    -------
    dict
        The files by kind.

    Raises
    ------
    EnvironmentFault
        If the folder cannot be written.
    """
    contents = {
        "json": json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "csv": as_csv(results),
        "html": as_html(record, results),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, text in contents.items():
            (folder / f"compare.{kind}").write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(
            f"Folder '{folder}' cannot be written: {error.strerror}", "Choose another with -o"
        ) from error
    return {kind: folder / f"compare.{kind}" for kind in contents}


def as_csv(results: Sequence[Result]) -> str:
    """Write a row per method, layer and measure; a method that was refused has one row with the reason."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(_HEADER)
    for one in results:
        known = (one.method, one.layer, one.sanity)
        if one.refused:
            table.writerow((*known, "", "", "", "", 0, one.refused))
        for name, found in one.measures.items():
            figures = (f"{value:.6f}" for value in (found.mean, found.low, found.high))
            table.writerow((*known, name, *figures, found.count, ""))
    return out.getvalue()


def as_html(record: Mapping[str, Any], results: Sequence[Result]) -> str:
    """Draw one page without scripts or outside files: a dot and its interval per method, layer, measure."""
    style = (_HERE / "templates" / "compare.css").read_text(encoding="utf-8")
    templates = Environment(
        loader=FileSystemLoader(_HERE / "templates"), autoescape=True, undefined=StrictUndefined
    )
    shown = [name for name in EXPLAINED if any(name in one.measures for one in results)]
    return templates.get_template("compare.html.j2").render(
        record=record,
        results=results,
        shown=shown,
        explained=EXPLAINED,
        style=style,
        policy=content_security_policy(style),
        place=_place,
    )


def _place(value: float) -> float:
    """Where a value of 0 to 1 lies on an axis of 100."""
    return round(100 * min(1.0, max(0.0, value)), 1)


def in_words(found: Estimate) -> str:
    """Write an estimate as ``.97 (.94-1.00)``."""
    mean, low, high = (f"{value:.2f}".removeprefix("0") for value in (found.mean, found.low, found.high))
    return f"{mean} ({low}-{high})"
