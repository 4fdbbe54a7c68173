"""Fit the model that turns signals into irrelevance, and say how well it does on kinds that were left out.

    foveal bench --seed 1 --out D1; foveal bench --seed 2 --out D2; ...
    python tests/benchmarks/fit_fusion.py D1 D2 ... [--write]

Every folder holds answers of the audit with their truth. Facets of artefacts that the network relies on are
held against genuine facets that it relies on: a logistic regression whose weights may not change their sign,
with a ridge. Cases that hold a kind of artefact, or else the case itself, are left out in turn: what is told,
and the spread of genuine facets that p-values come from, is of facets that the model did not see. Held-out
seeds must not be among the folders.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import foveal_audit.judgement
from foveal_audit.benchmarking.answers import read_findings
from foveal_audit.benchmarking.matching import what_shows
from foveal_audit.benchmarking.plans import HELD_OUT
from foveal_audit.benchmarking.truths import read_planted
from foveal_audit.judgement.fusion import Fusion, Term
from foveal_audit.judgement.signals.registry import KINDS

#: Names of signals and in which direction each may count.
SIGNS = {name: kind.direction for name, kind in KINDS.items()}
#: Pull towards no weight; stronger for how a crop is drawn, which says most about the benchmark's own marks
#: and must not flag anything alone.
RIDGE, DRAWN = 100.0, 400.0
_FOLDS, _LEAST = 5, 30
_FILE = Path(foveal_audit.judgement.__path__[0]) / "fusion.json"


@dataclass(frozen=True)
class Row:
    """A facet that shows something the network relies on."""

    case: str
    kind: str
    is_artefact: bool
    signals: dict[str, float]


def rows_of(folder: Path) -> Iterator[Row]:
    """Read the facets of all answers in a folder of the benchmark."""
    for bundle in sorted(folder.glob("answers/*/*/bundle")):
        case = bundle.parent.parent.name
        truth = read_planted(folder / "truth" / case / "truth.json")
        if truth.case["seed"] >= HELD_OUT * 1000:
            raise SystemExit(f"{folder} holds seeds that nothing may be tuned on")
        content = json.loads((bundle / "findings.json").read_text())
        for facet, record in zip(read_findings(bundle).facets or (), content["assessments"], strict=True):
            shown = what_shows(facet, truth)
            if shown.kind in ("artefact", "genuine") and shown.factor is not None:
                signals = {name: one["value"] for name, one in record["signals"].items()}
                yield Row(f"{folder.name}/{case}", shown.factor.kind, shown.kind == "artefact", signals)


def table_of(rows: list[Row]) -> NDArray[np.float64]:
    """Give every signal of every facet, nan where it was not measured; of several columns the strongest."""
    table = np.full((len(rows), len(SIGNS)), np.nan)
    for number, row in enumerate(rows):
        for name, value in row.signals.items():
            kind = name.partition(":")[0]
            if kind in SIGNS:
                place = list(SIGNS).index(kind)
                table[number, place] = np.fmax(table[number, place], SIGNS[kind] * value)
    return table


def fit(table: NDArray[np.float64], rows: list[Row]) -> Fusion:
    """Fit a model; signals that hardly any facet has are left out."""
    names = np.flatnonzero(np.isfinite(table).sum(axis=0) >= _LEAST)
    known = table[:, names]
    centre, scale = np.nanmedian(known, axis=0), np.nanstd(known, axis=0)
    names, known = names[scale > 0], known[:, scale > 0]
    centre, scale = centre[scale > 0], scale[scale > 0]
    points = np.nan_to_num(np.clip((known - centre) / scale, -3, 3))
    truth = np.array([row.is_artefact for row in rows])
    weights = _weights(truth, rows)
    found = minimize(
        _loss,
        np.zeros(len(names) + 1),
        (points, np.where(truth, 1.0, -1.0), weights, _ridge(names)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None)] + [(0, None)] * len(names),
    ).x
    signs = list(SIGNS.items())
    terms = [
        Term(
            signs[name][0],
            signs[name][1],
            round(signs[name][1] * float(c), 6),
            round(float(s), 6),
            round(w, 6),
        )
        for name, c, s, w in zip(names, centre, scale, found[1:].tolist(), strict=True)
        if round(w, 6) > 0
    ]
    return Fusion(round(float(found[0]), 6), tuple(terms), 0.0, 1.0)


def _ridge(names: NDArray[np.int64]) -> NDArray[np.float64]:
    signs = list(SIGNS)
    return np.array([DRAWN if signs[name].startswith("drawn_") else RIDGE for name in names])


def _weights(truth: NDArray[np.bool_], rows: list[Row]) -> NDArray[np.float64]:
    """Let artefacts and genuine facets count alike, and a case with many facets little more than another."""
    cases = np.array([row.case for row in rows])
    weights = np.ones(len(rows))
    for side in (truth, ~truth):
        _, place, counts = np.unique(cases[side], return_inverse=True, return_counts=True)
        own = 1 / np.sqrt(counts[place])
        weights[side] = own / own.sum() / 2
    return weights * 200


def _loss(
    at: NDArray[np.float64],
    points: NDArray[np.float64],
    sign: NDArray[np.float64],
    weights: NDArray[np.float64],
    ridge: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    margin = sign * (at[0] + points @ at[1:])
    slope = -weights * sign / (1 + np.exp(margin))
    loss = (weights * np.logaddexp(0, -margin)).sum() + (ridge * at[1:] ** 2).sum() / 2
    return float(loss), np.concatenate([[slope.sum()], points.T @ slope + ridge * at[1:]])


def left_out(table: NDArray[np.float64], rows: list[Row]) -> NDArray[np.float64]:
    """Score every facet with a model that saw no case with its case's kinds of artefact, nor its case."""
    cases = sorted({row.case for row in rows})
    kinds = {
        case: frozenset(row.kind for row in rows if row.case == case and row.is_artefact) for case in cases
    }
    clean = [case for case in cases if not kinds[case]]
    folds = [(one, {case for case in cases if kinds[case] & one}) for one in set(kinds.values()) if one]
    folds += [(frozenset(), set(clean[number::_FOLDS])) for number in range(_FOLDS)]
    scores = np.full(len(rows), np.nan)
    for own, unseen in folds:
        seen = np.array([row.case not in unseen for row in rows])
        model = fit(table[seen], [row for row in rows if row.case not in unseen])
        for number, row in enumerate(rows):
            if kinds[row.case] == own and row.case in unseen:
                scores[number] = model.log_odds(row.signals)
    return scores


