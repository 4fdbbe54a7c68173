"""Hold one answer against the truth of its case. Reads files alone: the audit is not asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from foveal_audit.benchmarking.answers import Answer, Facet, read_audit, read_opponent
from foveal_audit.benchmarking.matching import Matched, Shown, match_groups, what_shows
from foveal_audit.benchmarking.statistics import Scores
from foveal_audit.benchmarking.truths import Factor, Truth, read_planted
from foveal_audit.planting.masks import TRUTH

#: An effect smaller than this, in standard deviations of the logit, has no sign to speak of; nor has one that
#: was measured smaller than that, in probability: where the network is sure, nothing moves.
_CLEAR, _SEEN = 0.5, 0.01
_FIRST = 10
#: Tiers in which a mirrored pair cannot be told apart: the right chance is one half.
_BLIND = ("A", "B")


@dataclass(frozen=True)
class Judged:
    """A facet with what it shows."""

    facet: Facet
    shown: Shown


@dataclass(frozen=True)
class Score:
    """One answer about one case, scored.

    Attributes
    ----------
    name, tier, detector
        The case, what information came with it, and who answered.
    judged
        The facets; None where the detector makes none.
    missed
        The relied artefacts that no facet shows.
    unflagged
        Those that none of their facets is flagged for.
    groups
        Pairing of gap groups; None where the detector looks for no gaps.
    first
        Part of the ten least covered production samples that belong to a gap; None without gaps.
    separation
        AUROC of the coverage, members of gaps against the rest; None without gaps.
    refused
        Why there is no answer, or "".
    """

    name: str
    tier: str
    detector: str
    truth: Truth
    judged: tuple[Judged, ...] | None
    missed: tuple[Factor, ...]
    unflagged: tuple[Factor, ...]
    groups: Matched | None
    first: float | None
    separation: float | None
    refused: str = ""

    @property
    def ranking(self) -> Scores:
        """Scores of the relied artefacts and of what is genuine and relied on, each by its best facet.

        Both sides take their best, so that neither gains by being split into many facets. An artefact that no
        facet shows has the lowest score there is; what is genuine and has no facet cannot be mistaken.
        """
        return [self.best(factor) for factor in self.truth.artefacts], list(self._genuine.values())

    @property
    def facet_ranking(self) -> Scores:
        """Scores of the facets of relied artefacts and of relied genuine ones; see :meth:`positives`."""
        positives = [score for factor in self.truth.artefacts for score in self.positives(factor)]
        return positives, [one.facet.score for one in self.judged or () if one.shown.kind == "genuine"]

    def best(self, factor: Factor) -> float:
        """Give the score by which an artefact comes to somebody's eyes: that of its best facet."""
        own = [one.facet.score for one in self.judged or () if one.shown.factor == factor]
        return max(own, default=self._lowest)

    def positives(self, factor: Factor) -> list[float]:
        """Give the scores of an artefact's facets, else of its best mixed one, else the lowest there is."""
        own = [one for one in self.judged or () if one.shown.factor == factor]
        pure = [one.facet.score for one in own if one.shown.kind == "artefact"]
        mixed = [one.facet.score for one in own if one.shown.kind == "mixed"]
        return pure or [max(mixed, default=self._lowest)]

    @property
    def _lowest(self) -> float:
        return min([0.0, *(one.facet.score for one in self.judged or ())])

    @property
    def _genuine(self) -> dict[str, float]:
        """The best score of every genuine part of the task that is relied on and has a facet."""
        best: dict[str, float] = {}
        for one in self.judged or ():
            if one.shown.kind == "genuine" and one.shown.factor is not None:
                name = one.shown.factor.name
                best[name] = max(one.facet.score, best.get(name, one.facet.score))
        return best

    @property
    def precision_at_k(self) -> float | None:
        """Part of the k things that rank first which are relied artefacts, k being the number of those.

        A thing is a planted mark or a part of the task, by its best facet, or a facet that shows neither.
        """
        k = len(self.truth.artefacts)
        things = [(self.best(factor), True) for factor in self.truth.artefacts if factor not in self.missed]
        things += [(score, False) for score in self._others]
        first = sorted(things, key=lambda thing: (-thing[0], thing[1]))[:k]  # an artefact after its equals
        return sum(hit for _, hit in first) / k if k and self.judged is not None else None

    @property
    def _others(self) -> list[float]:
        """Scores of what a person would look at in vain: each thing by its best facet."""
        best: dict[object, float] = {}
        for number, one in enumerate(self.judged or ()):
            if one.shown.kind not in ("artefact", "mixed"):
                thing = one.shown.factor.name if one.shown.factor else number
                best[thing] = max(one.facet.score, best.get(thing, one.facet.score))
        return list(best.values())

    @property
    def facet_precision_at_k(self) -> float | None:
        """Part of the k facets that rank first which are relied artefacts, k being the number of those."""
        pure = [one for one in self.judged or () if one.shown.kind != "mixed"]
        own = sorted(pure, key=lambda one: -one.facet.score)
        k = sum(one.shown.kind == "artefact" for one in own) + len(self.missed)
        return sum(one.shown.kind == "artefact" for one in own[:k]) / k if k else None

    @property
    def flagged(self) -> list[Judged]:
        """The facets that a person is told about."""
        return [one for one in self.judged or () if one.facet.is_flagged]

    @property
    def false_flags(self) -> list[Judged]:
        """The flagged facets that show no relied artefact."""
        return [one for one in self.flagged if one.shown.kind not in ("artefact", "mixed")]

    @property
    def chances(self) -> list[tuple[float, float]]:
        """Stated chance of being a relied artefact and the truth, of every facet whose truth is known."""
        blind = self.truth.case["control"] == "mirrored" and self.tier in _BLIND
        known = [one for one in self.judged or () if one.shown.kind not in ("other", "mixed")]
        return [
            (one.facet.score, 0.5 if blind and _is_mark(one.shown) else float(one.shown.kind == "artefact"))
            for one in known
        ]

    @property
    def signs(self) -> list[bool]:
        """Of every causal effect that is sure and has a sign to speak of: whether its sign is right."""
        return [right for one in self.judged or () for right in _signs(one, self.truth.outcomes)]


