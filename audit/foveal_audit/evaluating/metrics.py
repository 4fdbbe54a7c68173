"""What an audit comes to in numbers that MLflow can plot and compare."""

from __future__ import annotations

import csv
from pathlib import Path

from foveal_audit.bundle.schema import Findings
from foveal_audit.bundle.writing import COVERAGE

#: MLflow shows metrics of one prefix together.
PREFIX = "foveal/"


def metrics_of(findings: Findings, bundle: Path) -> dict[str, float]:
    """Count what was found; shares of production are there where gaps were looked for.

    Parameters
    ----------
    findings
        What the audit found.
    bundle
        Its folder.
    """
    summary, library = findings.summary, findings.library
    counted = {
        "findings": len(findings.findings),
        "gaps": summary.gaps,
        "facets": summary.facets,
        "not_examined": len(findings.not_examined),
        **{f"facets_{verdict}": count for verdict, count in summary.verdicts.items()},
        **{f"samples_{source}": count for source, count in library.samples.items()},
        **{f"entries_{source}": count for source, count in library.entries.items()},
    }
    scores = [one.artefact_score for one in findings.assessments]
    measured = {"highest_artefact_score": max(scores, default=0.0), **_coverage(bundle / COVERAGE)}
    return {PREFIX + name: float(value) for name, value in {**counted, **measured}.items()}


def _coverage(table: Path) -> dict[str, float]:
    """Give the share of production in a gap, and the share that is unlike all training samples."""
    with table.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    if not rows:
        return {}
    strange = sum(1 for row in rows if row["p_value"] and float(row["p_value"]) <= 0.05)
    uncovered = sum(1 for row in rows if row["gap_group"])
    return {
        "production_uncovered_share": uncovered / len(rows),
        "production_strange_share": strange / len(rows),
    }