def calibrated(model: Fusion, scores: NDArray[np.float64], rows: list[Row]) -> Fusion:
    """Stretch a model so that its log-odds are those of facets that it did not see (Platt 1999)."""
    truth = np.array([row.is_artefact for row in rows])
    line = LogisticRegression(C=1e6).fit(scores[:, None], truth)
    slope, offset = float(line.coef_[0, 0]), float(line.intercept_[0])
    terms = tuple(replace(term, weight=round(slope * term.weight, 6)) for term in model.terms)
    genuine = offset + slope * scores[~truth]
    return Fusion(
        round(offset + slope * model.intercept, 6),
        terms,
        round(float(genuine.mean()), 6),
        round(float(genuine.std()), 6),
    )


def table(rows: list[Row], scores: NDArray[np.float64]) -> str:
    """Say the AUROC of each kind that was left out, against all genuine facets."""
    truth = np.array([row.is_artefact for row in rows])
    found, lines = {}, []
    for kind in sorted({row.kind for row in rows if row.is_artefact}):
        own = np.array([row.kind == kind for row in rows]) & truth
        both = own | ~truth
        found[kind] = roc_auc_score(truth[both], scores[both])
        lines.append(f"{kind:12}{own.sum():5} facets  AUROC {found[kind]:.3f}")
    macro, overall = np.mean(list(found.values())), roc_auc_score(truth, scores)
    cases = len({row.case for row in rows})
    return "\n".join([*lines, f"macro {macro:.3f}, all {overall:.3f}, {len(rows)} facets of {cases} cases"])


def main() -> None:
    """Fit, tell, and write where asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true", help="put the model into the package")
    asked = parser.parse_args()
    rows = [row for folder in asked.folders for row in rows_of(folder)]
    known = table_of(rows)
    scores = left_out(known, rows)
    model = calibrated(fit(known, rows), scores, rows)
    weights = (f"{term.signal:24}{term.weight:6.2f}" for term in model.terms)
    print("\n".join([table(rows, scores), "", *weights]))  # noqa: T201 - a table is what this is for
    if asked.write:
        _FILE.write_text(json.dumps(model.record(), indent=1) + "\n")


if __name__ == "__main__":
    main()
