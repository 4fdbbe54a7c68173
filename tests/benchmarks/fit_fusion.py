"""Fit the model that turns signals into irrelevance, and say how well it does on kinds that were left out.

    foveal bench --seed 1 --out D1; foveal bench --seed 2 --out D2; ...
    python tests/benchmarks/fit_fusion.py D1 D2 ... [--write]
    python tests/benchmarks/fit_fusion.py            # on what the shipped model was fitted on
    python tests/benchmarks/planted_plans.py D; python tests/benchmarks/fit_fusion.py D --axes 1 [--write]

Every folder holds answers of the audit with their truth, of pictures or of ``--axes`` other axes. Facets of
artefacts that the network relies on are held against genuine facets that it relies on; see
``foveal_audit.benchmarking.fitting``. Cases that hold a kind of artefact, or else the case itself, are left
out in turn: what is told, and the spread of genuine facets that p-values come from, is of facets that the
model did not see. Held-out seeds are refused.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import planted_plans
from sklearn.metrics import roc_auc_score

import foveal_audit
from foveal_audit.benchmarking import fitting
from foveal_audit.benchmarking.fitting import (
    SHIPPED,
    Row,
    Table,
    calibrated,
    fit,
    left_out,
    shipped_rows,
    table_of,
    write_rows,
)
from foveal_audit.judgement import fusion

_ROOT = Path(foveal_audit.__file__).parent
#: What reads a folder's facets, by the number of axes of the samples.
_READERS = {1: planted_plans.rows_of, 2: fitting.rows_of, 3: planted_plans.rows_of}


def table(rows: list[Row], scores: Table) -> str:
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
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--write", action="store_true", help="put model and facets into the package")
    parser.add_argument("--axes", type=int, choices=_READERS, default=2, help="of the samples")
    asked = parser.parse_args()
    read = _READERS[asked.axes]
    rows = [row for folder in asked.folders for row in read(folder)] or shipped_rows(asked.axes)
    known = table_of(rows)
    scores = left_out(known, rows)
    model = calibrated(fit(known, rows), scores, rows, fitting.SHARES[asked.axes])
    weights = (f"{term.signal:24}{term.weight:6.2f}" for term in model.terms)
    print("\n".join([table(rows, scores), "", *weights]))  # noqa: T201 - a table is what this is for
    if asked.write:
        path = _ROOT / "judgement" / fusion.SHIPPED[asked.axes]
        path.write_text(json.dumps(model.record(), indent=1) + "\n")
        write_rows(rows, _ROOT / "benchmarking" / SHIPPED[asked.axes])


if __name__ == "__main__":
    main()
