"""A case on disk: what an audit gets in one folder, and the truth in another that it never sees."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.archives.pack import pack
from foveal.samples import encode_png
from foveal_audit.bundle.identity import canonical_json
from foveal_audit.planting.behaviour import Behaviour, ask
from foveal_audit.planting.canvas import Mask
from foveal_audit.planting.case import Case, Sizes
from foveal_audit.planting.chance import Chance
from foveal_audit.planting.drawing import PRODUCTION, TRAINING, Drawn, Plan, draw, plan_sample
from foveal_audit.planting.gaps import GAPS
from foveal_audit.planting.learning import TRANSFORM, load_network, model_file, trained_weights
from foveal_audit.planting.masks import TRUTH, encode_mask
from foveal_audit.planting.scene import Subtype
from foveal_audit.planting.tasks import TASKS

MODEL = "model.mar"
#: Per information tier the columns of the manifests beside the path.
TIERS: Mapping[str, tuple[str, ...]] = {"A": (), "B": ("label",), "C": ("label", "site")}
#: What comes with the last tier: a table with the object's box in every image, and crops of known concepts.
ROIS, CONCEPTS = "rois.csv", "concepts"
_EXEMPLARS = 6


def image_name(source: str, number: int) -> str:
    """Name an image relative to its manifest."""
    return f"{source}/{number:05d}.png"


def manifest_name(source: str, tier: str) -> str:
    """Name the manifest of a source as an information tier has it."""
    return f"{source}-{tier}.csv"


def make_case(case: Case, inputs: Path, truth: Path) -> None:
    """Draw a case, train its network, ask that for the truth, and write everything.

    Parameters
    ----------
    case
        What to make; the same case gives the same files.
    inputs
        Folder for what an audit gets: images, manifests, the packed model, regions and concepts.
    truth
        Folder for ``truth.json``.
    """
    plans = {source: _plans(case, source) for source in (TRAINING, PRODUCTION)}
    drawn = {source: [draw(case, plan) for plan in own] for source, own in plans.items()}
    weights = _learn(case, plans[TRAINING], drawn[TRAINING])
    behaviour = ask(case, load_network(case.network, weights))
    for source, own in drawn.items():
        _write_images(inputs, source, own)
        _write_manifests(inputs, source, plans[source], TASKS[case.task].outcomes)
    _write_rois(inputs / ROIS, case, drawn)
    _write_concepts(inputs / CONCEPTS, case)
    _pack(case, weights, inputs / MODEL)
    truth.mkdir(parents=True, exist_ok=True)
    part = truth / f"{TRUTH}.part"
    part.write_text(canonical_json(_truth(case, behaviour, plans, drawn)))
    part.replace(truth / TRUTH)


def _plans(case: Case, source: str) -> list[Plan]:
    sizes: Sizes = case.sizes
    number = {TRAINING: sizes.training, PRODUCTION: sizes.production}[source]
    return [plan_sample(case, source, index) for index in range(number)]


def _learn(case: Case, plans: Sequence[Plan], drawn: Sequence[Drawn]) -> Path:
    """Train on what the case says its network learned from."""
    epochs = 0 if case.learning == "none" else case.sizes.epochs
    images = _debiased(case, plans) if case.learning == "debiased" else [one.pixels for one in drawn]
    labels = np.array([plan.outcome for plan in plans], dtype=np.int64)
    permuted = case.learning == "permuted"
    if permuted:
        labels = np.random.default_rng([case.seed, 1]).permutation(labels)
    starts = 1 if permuted else 2
    return trained_weights(
        case.network, np.stack(images), labels, epochs=epochs, seed=case.seed, starts=starts
    )


def _debiased(case: Case, plans: Sequence[Plan]) -> list[NDArray[np.uint8]]:
    """Draw training anew, its marks on half of the images whatever the class."""
    images = []
    for plan in plans:
        rng = Chance(case.seed, plan.source, plan.index).of("debiased")
        on = {number for number in range(len(case.marks)) if rng.uniform() < 0.5}
        images.append(draw(case, plan, on=on, off=set(range(len(case.marks))) - on).pixels)
    return images


def _write_images(inputs: Path, source: str, drawn: Sequence[Drawn]) -> None:
    (inputs / source).mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(drawn):
        (inputs / image_name(source, number)).write_bytes(encode_png(one.pixels))


def _write_manifests(inputs: Path, source: str, plans: Sequence[Plan], outcomes: Sequence[str]) -> None:
    known = [{"label": outcomes[plan.outcome], "site": plan.site} for plan in plans]
    for tier, columns in TIERS.items():
        rows = (
            (image_name(source, number), *(one[column] for column in columns))
            for number, one in enumerate(known)
        )
        _write_table(inputs / manifest_name(source, tier), ("path", *columns), rows)


def _write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)


def _write_rois(path: Path, case: Case, drawn: Mapping[str, Sequence[Drawn]]) -> None:
    """Write the box of every object, and of every mark that is the outcome."""
    rows = []
    for source, own in drawn.items():
        for number, one in enumerate(own):
            genuine = [mask for n, mask in one.marks.items() if case.marks[n].role == "outcome"]
            rows += [
                (image_name(source, number), *box_of(mask)) for mask in (one.body, *genuine) if mask.any()
            ]
    _write_table(path, ("path", "y0", "x0", "y1", "x1"), rows)


def box_of(mask: Mask) -> tuple[int, int, int, int]:
    """Give the box of a mask: y0, x0, y1, x1, half-open."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def _write_concepts(folder: Path, case: Case) -> None:
    """Write crops of what decides the outcomes, and of what an expert knows to be missing."""
    task = TASKS[case.task]
    known = task.of_role("usual")
    if any(GAPS[gap.kind].exemplars for gap in case.gaps):
        known = known + task.of_role("strange")
    for kind in known:
        place = folder / kind.name.replace(" ", "-")
        place.mkdir(parents=True, exist_ok=True)
        for number in range(_EXEMPLARS):
            (place / f"{number}.png").write_bytes(encode_png(_exemplar(case, kind, number)))


