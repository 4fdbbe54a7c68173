"""How large a bundle's report is and how long it takes, page and paper, with sliders for every feature.

    python tests/benchmarks/report_size.py [--features 16] [--side 32] [--channels 1 3]

Each generator is learned from 160 made-up crops in a second or so; its lattice, the page and the PDF
are what is measured, in CPU seconds. One finding in four is suspected, the rest are other facets; a finding
shows two whole pictures as large as the report takes them, with grain that does not pack.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "networks"))
sys.path.insert(0, str(Path(__file__).parents[1] / "audit"))

from conftest import audit_result
from toy_frames import blobs

from foveal_audit.bundle.evidence import AuditResult, FacetEvidence, WholeSample
from foveal_audit.bundle.identity import make_id
from foveal_audit.bundle.schema import EntryRef, Findings
from foveal_audit.generators import Learned, fresh_crops, learn_generator, nearest_crops
from foveal_audit.lattice import make_lattice
from foveal_audit.report.page import render_page
from foveal_audit.report.pdf import render_pdf
from foveal_audit.whole_samples import LONGEST, SHOWN

#: What the report must keep to with 16 features.
MOST_BYTES, MOST_SECONDS = 25_000_000, 60.0
_FINDING_EVERY = 4


def enlarged(side: int, channels: int, seed: int) -> np.ndarray:
    """Draw crops at a size, with grain of their own at that size so that they do not pack too well."""
    crops = np.kron(blobs(160, seed, channels), np.ones((1, 1, side // 32, side // 32), np.float32))
    grain = np.random.default_rng(seed).normal(0, 0.03, crops.shape)
    return (crops + grain).clip(0, 1).astype(np.float32)


def pictures(crops: np.ndarray) -> list[np.ndarray]:
    """Turn crops (n, C, h, w) into 8 bits."""
    return list((crops.transpose(0, 2, 3, 1) * 255).round().astype(np.uint8))


def wholes(refs: Sequence[EntryRef], channels: int, seed: int) -> list[WholeSample]:
    """Draw the whole samples of the first crops."""
    shape = (SHOWN, LONGEST, LONGEST, channels)
    grain = np.random.default_rng(seed).integers(60, 190, shape, np.uint8)
    full = np.repeat(grain, 3 // channels, axis=3)
    frame = (0.1, 0.6, 0.3, 0.8)
    return [WholeSample(one, frame, ref) for one, ref in zip(full, refs, strict=False)]


def facet(base: FacetEvidence, number: int, learned: Learned) -> tuple[FacetEvidence, float]:
    """Build the evidence of one feature; gives it and the seconds that its lattice took."""
    verdict = "suspected" if number % _FINDING_EVERY == 0 else "genuine"
    feature = f"contribution:{number}"
    one = base.assessment.model_copy(
        update={"id": make_id("A", "m", feature, 0), "feature": feature, "verdict": verdict}
    )
    made = fresh_crops(learned.generator, 8, 0, learned.guard)
    begun = time.process_time()
    words = [str(axis["words"]) for axis in learned.card["axes"]]
    lattice = make_lattice(learned.generator, labels=words, guard=learned.guard).as_json(feature)
    taken = time.process_time() - begun
    own = replace(
        base,
        assessment=one,
        crops=pictures(learned.originals[:12]),
        generated=pictures(made),
        nearest=pictures(learned.originals[nearest_crops(made, learned.crops)[0]]),
        card=learned.card,
        lattice=lattice,
        whole=wholes(base.refs, learned.originals.shape[1], number) if verdict == "suspected" else (),
    )
    return own, taken


def measured(features: int, side: int, channels: int) -> dict[str, float]:
    """Build one report and measure it."""
    base = audit_result()
    fields = base.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})
    facets, lattices = [], 0.0
    for number in range(features):
        learned = learn_generator(enlarged(side, channels, number), steps=20)
        one, taken = facet(base.facets[0], number, learned)
        facets.append(one)
        lattices += taken
    findings = Findings.of([one.assessment for one in facets], base.findings.gaps, **fields)
    result = AuditResult(findings, facets, base.gaps, base.coverage)
    begun = time.process_time()
    html = render_page(result)
    page = time.process_time() - begun
    begun = time.process_time()
    pdf = render_pdf(html)
    return {
        "sliders": html.count("<foveal-sliders><script"),
        "html": len(html),
        "pdf": len(pdf),
        "lattices": lattices,
        "page": page,
        "paper": time.process_time() - begun,
    }


def main() -> int:
    """Print one row per size; give 1 where a bound is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--features", type=int, default=16)
    parser.add_argument("--side", type=int, nargs="+", default=[32])
    parser.add_argument("--channels", type=int, nargs="+", default=[1, 3])
    given = parser.parse_args()
    missed = False
    write = sys.stdout.write
    write("| crops | with sliders | report.html | report.pdf | lattices | page | paper | in all |\n")
    write("|---|---|---|---|---|---|---|---|\n")
    for side in given.side:
        for channels in given.channels:
            row = measured(given.features, side, channels)
            seconds = row["lattices"] + row["page"] + row["paper"]
            missed |= row["html"] > MOST_BYTES or seconds > MOST_SECONDS
            write(
                f"| {side} x {side} x {channels} | {row['sliders']:.0f} | {row['html'] / 1e6:.1f} MB "
                f"| {row['pdf'] / 1e6:.1f} MB | {row['lattices']:.1f} s | {row['page']:.1f} s "
                f"| {row['paper']:.1f} s | {seconds:.1f} s |\n"
            )
            sys.stdout.flush()
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
