"""The verdict in one line: what the report, the run's note and the command line all say first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

Verdict = Literal["confirmed", "suspected", "genuine", "not_relied_on", "undecidable"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


def count_verdicts(verdicts: Iterable[Verdict]) -> dict[Verdict, int]:
    """Count every verdict, those that nobody got too."""
    given = list(verdicts)
    return {verdict: given.count(verdict) for verdict in VERDICTS}


def headline(verdicts: Mapping[Verdict, int], gaps: int) -> str:
    """Say the result in one line.

    Examples
    --------
    >>> headline({"confirmed": 0, "suspected": 1}, 1)
    '1 artefact suspected, 1 training-set gap'
    >>> headline({"confirmed": 2, "suspected": 1}, 0)
    '2 artefacts confirmed, 1 suspected, no training-set gap found'
    """
    return f"{_artefacts(verdicts.get('confirmed', 0), verdicts.get('suspected', 0))}, {_gaps(gaps)}"


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """Write a count with its noun: ``1 gap``, ``2 gaps``, ``3 entries``."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def _artefacts(confirmed: int, suspected: int) -> str:
    if confirmed:
        more = f", {suspected} suspected" if suspected else ""
        return f"{plural(confirmed, 'artefact')} confirmed{more}"
    return f"{plural(suspected, 'artefact')} suspected" if suspected else "No artefact suspected"


def _gaps(gaps: int) -> str:
    return plural(gaps, "training-set gap") if gaps else "no training-set gap found"