def _exemplar(case: Case, kind: Subtype, number: int) -> NDArray[np.uint8]:
    """Draw a subtype in a picture without marks, and cut its object out."""
    plan = Plan("concepts", number, kind.outcome, kind.name, kind.factors, (), "", task=case.task)
    drawn = draw(case, plan)
    y0, x0, y1, x1 = box_of(drawn.body) if drawn.body.any() else (16, 16, 48, 48)
    return np.ascontiguousarray(drawn.pixels[y0:y1, x0:x1])


def _pack(case: Case, weights: Path, out: Path) -> None:
    pack(
        "vision",
        model_file(case.network),
        weights,
        out,
        name="model",
        size=TRANSFORM.size,
        channels=TRANSFORM.channels,
        mean=TRANSFORM.mean,
        std=TRANSFORM.std,
        labels=TASKS[case.task].outcomes,
    )


def _truth(
    case: Case,
    behaviour: Behaviour,
    plans: Mapping[str, Sequence[Plan]],
    drawn: Mapping[str, Sequence[Drawn]],
) -> dict[str, Any]:
    factors = [
        {**asdict(one), "relied": one.relied, **_described(case, one.factor)} for one in behaviour.switches
    ]
    samples = {
        image_name(source, number): _sample_truth(plan, one)
        for source in plans
        for number, (plan, one) in enumerate(zip(plans[source], drawn[source], strict=True))
    }
    return {
        "case": json.loads(json.dumps({"name": case.name, **case.record()})),
        "key": case.key,
        "outcomes": TASKS[case.task].outcomes,
        "accuracy": behaviour.accuracy,
        "factors": factors,
        "gaps": [{"kind": gap.kind, "expected": GAPS[gap.kind].expected} for gap in case.gaps],
        "samples": samples,
    }


def _described(case: Case, factor: str) -> dict[str, Any]:
    """Say what a factor is: a mark with its kind and role, or a part of the task."""
    if not factor.startswith("mark "):
        return {"role": "core", "kind": "core"}
    mark = case.marks[int(factor.split()[1])]
    return {"role": mark.role, "kind": mark.look.kind}


def _sample_truth(plan: Plan, drawn: Drawn) -> dict[str, Any]:
    masks = {**drawn.core, **{f"mark {number}": mask for number, mask in drawn.marks.items()}}
    return {
        "source": plan.source,
        "outcome": plan.outcome,
        "site": plan.site,
        "subtype": plan.subtype,
        "gap": plan.gap,
        "masks": {name: encode_mask(mask) for name, mask in masks.items()},
    }
