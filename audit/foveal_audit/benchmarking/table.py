"""The benchmark's result for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from foveal_audit.benchmarking.answers import AUDIT
from foveal_audit.benchmarking.scoring import Score, misses
from foveal_audit.benchmarking.summary import (
    Figure,
    Row,
    Share,
    against,
    by_gap,
    by_harmless,
    by_kind,
    summarise,
)

#: Figures whose interval is shown: few cases stand behind them.
_WITH_INTERVAL = ("clean models flagged",)


def in_words(name: str, figure: Figure) -> str:
    """Write a figure."""
    if figure is None:
        return "-"
    if not isinstance(figure, Share):
        return f"{figure:.2f}"
    low, high = figure.interval
    return f"{figure.hits}/{figure.all}" + (f" ({low:.0%}-{high:.0%})" if name in _WITH_INTERVAL else "")


def show(scores: Sequence[Score], console: Console) -> None:
    """Print the table, worst tier first, then the kinds, the opponents and the cases that miss."""
    rows = summarise(scores)
    own = [row for row in rows if row.detector == AUDIT]
    _print_turned(console, "The audit, worst tier first", own)
    _print_rows(console, "Kinds of artefact (all tiers)", by_kind(scores))
    _print_rows(console, "Kinds of gap (all tiers)", by_gap(scores))
    _print_rows(console, "Controls and decoys (all tiers)", by_harmless(scores))
    _print_rows(console, "Opponents (all tiers)", [row for row in rows if row.detector != AUDIT])
    _print_against(console, against(scores))
    _print_misses(console, scores)


def _print_turned(console: Console, title: str, rows: Sequence[Row]) -> None:
    """Print rows as columns: there are many figures and few tiers."""
    table = Table(title=title)
    for heading in ("", *(f"{row.subject} ({row.models})" for row in rows)):
        table.add_column(heading)
    for name in rows[0].figures if rows else ():
        table.add_row(name, *(in_words(name, row.figures[name]) for row in rows))
    console.print(table)


def _print_rows(console: Console, title: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    names = list(dict.fromkeys(name for row in rows for name in row.figures))
    table = Table(title=title)
    for heading in ("", "models", *names):
        table.add_column(heading)
    for row in rows:
        subject = row.subject if row.detector == AUDIT else row.detector
        figures = (in_words(name, row.figures.get(name)) for name in names)
        table.add_row(subject, str(row.models), *figures)
    console.print(table)


def _print_against(console: Console, found: Mapping[str, tuple[float, float, float, float] | None]) -> None:
    for name, compared in found.items():
        if compared is None:
            continue
        difference, low, high, p = compared
        console.print(
            f"AUROC above {name}: {difference:+.2f} ({low:+.2f} to {high:+.2f}), p = {p:.3f}", highlight=False
        )


def _print_misses(console: Console, scores: Sequence[Score]) -> None:
    own = [score for score in scores if score.detector == AUDIT]
    wrong = [(score, misses(score)) for score in own]
    console.print(
        f"\nCases that miss: {sum(bool(lines) for _, lines in wrong)} of {len(own)}", highlight=False
    )
    for score, lines in wrong:
        for line in lines:
            console.print(
                f"  {score.name} ({score.tier}): {line}", highlight=False, markup=False, soft_wrap=True
            )
