"""The same answers judged with weights that never saw their kinds of artefact: what a new kind has to expect.

Measurements stay as they were; only the weights of the signals are fitted anew, for every case without the
cases that hold one of its kinds, and without the case itself. Verdicts and false discovery rates follow.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from foveal_audit.benchmarking.answers import Facet, read_findings
from foveal_audit.benchmarking.fitting import Row, kinds_of, refitted
from foveal_audit.benchmarking.plans import Plan
from foveal_audit.benchmarking.running import Places
from foveal_audit.benchmarking.scoring import Score, score_answer
from foveal_audit.bundle.identity import six_digits
from foveal_audit.bundle.schema import Findings
from foveal_audit.judgement import verdict
from foveal_audit.judgement.assessing import discovery_rates, measured_of, p_values_of
from foveal_audit.judgement.fusion import Fusion
from foveal_audit.limits import NOTHING_LEARNED


@dataclass
class Unseen:
    """Models fitted without kinds and cases, each fitted once.

    Attributes
    ----------
    rows
        What the shipped model was fitted on.
    share
        Of artefacts that it supposes, see :data:`foveal_audit.benchmarking.fitting.SHARES`.
    """

    rows: Sequence[Row]
    share: float | None = None
    _fitted: dict[frozenset[str], Fusion] = field(default_factory=dict)

    def without(self, kinds: frozenset[str], case: str) -> Fusion:
        """Fit on the cases that hold none of the kinds and are not the case (its name in any folder)."""
        left = frozenset(
            name
            for name, own in kinds_of(self.rows).items()
            if not own & kinds and name.rpartition("/")[2] != case
        )
        if left not in self._fitted:
            self._fitted[left] = refitted([row for row in self.rows if row.case in left], self.share)
        return self._fitted[left]


def judge_unseen(plan: Plan, out: Path, scores: Sequence[Score], rows: Sequence[Row]) -> list[Score]:
    """Judge the audit's answers of a plan that was run anew.

    Parameters
    ----------
    plan, out
        As they were run.
    scores
        What :func:`foveal_audit.benchmarking.running.run_plan` gave.
    rows
        What the shipped model was fitted on, as of :func:`foveal_audit.benchmarking.fitting.shipped_rows`.

    Returns
    -------
    The scores, those of the audit by models that saw neither the kinds of artefact that a case holds nor the
    case; opponents and refusals stay.
    """
    places, unseen = Places(out.absolute()), Unseen(rows)
    bundles = {
        (trial.case.name, tier): (trial.folder, places.answers(trial, tier) / "bundle")
        for trial in plan.trials
        for tier in trial.tiers
    }
    return [
        _anew(score, *bundles[score.name, score.tier], unseen) if _has_verdicts(score) else score
        for score in scores
    ]


def _has_verdicts(score: Score) -> bool:
    return not score.refused and any(one.facet.verdict for one in score.judged or ())


def _anew(score: Score, case: str, bundle: Path, unseen: Unseen) -> Score:
    kinds = frozenset(factor.kind for factor in score.truth.artefacts)
    found = Findings.model_validate_json((bundle / "findings.json").read_bytes())
    answer = read_findings(bundle)
    facets = tuple(decided(found, answer.facets or (), unseen.without(kinds, case)))
    return score_answer(replace(answer, facets=facets), score.truth, score.name, score.tier)


def decided(found: Findings, facets: Sequence[Facet], fusion: Fusion) -> Iterator[Facet]:
    """Give each facet the score and the verdict that its recorded measurements lead to with other weights."""
    values = [
        p_values_of(one.effects.paste.p if one.effects.paste else None, one.signals, fusion)
        for one in found.assessments
    ]
    rates = discovery_rates(values)
    if NOTHING_LEARNED in found.not_examined:
        rates = [None if rate is None else 1.0 for rate in rates]
    for one, facet, rate in zip(found.assessments, facets, rates, strict=True):
        measured = replace(measured_of(one, fusion), q=rate)
        score = six_digits(verdict.artefact_score(measured))
        yield replace(facet, score=score, verdict=verdict.decide(measured))