def _is_mark(shown: Shown) -> bool:
    return shown.factor is not None and shown.factor.role != "core"


def _signs(judged: Judged, outcomes: Sequence[str]) -> list[bool]:
    factor, facet = judged.shown.factor, judged.facet
    if factor is None or not factor.relied or not judged.shown.alone or facet.outcome not in outcomes:
        return []
    true = factor.effects[outcomes.index(facet.outcome)]
    if abs(true) < _CLEAR:
        return []
    return [
        (estimate > 0) == (true > 0) for estimate, low, high in facet.effects if _is_sure(estimate, low, high)
    ]


def _is_sure(estimate: float, low: float, high: float) -> bool:
    return (low > 0 or high < 0) and abs(estimate) >= _SEEN


def score_answer(answer: Answer, truth: Truth, name: str, tier: str) -> Score:
    """Score one answer."""
    judged = None
    if answer.facets is not None:
        judged = tuple(Judged(facet, what_shows(facet, truth)) for facet in answer.facets)
    relied = truth.artefacts if judged is not None else []
    shown = {one.shown.factor.name for one in judged or () if one.shown.factor}
    told = {one.shown.factor.name for one in judged or () if one.shown.factor and one.facet.is_flagged}
    gaps = [truth.gap_members(number) for number in range(len(truth.gap_kinds))]
    looks = answer.coverage is not None or bool(answer.groups)
    return Score(
        name,
        tier,
        answer.name,
        truth,
        judged,
        tuple(factor for factor in relied if factor.name not in shown),
        tuple(factor for factor in relied if factor.name not in told),
        match_groups(answer.groups, gaps) if looks else None,
        *_coverage(answer, frozenset().union(*gaps)),
        answer.refused,
    )


