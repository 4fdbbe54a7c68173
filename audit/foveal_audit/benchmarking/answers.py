"""What a detector answered, as its files on disk say it; nothing of the audit is imported."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLAGGED = ("confirmed", "suspected")
#: The detector that the benchmark is about, and the file in which it says why it does not answer.
AUDIT, REFUSAL = "audit", "refusal.txt"


@dataclass(frozen=True)
class Facet:
    """One assessed cluster.

    Attributes
    ----------
    entries
        Sample and window (y0, x0, y1, x1) of each.
    score
        Higher = rather an artefact.
    verdict
        What was concluded, or "" where a detector only ranks.
    outcome
        The class that most of its entries were given, or "".
    effects
        Of removal and paste: estimate, low and high.
    """

    feature: str
    entries: tuple[tuple[str, tuple[int, ...]], ...]
    score: float
    verdict: str = ""
    outcome: str = ""
    effects: tuple[tuple[float, float, float], ...] = ()

    @property
    def is_flagged(self) -> bool:
        """Whether a person is told that it is an artefact."""
        return self.verdict in FLAGGED


@dataclass(frozen=True)
class Answer:
    """All that a detector said about one case; None where it does not look for that.

    Attributes
    ----------
    facets
        Its clusters.
    coverage
        Per production sample a number that is small where it is unlike training.
    groups
        The groups of production samples it calls gaps.
    refused
        Why it gave no answer, or "".
    """

    name: str
    facets: tuple[Facet, ...] | None
    coverage: Mapping[str, float] | None
    groups: tuple[frozenset[str], ...]
    refused: str = ""


def read_audit(answers: Path) -> Answer:
    """Read the bundle of the audit, or why there is none."""
    refusal = answers / REFUSAL
    if refusal.is_file():
        return Answer(AUDIT, (), None, (), refusal.read_text())
    return read_findings(answers / "bundle")


def read_findings(bundle: Path) -> Answer:
    """Read the findings.json and coverage.csv of a bundle."""
    content = json.loads((bundle / "findings.json").read_text())
    gaps = [one["samples"] for one in content["findings"] if one["kind"] == "gap"]
    return Answer(
        AUDIT,
        tuple(_facet(one) for one in content["assessments"]),
        _read_coverage(bundle / "coverage.csv"),
        tuple(frozenset(samples) for samples in gaps),
    )


def read_opponent(path: Path) -> Answer:
    """Read what an opponent wrote."""
    content = json.loads(path.read_text())
    assessments = content["assessments"]
    return Answer(
        content["name"],
        None if assessments is None else tuple(_facet(one) for one in assessments),
        content["coverage"],
        tuple(frozenset(samples) for samples in content["gaps"]),
    )


def _facet(record: Mapping[str, Any]) -> Facet:
    classes: Mapping[str, float] = record.get("classes", {})
    effects = [record.get("effects", {}).get(name) for name in ("removal", "paste")]
    return Facet(
        feature=record.get("feature", ""),
        entries=tuple((one["sample"], tuple(one["window"])) for one in record["entries"]),
        score=record["artefact_score"],
        verdict=record.get("verdict", ""),
        outcome=max(classes, key=lambda name: classes[name], default=""),
        effects=tuple((one["estimate"], one["low"], one["high"]) for one in effects if one),
    )


def _read_coverage(path: Path) -> dict[str, float] | None:
    with path.open(newline="") as stream:
        rows = [(row["sample"], row["p_value"]) for row in csv.DictReader(stream)]
    known = {sample: float(p) for sample, p in rows if p}
    return known or None
