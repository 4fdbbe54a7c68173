"""Fit the model that turns signals into irrelevance on facets whose truth is known.

A logistic regression whose weights may not change their sign, with a ridge. How sure it is of a facet is
calibrated on what it tells where it saw neither the facet's kind of artefact nor its case.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from foveal.errors import UsageError
from foveal_audit.benchmarking.answers import read_findings
from foveal_audit.benchmarking.matching import what_shows
from foveal_audit.benchmarking.plans import HELD_OUT
from foveal_audit.benchmarking.truths import read_planted
from foveal_audit.judgement.fusion import Fusion, Term
from foveal_audit.judgement.irrelevance import is_property
from foveal_audit.judgement.signals.registry import KINDS

#: Names of signals and in which direction each may count.
SIGNS = {name: kind.direction for name, kind in KINDS.items()}
#: Pull towards no weight; stronger for how a crop is drawn, which says most about the benchmark's own marks
#: and must not flag anything alone.
RIDGE, DRAWN = 100.0, 400.0
_FOLDS, _LEAST = 5, 30
#: The facets that the shipped models were fitted on, by the number of axes of the samples.
SHIPPED: Mapping[int, str] = {
    1: "fitted_traces.parquet",
    2: "fitted.parquet",
    3: "fitted_volumes.parquet",
}
#: Share of artefacts among facets that are relied on, as a model supposes it; None: that of its rows. Rows of
#: traces and volumes say how they were planned: their models suppose what those of pictures have.
SHARES: Mapping[int, float | None] = {1: 0.3, 2: None, 3: 0.3}

Table = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """A facet that shows something the network relies on.

    Attributes
    ----------
    case
        Folder of the benchmark and name of the case, ``smoke0/hair-6``.
    kind
        Of what it shows.
    signals
        Recorded name to value.
    """

    case: str
    kind: str
    is_artefact: bool
    signals: dict[str, float]


def rows_of(folder: Path) -> Iterator[Row]:
    """Read the facets of all answers in a folder of the benchmark; a property of whole pictures is none.

    Raises
    ------
    UsageError
        If the folder holds seeds that nothing may be tuned on.
    """
    for bundle in sorted(folder.glob("answers/*/*/bundle")):
        case = bundle.parent.parent.name
        truth = read_planted(folder / "truth" / case / "truth.json")
        if truth.case["seed"] >= HELD_OUT * 1000:
            raise UsageError(f"{folder} holds seeds that nothing may be tuned on", "Leave --held-out out")
        content = json.loads((bundle / "findings.json").read_text())
        for facet, record in zip(read_findings(bundle).facets or (), content["assessments"], strict=True):
            shown = what_shows(facet, truth)
            signals = {name: float(one["value"]) for name, one in record["signals"].items()}
            if shown.kind in ("artefact", "genuine") and shown.factor and not is_property(signals):
                yield Row(f"{folder.name}/{case}", shown.factor.kind, shown.kind == "artefact", signals)


def write_rows(rows: Sequence[Row], path: Path) -> None:
    """Keep rows with the signals that can count, those that were not measured as null."""
    names = sorted({name for row in rows for name in row.signals if name.partition(":")[0] in SIGNS})
    table = pa.table(
        {
            "case": [row.case for row in rows],
            "kind": [row.kind for row in rows],
            "is_artefact": [row.is_artefact for row in rows],
            **{name: pa.array([row.signals.get(name) for row in rows], pa.float64()) for name in names},
        }
    )
    pq.write_table(table, path, compression="zstd", compression_level=19, store_schema=False)


def read_rows(path: Path) -> list[Row]:
    """Read what :func:`write_rows` kept."""
    return [
        Row(
            record.pop("case"),
            record.pop("kind"),
            record.pop("is_artefact"),
            {name: value for name, value in record.items() if value is not None},
        )
        for record in pq.read_table(path).to_pylist()
    ]


def shipped_rows(axes: int = 2) -> list[Row]:
    """Give the facets that the shipped model of samples of so many axes was fitted on."""
    with as_file(files("foveal_audit.benchmarking") / SHIPPED[axes]) as path:
        return read_rows(path)


def table_of(rows: Sequence[Row]) -> Table:
    """Give every signal of every facet, nan where it was not measured; of several columns the strongest."""
    table = np.full((len(rows), len(SIGNS)), np.nan)
    for number, row in enumerate(rows):
        for name, value in row.signals.items():
            kind = name.partition(":")[0]
            if kind in SIGNS:
                place = list(SIGNS).index(kind)
                table[number, place] = np.fmax(table[number, place], SIGNS[kind] * value)
    return table


def fit(table: Table, rows: Sequence[Row]) -> Fusion:
    """Fit a model; signals that hardly any facet has are left out."""
    names = np.flatnonzero(np.isfinite(table).sum(axis=0) >= _LEAST)
    known = table[:, names]
    centre, scale = np.nanmedian(known, axis=0), np.nanstd(known, axis=0)
    names, known = names[scale > 0], known[:, scale > 0]
    centre, scale = centre[scale > 0], scale[scale > 0]
    points = np.nan_to_num(np.clip((known - centre) / scale, -3, 3))
    truth = np.array([row.is_artefact for row in rows])
    found = minimize(
        _loss,
        np.zeros(len(names) + 1),
        (points, np.where(truth, 1.0, -1.0), _weights(truth, rows), _ridge(names)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None)] + [(0, None)] * len(names),
    ).x
    return Fusion(round(float(found[0]), 6), tuple(_terms(names, centre, scale, found[1:])), 0.0, 1.0)


def _terms(names: NDArray[np.int64], centre: Table, scale: Table, weights: Table) -> Iterator[Term]:
    """Give the terms that count, rounded as they are written."""
    signs = list(SIGNS.items())
    for place, middle, width, weight in zip(names, centre, scale, weights.tolist(), strict=True):
        name, sign = signs[place]
        if round(weight, 6) > 0:
            yield Term(name, sign, round(sign * float(middle), 6), round(float(width), 6), round(weight, 6))


def _ridge(names: NDArray[np.int64]) -> Table:
    signs = list(SIGNS)
    return np.array([DRAWN if signs[name].startswith("drawn_") else RIDGE for name in names])


def _weights(truth: NDArray[np.bool_], rows: Sequence[Row]) -> Table:
    """Let artefacts and genuine facets count alike, and a case with many facets little more than another."""
    cases = np.array([row.case for row in rows])
    weights = np.ones(len(rows))
    for side in (truth, ~truth):
        _, place, counts = np.unique(cases[side], return_inverse=True, return_counts=True)
        own = 1 / np.sqrt(counts[place])
        weights[side] = own / own.sum() / 2
    return np.asarray(weights * 200)


def _loss(at: Table, points: Table, sign: Table, weights: Table, ridge: Table) -> tuple[float, Table]:
    margin = sign * (at[0] + points @ at[1:])
    slope = -weights * sign / (1 + np.exp(margin))
    loss = (weights * np.logaddexp(0, -margin)).sum() + (ridge * at[1:] ** 2).sum() / 2
    return float(loss), np.concatenate([[slope.sum()], points.T @ slope + ridge * at[1:]])


def kinds_of(rows: Iterable[Row]) -> dict[str, frozenset[str]]:
    """Give per case the kinds of artefact that its facets show."""
    found: dict[str, frozenset[str]] = {}
    for row in rows:
        found[row.case] = found.get(row.case, frozenset()) | ({row.kind} if row.is_artefact else set())
    return found


def left_out(table: Table, rows: Sequence[Row]) -> Table:
    """Score every facet with a model that saw no case with its case's kinds of artefact, nor its case."""
    kinds = kinds_of(rows)
    cases = sorted(kinds)
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


def calibrated(model: Fusion, scores: Table, rows: Sequence[Row], share: float | None = None) -> Fusion:
    """Stretch a model so that its log-odds are those of facets that it did not see (Platt 1999).

    With a ``share``, as if so many of them were artefacts.
    """
    truth = np.array([row.is_artefact for row in rows])
    line = LogisticRegression(C=1e6).fit(scores[:, None], truth)
    slope, offset = float(line.coef_[0, 0]), float(line.intercept_[0])
    if share is not None:
        offset += float(logit(share) - logit(truth.mean()))
    terms = tuple(replace(term, weight=round(slope * term.weight, 6)) for term in model.terms)
    genuine = offset + slope * scores[~truth]
    return Fusion(
        round(offset + slope * model.intercept, 6),
        terms,
        round(float(genuine.mean()), 6),
        round(float(genuine.std()), 6),
    )


def refitted(rows: Sequence[Row], share: float | None = None) -> Fusion:
    """Fit and calibrate a model, as the shipped one was; ``share`` is one of :data:`SHARES`."""
    table = table_of(rows)
    return calibrated(fit(table, rows), left_out(table, rows), rows, share)