def _coverage(answer: Answer, members: frozenset[str]) -> tuple[float | None, float | None]:
    """Give precision among the ten least covered samples and the AUROC of the coverage."""
    if not members or answer.coverage is None:
        return None, None
    names = sorted(answer.coverage, key=lambda name: (answer.coverage[name], name))  # type: ignore[index]
    inside = np.array([name in members for name in names])
    if not 0 < inside.sum() < len(inside):
        return None, None
    unlike = [-answer.coverage[name] for name in names]
    return float(inside[:_FIRST].mean()), float(roc_auc_score(inside, unlike))


def score_trial(truth: Path, answers: Path, name: str, tier: str) -> list[Score]:
    """Score the audit and every opponent of one trial.

    Parameters
    ----------
    truth
        Folder with ``truth.json``.
    answers
        Folder with the audit's findings.json and coverage.csv, and the opponents' answers beside them.
    """
    planted = read_planted(truth / TRUTH)
    found = [read_audit(answers)]
    found += [read_opponent(path) for path in sorted((answers / "opponents").glob("*.json"))]
    return [score_answer(one, planted, name, tier) for one in found]


def misses(score: Score) -> list[str]:
    """Say in words what one answer got wrong."""
    lines = [f"no answer: {score.refused}"] if score.refused else []
    lines += [f"relied {one.kind} has no facet" for one in score.missed]
    missed = {one.name for one in score.missed}
    for factor in score.unflagged:
        if factor.name not in missed:
            lines.append(f"relied {factor.kind} not flagged: {_verdicts(score, factor)}")
    lines += [f"flagged {one.facet.feature}, which shows {_words(one.shown)}" for one in score.false_flags]
    return lines + _gap_misses(score)


def _verdicts(score: Score, factor: Factor) -> str:
    own = [one.facet for one in score.judged or () if one.shown.factor == factor]
    return ", ".join(f"{one.feature} {one.verdict} {one.score:.2f}" for one in own)


def _words(shown: Shown) -> str:
    if shown.factor is None:
        return "nothing planted"
    name = shown.factor.name if shown.factor.role == "core" else shown.factor.kind
    return f"{shown.kind} {name}"


def _gap_misses(score: Score) -> list[str]:
    if score.groups is None:
        return []
    pairs = zip(score.truth.gap_kinds, score.groups.overlaps, score.groups.found, strict=True)
    lines = [
        f"gap {kind} not found (best overlap {overlap:.2f})" for kind, overlap, found in pairs if not found
    ]
    if score.groups.false:
        lines.append(f"{score.groups.false} gap groups where there is none")
    return lines


def as_record(score: Score) -> dict[str, Any]:
    """Write one scored answer for ``--json``."""
    return {
        "case": score.name,
        "tier": score.tier,
        "detector": score.detector,
        "planted": _planted(score.truth),
        "accuracy": score.truth.accuracy,
        "clean": score.truth.is_clean,
        "facets": [
            {
                "feature": one.facet.feature,
                "entries": len(one.facet.entries),
                "score": one.facet.score,
                "verdict": one.facet.verdict,
                "shows": one.shown.kind,
                "factor": one.shown.factor.name if one.shown.factor else None,
            }
            for one in score.judged or ()
        ],
        "gap_overlaps": None
        if score.groups is None
        else dict(zip(score.truth.gap_kinds, score.groups.overlaps, strict=True)),
        "false_groups": None if score.groups is None else score.groups.false,
        "misses": misses(score),
    }


def _planted(truth: Truth) -> list[dict[str, Any]]:
    return [
        {"factor": one.name, "kind": one.kind, "role": one.role, "relied": one.relied}
        for one in truth.factors
    ]
