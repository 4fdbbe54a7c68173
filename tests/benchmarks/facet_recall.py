"""How many of an artefact's samples its largest facet gathers: the recall that statements of power rest on.

    python tests/benchmarks/facet_recall.py FOLDER [FOLDER ...]

FOLDER is what ``foveal bench --out FOLDER`` wrote. Counted are artefacts that lie somewhere, that the network
relies on and that some facet shows; one that none shows is told of by the benchmark as such. Of a facet with
more than 200 entries only so many are named: the samples that show the artefact are then counted up.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from foveal_audit.benchmarking.answers import Facet, read_findings
from foveal_audit.benchmarking.matching import fit_of, is_wide
from foveal_audit.benchmarking.truths import Factor, Truth, read_planted


def recalls(folder: Path) -> Iterator[tuple[str, str, float]]:
    """Give trial, artefact and recall of the facet that gathers most of it."""
    for path in sorted(folder.glob("answers/*/*/bundle/findings.json")):
        name, tier = path.parts[-4:-2]
        truth = read_planted(folder / "truth" / name / "truth.json")
        assessments = json.loads(path.read_text())["assessments"]
        facets = list(zip(read_findings(path.parent).facets or (), assessments, strict=True))
        for factor in truth.artefacts:
            tried = (recall(facet, record, factor, truth) for facet, record in facets)
            found = [one for one in tried if one is not None]
            if found:
                yield f"{name} {tier}", factor.kind, max(found)


def recall(facet: Facet, assessment: dict[str, Any], factor: Factor, truth: Truth) -> float | None:
    """Give the share of the artefact's training samples that a facet gathers; None where it shows another."""
    holds = fit_of(facet, factor, truth)
    if holds.wide or not holds.holds:
        return None
    carriers = {
        sample
        for sample, one in truth.samples.items()
        if one.source == "training" and factor.name in one.masks and not is_wide(one.masks[factor.name])
    }
    own = {ref["sample"] for ref in assessment["entries"] if ref["source"] == "training"} & carriers
    named = sum(ref["source"] == "training" for ref in assessment["entries"])
    grown = assessment["n_entries"].get("training", 0) / max(named, 1)
    return min(1.0, len(own) * grown / max(len(carriers), 1))


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("folders", type=Path, nargs="+")
    found = [one for folder in asked.parse_args().folders for one in recalls(folder)]
    lines = [f"{share:.2f}  {kind:12}{trial}" for trial, kind, share in found]
    low, middle, high = np.quantile([share for *_, share in found], (0.25, 0.5, 0.75))
    lines.append(f"{len(found)} artefacts: median {middle:.2f}, quartiles {low:.2f} and {high:.2f}")
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
