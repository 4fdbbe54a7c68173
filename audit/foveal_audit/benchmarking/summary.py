"""From scored answers to the rows of the table: per tier and per kind, with opponents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from foveal_audit.benchmarking.answers import AUDIT
from foveal_audit.benchmarking.scoring import Score
from foveal_audit.benchmarking.statistics import (
    Scores,
    auroc,
    average_precision,
    brier,
    calibration_error,
    paired_bootstrap,
    wilson,
)


@dataclass(frozen=True)
class Share:
    """So many of so many; ``interval`` is Wilson's at 95 %."""

    hits: int
    all: int

    @property
    def value(self) -> float | None:
        """The share itself."""
        return self.hits / self.all if self.all else None

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval."""
        return wilson(self.hits, self.all)


Figure = float | Share | None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _share(truths: Iterable[bool]) -> Share:
    listed = list(truths)
    return Share(sum(listed), len(listed))


def _auroc(scores: Sequence[Score]) -> Figure:
    return auroc([score.ranking for score in scores])


def macro_auroc(scores: Sequence[Score]) -> float | None:
    """Mean over kinds of artefact of the AUROC against all that is genuine in the same answers."""
    return _mean(auroc(ranking) for ranking in kind_rankings(scores).values())


def kind_rankings(scores: Sequence[Score]) -> dict[str, list[Scores]]:
    """Give per kind of artefact the rankings that hold its artefacts alone as positives."""
    kinds = sorted({factor.kind for score in scores for factor in score.truth.artefacts})
    return {kind: [_only(score, kind) for score in scores] for kind in kinds}


def _only(score: Score, kind: str) -> Scores:
    own = [factor for factor in score.truth.artefacts if factor.kind == kind]
    return [score.best(factor) for factor in own], score.ranking[1]


def _facet_auroc(scores: Sequence[Score]) -> Figure:
    return auroc([score.facet_ranking for score in scores])


def _average_precision(scores: Sequence[Score]) -> Figure:
    return average_precision([score.ranking for score in scores])


def _precision(scores: Sequence[Score]) -> Figure:
    return _mean(score.precision_at_k for score in scores)


def _facet_precision(scores: Sequence[Score]) -> Figure:
    return _mean(score.facet_precision_at_k for score in scores)


def _found(scores: Sequence[Score]) -> Figure:
    pairs = [(len(score.truth.artefacts), len(score.unflagged)) for score in scores]
    return Share(sum(all_ - missed for all_, missed in pairs), sum(all_ for all_, _ in pairs))


def _with_facet(scores: Sequence[Score]) -> Figure:
    pairs = [(len(score.truth.artefacts), len(score.missed)) for score in scores]
    return Share(sum(all_ - missed for all_, missed in pairs), sum(all_ for all_, _ in pairs))


def _false_alarms(scores: Sequence[Score]) -> Figure:
    return _share(bool(score.flagged) for score in scores if score.truth.is_clean)


def _inert_flagged(scores: Sequence[Score]) -> Figure:
    inert = [one for score in scores for one in score.judged or () if one.shown.kind == "inert"]
    return _share(one.facet.is_flagged for one in inert)


def _gap_recall(scores: Sequence[Score]) -> Figure:
    return _share(found for score in scores if score.groups for found in score.groups.found)


def _false_groups(scores: Sequence[Score]) -> Figure:
    return _mean(None if score.groups is None else float(score.groups.false) for score in scores)


def _first_ten(scores: Sequence[Score]) -> Figure:
    return _mean(score.first for score in scores)


def _gap_auroc(scores: Sequence[Score]) -> Figure:
    return _mean(score.separation for score in scores)


def _signs(scores: Sequence[Score]) -> Figure:
    return _share(right for score in scores for right in score.signs)


def _brier(scores: Sequence[Score]) -> Figure:
    pairs = [pair for score in scores for pair in score.chances]
    return brier(*zip(*pairs, strict=True)) if pairs else None


def _calibration(scores: Sequence[Score]) -> Figure:
    pairs = [pair for score in scores for pair in score.chances]
    return calibration_error(*zip(*pairs, strict=True)) if pairs else None


def _abstained(scores: Sequence[Score]) -> Figure:
    relied = [
        one for score in scores for one in score.judged or () if one.shown.kind in ("artefact", "genuine")
    ]
    return _share(one.facet.verdict == "undecidable" for one in relied)


#: What is measured, in the order of the table's columns: for any detector, and where it gives verdicts.
RANKED: Mapping[str, Callable[[Sequence[Score]], Figure]] = {
    "AUROC": _auroc,
    "macro AUROC": macro_auroc,
    "AP": _average_precision,
    "P@k": _precision,
    "facet AUROC": _facet_auroc,
    "facet P@k": _facet_precision,
    "has facet": _with_facet,
}
GAPS: Mapping[str, Callable[[Sequence[Score]], Figure]] = {
    "gap recall": _gap_recall,
    "false groups": _false_groups,
    "gap P@10": _first_ten,
    "gap AUROC": _gap_auroc,
}
DECIDED: Mapping[str, Callable[[Sequence[Score]], Figure]] = {
    "flagged": _found,
    "clean models flagged": _false_alarms,
    "inert flagged": _inert_flagged,
    "sign right": _signs,
    "Brier": _brier,
    "ECE": _calibration,
    "undecided": _abstained,
}


@dataclass(frozen=True)
class Row:
    """One row: what it is about, whose answers, how many models, and the figures."""

    subject: str
    detector: str
    models: int
    figures: dict[str, Figure]


def summarise(scores: Sequence[Score]) -> list[Row]:
    """Make the rows: the audit per tier, the worst first, then all tiers together, then the opponents."""
    own = [score for score in scores if score.detector == AUDIT]
    tiers = [_row(f"tier {tier}", _of(own, tier)) for tier in sorted({score.tier for score in own})]
    tiers.sort(key=lambda row: _rank(row.figures["AUROC"]))
    rows = [*tiers, _row("all", own)]
    for name in sorted({score.detector for score in scores} - {AUDIT}):
        theirs = [score for score in scores if score.detector == name]
        rows.append(_opponent_row(name, theirs))
    return rows


def _of(scores: Sequence[Score], tier: str) -> list[Score]:
    return [score for score in scores if score.tier == tier]


def _rank(value: Figure) -> float:
    """Put tiers in order; one in which nothing could be ranked comes last."""
    return value if isinstance(value, float) else float("inf")


def _row(subject: str, scores: Sequence[Score]) -> Row:
    measures = {**RANKED, **DECIDED, **GAPS}
    return Row(subject, AUDIT, len(scores), {name: measure(scores) for name, measure in measures.items()})


def _opponent_row(name: str, scores: Sequence[Score]) -> Row:
    measures = RANKED if any(score.judged is not None for score in scores) else {}
    if any(score.groups is not None for score in scores):
        measures = {**measures, **GAPS}
    return Row("all", name, len(scores), {key: measure(scores) for key, measure in measures.items()})


def by_kind(scores: Sequence[Score]) -> list[Row]:
    """Make a row per kind of artefact: its ranking, and whether it has a facet and is flagged."""
    own = [score for score in scores if score.detector == AUDIT]
    rows = []
    for kind, rankings in kind_rankings(own).items():
        having = [score for score in own if any(one.kind == kind for one in score.truth.artefacts)]
        figures: dict[str, Figure] = {
            "AUROC": auroc(rankings),
            "has facet": _without(having, kind, "missed"),
            "flagged": _without(having, kind, "unflagged"),
        }
        rows.append(Row(kind, AUDIT, len(having), figures))
    return rows


def _without(scores: Sequence[Score], kind: str, missing: str) -> Share:
    """Count the relied artefacts of a kind that are not in a list of those missing."""
    relied = sum(one.kind == kind for score in scores for one in score.truth.artefacts)
    lost = sum(one.kind == kind for score in scores for one in getattr(score, missing))
    return Share(relied - lost, relied)


def by_gap(scores: Sequence[Score]) -> list[Row]:
    """Make a row per kind of gap: how many were found, and how well the groups fit."""
    found: dict[str, list[tuple[bool, float]]] = {}
    for score in scores:
        if score.detector == AUDIT and score.groups is not None:
            pairs = zip(score.groups.found, score.groups.overlaps, strict=True)
            for kind, pair in zip(score.truth.gap_kinds, pairs, strict=True):
                found.setdefault(kind, []).append(pair)
    return [Row(kind, AUDIT, len(pairs), _gap_figures(pairs)) for kind, pairs in sorted(found.items())]


def _gap_figures(pairs: Sequence[tuple[bool, float]]) -> dict[str, Figure]:
    return {"gap recall": _share(hit for hit, _ in pairs), "overlap": _mean(overlap for _, overlap in pairs)}


def by_harmless(scores: Sequence[Score]) -> list[Row]:
    """Make a row per control and per decoy: models with a false flag, and false gap groups."""
    own = [score for score in scores if score.detector == AUDIT]
    names = sorted({name for score in own for name in _harmless(score)})
    rows = []
    for name in names:
        having = [score for score in own if name in _harmless(score)]
        flagged = _share(bool(score.false_flags) for score in having)
        rows.append(
            Row(name, AUDIT, len(having), {"falsely flagged": flagged, "false groups": _false_groups(having)})
        )
    return rows


def _harmless(score: Score) -> list[str]:
    return [name for name in (score.truth.case["control"], *score.truth.case["decoys"]) if name]


def against(scores: Sequence[Score], seed: int = 0) -> dict[str, tuple[float, float, float, float] | None]:
    """Compare the audit's ranking with that of every opponent, per model, by paired bootstrap."""
    ours = {(score.name, score.tier): score.ranking for score in scores if score.detector == AUDIT}
    found = {}
    for name in sorted({score.detector for score in scores} - {AUDIT}):
        theirs = {(s.name, s.tier): s.ranking for s in scores if s.detector == name and s.judged is not None}
        both = sorted(set(ours) & set(theirs))
        if both:
            pairs = [ours[key] for key in both], [theirs[key] for key in both]
            found[name] = paired_bootstrap(*pairs, seed)
    return found


def plain(figure: Figure) -> Any:  # noqa: ANN401 - whatever JSON takes
    """Write a figure for ``--json``."""
    if not isinstance(figure, Share):
        return figure
    low, high = figure.interval
    return {"hits": figure.hits, "of": figure.all, "share": figure.value, "low": low, "high": high}
