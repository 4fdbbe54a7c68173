"""The demo's studies through every room, with what the audit made of every facet.

    python tests/benchmarks/kinds_end_to_end.py [ecg|sound|volume|segmentation ...] [--training N]
        [--production N]

Trained, packed, served by TorchServe, shipped and audited, as `foveal demo --kind` does it; and CPU time.
One to two CPU minutes a study on one core.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from foveal.library.connection import quiet
from foveal_audit.demo.comparing import lies_on, said
from foveal_audit.demo.kinds import DEFAULT, KINDS
from foveal_audit.demo.making import write_study
from foveal_audit.demo.running import run_demo
from foveal_audit.settings import AuditSettings

SETTINGS = AuditSettings(nodes=1, generators=0)


def say(line):
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def cpu_seconds():
    """Give the CPU time of this process and of the servers that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def run(name, training, production):
    """Take one study through every room, and say what came of it."""
    started, study = cpu_seconds(), KINDS[name]
    plan = replace(study.full, training=training, production=production, audit=SETTINGS, paper=False)
    with tempfile.TemporaryDirectory() as place:
        found = run_demo(Path(place) / "demo", study, plan, "standard")
        truth = write_study(found.example.parents[1], study, "standard", plan, 0).truth("training")
    marks = {sample: study.planted(one).mark for sample, one in truth.items()}
    say(f"{name}: {said(found.comparison, 'standard', study.words)}")
    for one in found.findings.assessments:
        say(_told(one, marks))
    say("  " + " ".join(found.findings.assessments[0].reasons))
    for gap in found.findings.gaps:
        say(f"gap {gap.gap} {gap.verdict}: {len(gap.samples)} samples")
    covers, others = found.comparison.gap_covers, found.comparison.gap_others
    say(f"the best gap holds {covers:.0%} of what training lacks, {others:.0%} of it are others")
    say(f"{name}: {cpu_seconds() - started:.0f} CPU s")


def _told(one, marks):
    """Say where a facet lies and what was concluded."""
    entries = [entry for entry in one.entries if entry.sample in marks]
    on_mark = np.mean([lies_on(tuple(entry.window), marks[entry.sample]) for entry in entries] or [0])
    return (
        f"{one.verdict:15} {one.feature:16} facet {one.facet} on the mark {on_mark:.2f} "
        f"reliance {one.reliance:.2f} irrelevance {one.irrelevance:.2f} classes {one.classes}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", default=[name for name in KINDS if name != DEFAULT])
    parser.add_argument("--training", type=int, default=600)
    parser.add_argument("--production", type=int, default=200)
    args = parser.parse_args()
    quiet()
    for name in args.studies:
        run(name, args.training, args.production)
