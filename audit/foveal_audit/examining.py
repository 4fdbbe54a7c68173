"""What is examined: the facets of contribution units and of single nodes, and what is left out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from foveal.features import CONTRIBUTION, FeatureName
from foveal_audit.bundle.schema import NodeRow
from foveal_audit.judgement.facet import Facet, Surroundings
from foveal_audit.judgement.signals import COMPARED
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.settings import AuditSettings
from foveal_audit.units.appearance import shifted_correlation
from foveal_audit.units.facets import split_facets
from foveal_audit.units.partition import partition
from foveal_audit.units.unit import Unit
from foveal_audit.windows import Evidence, Samples, Windows


@dataclass(frozen=True)
class Examined:
    """The facets to judge, which unit each contribution window got, and what is left out and why."""

    facets: list[Facet]
    units: dict[str, str]
    left_out: list[str] = field(default_factory=list)


def examine(evidence: Evidence, settings: AuditSettings) -> Examined:
    """Choose the facets to judge: all contribution units, then the nodes with most entries."""
    facets, units, left_out = _contribution_facets(evidence, settings)
    ranked = sorted(evidence.nodes, key=lambda name: (-len(evidence.nodes[name]), name))
    for name in ranked[: settings.nodes]:
        node_facets, note = _node_facets(name, evidence, settings)
        facets += node_facets
        left_out += note
    if ranked[settings.nodes :]:
        left_out.append(
            f"{len(ranked) - settings.nodes} nodes with fewer entries ({', '.join(ranked[settings.nodes :])})"
        )
    return Examined(facets, units, left_out)


def _contribution_facets(
    evidence: Evidence, settings: AuditSettings
) -> tuple[list[Facet], dict[str, str], list[str]]:
    windows, samples = evidence.contribution, evidence.samples
    if not len(windows):
        return [], {}, ["Contribution units: the library holds no contribution windows"]
    parts = partition(windows, samples.predicted[windows.owner], seed=settings.seed)
    names = [f"{CONTRIBUTION}:{label}" for label in parts.labels]
    facets, small = [], 0
    for number in range(int(parts.labels.max()) + 1):
        own = windows.take(parts.labels == number)
        unit = Unit(f"{CONTRIBUTION}:{number}", windows.layer, parts.channels(number), local=True)
        if _is_large(own, samples):
            facets.append(Facet(unit, 0, own))
        else:
            small += 1
    note = f"{small} contribution units with fewer than {THRESHOLDS.fewest} training entries"
    return facets, dict(zip(windows.ids.tolist(), names, strict=True)), [note] if small else []


def _node_facets(name: str, evidence: Evidence, settings: AuditSettings) -> tuple[list[Facet], list[str]]:
    windows = evidence.nodes[name]
    feature = FeatureName.parse(name)
    unit = Unit(name, feature.layer, () if feature.index is None else (feature.index,), local=False)
    kinds = split_facets(windows.gradients, seed=settings.seed)
    facets = [Facet(unit, kind, windows.take(kinds == kind)) for kind in range(int(kinds.max()) + 1)]
    kept = [facet for facet in facets if _is_large(facet.windows, evidence.samples)]
    if len(kept) == len(facets):
        return kept, []
    return kept, [
        f"{len(facets) - len(kept)} facets of {name} with fewer than {THRESHOLDS.fewest} training entries"
    ]


def _is_large(windows: Windows, samples: Samples) -> bool:
    return int(samples.of("training")[windows.owner].sum()) >= THRESHOLDS.fewest


def surroundings(evidence: Evidence, settings: AuditSettings) -> Surroundings:
    """Gather what every facet is held against."""
    samples, windows = evidence.samples, evidence.contribution
    training = samples.of("training")
    pool = windows.take(training[windows.owner])
    rng = np.random.default_rng(settings.seed)
    rows = rng.choice(len(pool), min(4 * COMPARED, len(pool)), replace=False)
    return Surroundings(
        samples,
        training,
        pool.centres(samples),
        shifted_correlation(pool.detail[rows]),
        _taken(windows),
        settings.pairs,
    )


def _taken(windows: Windows) -> dict[int, tuple[tuple[int, ...], ...]]:
    taken: dict[int, list[tuple[int, ...]]] = defaultdict(list)
    for owner, box in zip(windows.owner.tolist(), windows.boxes.tolist(), strict=True):
        taken[owner].append(tuple(box))
    return {owner: tuple(boxes) for owner, boxes in taken.items()}


def node_rows(evidence: Evidence, labels: tuple[str, ...]) -> list[NodeRow]:
    """List the nodes as the literal pipeline sees them: its library of each node, and nothing more."""
    rows = []
    for layer, values in evidence.activations.items():
        for index in range(values.shape[1]):
            rows.append(_node_row(f"{layer}:{index}", values[:, index], evidence, labels))
    return rows


def _node_row(name: str, values: NDArray[np.float32], evidence: Evidence, labels: tuple[str, ...]) -> NodeRow:
    windows = evidence.nodes.get(name)
    if windows is None:
        dead = (
            "dead: never above zero" if float(values.max()) <= 0 else "no entries: never present by the rule"
        )
        return NodeRow(feature=name, n_entries=0, share=0, note=dead)
    owners = np.unique(windows.owner)
    top = int(np.bincount(evidence.samples.predicted[owners]).argmax())
    return NodeRow(
        feature=name,
        n_entries=len(windows),
        share=len(owners) / len(evidence.samples),
        threshold=float(values[owners].min()),
        top_class=labels[top] if top < len(labels) else str(top),
        note="over-firing: present in more than half of the samples" if len(owners) > len(values) / 2 else "",
    )
