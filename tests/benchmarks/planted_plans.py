"""Audit small networks that learned from planned samples; keep what was measured, tell how often it is right.

    python tests/benchmarks/planted_plans.py FOLDER [SEED ...] [--axes 3]    # by default seed 1 of traces
    python tests/benchmarks/planted_plans.py FOLDER --tell [--axes 3]
    python tests/benchmarks/planted_plans.py FOLDER SEED --shipped      # of a seed that was held out

Each plan (``trace_plants``, ``volume_plants``) is drawn, learned and audited in about 10 CPU seconds; what is
in FOLDER already is not done again. The table judges what was measured by the weights of pictures, and by
those of the samples' own kind: fitted on FOLDER without the plan and all plans with its kind of plant, or as
they are shipped. A plant counts as relied on by what switching it off does to the network.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "networks"))

import numpy as np
import torch
import trace_plants
import volume_plants
from ready_stores import ready_store
from scipy.special import softmax

from foveal.archives import AuditedModel
from foveal.collecting import collect
from foveal.config import FovealConfig
from foveal.library import Library
from foveal.samples.traces.transform import TraceTransform
from foveal.samples.volumes.transform import VolumeTransform
from foveal_audit.auditing import audit
from foveal_audit.benchmarking.fitting import SHARES, Row
from foveal_audit.benchmarking.statistics import wilson
from foveal_audit.benchmarking.unseen import Unseen
from foveal_audit.bundle.schema import Assessment
from foveal_audit.judgement import verdict
from foveal_audit.judgement.assessing import discovery_rates, measured_of, p_values_of
from foveal_audit.judgement.fusion import FUSIONS
from foveal_audit.judgement.irrelevance import is_property
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.settings import AuditSettings
from foveal_audit.studies.trace_network import TraceNet
from foveal_audit.studies.training import train_classifier
from foveal_audit.studies.volume_network import VolumeNet

SETTINGS = AuditSettings(nodes=1, pairs=64, generators=0)


@dataclass(frozen=True)
class Subject:
    """How samples of some number of axes are drawn, learned from and watched.

    Attributes
    ----------
    plants
        The module that lays out plans and draws.
    network, transform
        What learns, and how samples reach it.
    number, epochs
        Samples of a plan, and passes over them.
    window
        As the archive would state it.
    place
        Plants that begin within so many steps of each other keep to a place.
    """

    plants: ModuleType
    network: Callable[[], torch.nn.Module]
    transform: TraceTransform | VolumeTransform
    number: int
    epochs: int
    window: list[int]
    place: int


_TRACES = TraceTransform(size=(trace_plants.LENGTH,), channels=1, std=(0.3,))
_VOLUMES = VolumeTransform(
    size=(volume_plants.SIDE,) * 3, channels=1, window=(0.0, 1.0), mean=(0.35,), std=(0.15,)
)
SUBJECTS: Mapping[int, Subject] = {
    1: Subject(trace_plants, TraceNet, _TRACES, 400, 16, [40], 60),
    3: Subject(volume_plants, VolumeNet, _VOLUMES, 300, 12, [6, 6, 6], 4),
}
#: A window shows a plant where the two share, along every axis, so much of the shorter; a facet where half of
#: its windows do.
_SHARED, _HALF = 0.25, 0.5
_FLAGGED = {"confirmed", "suspected"}


def say(line):
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def written(folder, plan, drawn):
    """Write samples and their manifest."""
    (folder / "training").mkdir(parents=True)
    with (folder / "training.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "label", *(["site"] if plan.told else [])])
        for number, one in enumerate(drawn):
            path = f"training/{number:04}.npy"
            np.save(folder / path, one.values)
            table.writerow([path, trace_plants.LABELS[one.label], *([one.site] if plan.told else [])])
    return folder / "training.csv"


def answers(net, transform, values):
    """Ask for centred logits (n, 2)."""
    with torch.no_grad():
        found = net(torch.stack([transform(one) for one in values])).double().numpy()
    return found - found.mean(1, keepdims=True)


def switched(net, transform, drawn):
    """Say what the plant does to the second class: to its probability, and to its logit in deviations."""
    marked = [one for one in drawn if one.box]
    if not marked:
        return 0.0, 0.0
    usual = answers(net, transform, [one.values for one in drawn])[:, 1].std()
    having, lacking = (
        answers(net, transform, [getattr(one, how) for one in marked]) for how in ("values", "clean")
    )
    chance = softmax(having, 1)[:, 1] - softmax(lacking, 1)[:, 1]
    return float(chance.mean()), float((having - lacking)[:, 1].mean() / max(usual, 1e-9))


def shown(facet, drawn, near):
    """Say which share of a facet's windows lies on a plant, and which where plants lie but none is."""
    boxes = np.array([one.box for one in drawn if one.box])
    fixed = len(boxes) and (np.ptp(boxes[:, : boxes.shape[1] // 2], axis=0) < near).all()
    place = tuple(np.median(boxes, axis=0)) if fixed else None
    own = [(entry.window, drawn[int(entry.sample[-8:-4])].box) for entry in facet.entries]
    on = [box is not None and _share(window, box) >= _SHARED for window, box in own]
    off = [box is None and place is not None and _share(window, place) >= _SHARED for window, box in own]
    return float(np.mean(on)), float(np.mean(off))


def _share(window, box):
    axes = len(box) // 2
    held = np.minimum(window[axes:], box[axes:]) - np.maximum(window[:axes], box[:axes])
    shorter = np.minimum(np.subtract(window[axes:], window[:axes]), np.subtract(box[axes:], box[:axes]))
    return float((held / shorter).min())


def learned(subject, plan, drawn):
    """Learn what a plan's samples show."""
    x = np.stack([subject.transform(one.values).numpy() for one in drawn])
    y = np.array([one.label for one in drawn], np.int64)
    return train_classifier(subject.network, x, y, epochs=subject.epochs, seed=plan.seed, rate=3e-3)


def audited(subject, plan, drawn, net):
    """Collect a plan's samples and audit the network."""
    with tempfile.TemporaryDirectory() as folder:
        table = written(Path(folder), plan, drawn)
        watched = {"window": subject.window, "rule": {"percentile": 80}}
        config = FovealConfig.from_mapping(watched, environ={})
        model = AuditedModel(
            plan.name, net, subject.transform, subject.plants.LABELS, config, "a" * 64, "python:plan:model"
        )
        library = Library("plan", ready_store(Path(folder) / "mlflow.db"))
        collect(model, table, "training", library)
        return audit(model, library, SETTINGS).result.findings


def run(subject, plan, out):
    """Draw, learn, audit; keep what was measured with its truth."""
    begun, drawn = time.process_time(), subject.plants.draw(plan, subject.number)
    net = learned(subject, plan, drawn)
    chance, margin = switched(net, subject.transform, drawn)
    found = audited(subject, plan, drawn, net)
    shares = [shown(one, drawn, subject.place) for one in found.assessments]
    facets = [
        {"on": on, "off": off, "assessment": one.model_dump(mode="json")}
        for (on, off), one in zip(shares, found.assessments, strict=True)
    ]
    kept = {"plan": vars(plan), "chance": chance, "margin": margin, "facets": facets}
    (out / f"{plan.name}.json").write_text(json.dumps(kept))
    spent = time.process_time() - begun
    moved = f"switched {chance:+.2f}, {margin:+.2f} deviations"
    say(f"{plan.name}: {moved}, {len(facets)} facets, {spent:.0f} CPU s")


def kept_in(folder):
    """Read what was kept."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def is_relied(kept):
    """Say whether the network relies on the plant."""
    return abs(kept["chance"]) >= THRESHOLDS.relied or abs(kept["margin"]) >= THRESHOLDS.margin


def name_of(kept):
    """Give a plan's name."""
    return trace_plants.Plan(**kept["plan"]).name


def rows_of(folder):
    """Give the facets that the weights of traces are fitted on.

    Those of a plant somewhere that is relied on, and those that the audit found to be relied on and that show
    no plant; what lies where a plant would be, and is not, is neither.
    """
    for kept in kept_in(folder):
        plan = kept["plan"]
        for facet in kept["facets"]:
            found = facet["assessment"]
            signals = {name: float(one["value"]) for name, one in found["signals"].items()}
            if is_property(signals):
                continue
            if facet["on"] >= _HALF:
                if (
                    is_relied(kept)
                    and plan["role"] != "inert"
                    and plan["plant"] not in trace_plants.EVERYWHERE
                ):
                    is_artefact = plan["role"] == "artefact"
                    yield Row(
                        name_of(kept), plan["plant"] if is_artefact else "outcome", is_artefact, signals
                    )
            elif facet["on"] + facet["off"] < _HALF and found["reliance"] >= THRESHOLDS.relied:
                yield Row(name_of(kept), plan["task"], False, signals)


def judged(kept, fusion):
    """Give the verdicts that what was measured leads to by other weights, one for each facet."""
    ones = [Assessment.model_validate(facet["assessment"]) for facet in kept["facets"]]
    pastes = [one.effects.paste.p if one.effects.paste else None for one in ones]
    rates = discovery_rates(
        [p_values_of(p, one.signals, fusion) for p, one in zip(pastes, ones, strict=True)]
    )
    again = [one.model_copy(update={"q_value": rate}) for one, rate in zip(ones, rates, strict=True)]
    return [verdict.decide(measured_of(one, fusion)) for one in again]


def outcomes(kept, told):
    """Say of one plan what becomes of it: what is counted, and whether it happened."""
    plan, facets = kept["plan"], kept["facets"]
    on = {said for said, facet in zip(told, facets, strict=True) if facet["on"] >= _HALF}
    off = {said for said, facet in zip(told, facets, strict=True) if facet["on"] + facet["off"] < _HALF}
    found, beside = bool(on & _FLAGGED), bool(off & _FLAGGED)
    if plan["role"] == "artefact" and is_relied(kept):
        doubted = bool(on & {*_FLAGGED, "undecidable"})
        return {
            f"found: {plan['plant']}": found,
            f"found, {_where(plan)}": found,
            f"found or undecidable, {_where(plan)}": doubted,
            "found: all plants": found,
            "found or undecidable: all plants": doubted,
            "flagged beside a plant": beside,
        }
    if plan["role"] == "outcome":
        return {"flagged: a mark that is the outcome": found, "flagged beside it": beside}
    if plan["role"] == "variant":
        return {"flagged: a variant that goes with the site": bool(_FLAGGED.intersection(told))}
    if is_relied(kept):
        return {"relied on against the plan: not counted": False}
    return {"flagged: nothing planted, or not relied on": bool(_FLAGGED.intersection(told))}


def _where(plan):
    kind = "all over" if plan["plant"] in trace_plants.EVERYWHERE else plan["place"]
    return f"place: {kind}"


def weights(folder, axes, shipped):
    """Give, for a plan, the weights of the samples' own kind that it is judged by."""
    if shipped:
        return lambda _: FUSIONS[axes]
    asked = Unseen(list(rows_of(folder)), SHARES[axes])
    return lambda one: asked.without(
        frozenset({one["plan"]["plant"]} if one["plan"]["role"] == "artefact" else ()), name_of(one)
    )


def tell(folder, axes, *, shipped):
    """Print how often plants are found and others flagged, by both weights."""
    counted, own = defaultdict(list), weights(folder, axes, shipped)
    for one in kept_in(folder):
        before, after = (outcomes(one, judged(one, fusion)) for fusion in (FUSIONS[2], own(one)))
        for what, hit in before.items():
            counted[what].append((hit, after[what]))
    for what, hits in sorted(counted.items()):
        before, after = (sum(way) for way in zip(*hits, strict=True))
        low, high = wilson(after, len(hits))
        share = f"{after} ({low:.0%} to {high:.0%})"
        say(f"{what:45} {len(hits):3} networks: weighed as pictures {before}, by weights of its own {share}")


def main():
    """Make what is missing, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("seeds", nargs="*", type=int, default=[1])
    parser.add_argument("--axes", type=int, choices=SUBJECTS, default=1, help="of the samples")
    parser.add_argument("--tell", action="store_true", help="only tell what is there")
    parser.add_argument("--shipped", action="store_true", help="judge by the weights as they are shipped")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    subject = SUBJECTS[args.axes]
    plans = [plan for seed in args.seeds for plan in subject.plants.plans(seed)]
    # Mixed, so that what is cut off holds every kind.
    for number in [] if args.tell else np.random.default_rng(0).permutation(len(plans)):
        if not (args.folder / f"{plans[number].name}.json").exists():
            run(subject, plans[number], args.folder)
    tell(args.folder, args.axes, shipped=args.shipped)


if __name__ == "__main__":
    main()
