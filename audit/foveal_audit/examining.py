"""What is examined: the facets of contribution units and of single nodes, and what is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
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
    """What is judged.

    Attributes
    ----------
    facets
        The facets to judge.
    units
        Which unit each contribution window got.
    left_out
        What is not judged and why.
    places
        Per facet the recorded feature that it is a part of, and the number of the part.
    """

    facets: list[Facet]
    units: dict[str, str]
    left_out: list[str] = field(default_factory=list)
    places: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Split:
    """How the windows of a feature were split: into contribution units, or into the facets of a node.

    Attributes
    ----------
    labels
        int64 (n,), the part of each window.
    channels
        Per contribution unit the channels that carry it; empty for a node.
    """

    labels: NDArray[np.int64]
    channels: tuple[tuple[int, ...], ...] = ()

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return int(self.labels.max(initial=-1)) + 1


def split_contribution(windows: Windows, samples: Samples, seed: int) -> Split:
    """Sort contribution windows into units."""
    parts = partition(windows, samples.predicted[windows.owner], seed=seed)
    channels = tuple(parts.channels(number) for number in range(len(parts.centroids)))
    return Split(parts.labels, channels)


def split_node(windows: Windows, seed: int) -> Split:
    """Sort the windows of a node into its kinds of appearance."""
    return Split(split_facets(windows.gradients, seed=seed))


def facet_of(feature: str, windows: Windows, split: Split, part: int) -> Facet:
    """Give one part of a feature's windows as a facet: of its own unit, or of the node."""
    own = windows.take(split.labels == part)
    if feature == CONTRIBUTION:
        unit = Unit(f"{CONTRIBUTION}:{part}", windows.layer, split.channels[part], local=True)
        return Facet(unit, 0, own)
    name = FeatureName.parse(feature)
    return Facet(
        Unit(feature, name.layer, () if name.index is None else (name.index,), local=False), part, own
    )


def chosen_features(counts: Mapping[str, int], settings: AuditSettings) -> tuple[list[str], list[str]]:
    """Choose what is examined: contribution windows, then the nodes with most entries; and what is left."""
    nodes = sorted(counts.keys() - {CONTRIBUTION}, key=lambda name: (-counts[name], name))
    first = [CONTRIBUTION] if counts.get(CONTRIBUTION) else []
    return [*first, *nodes[: settings.nodes]], nodes[settings.nodes :]


def examine(evidence: Evidence, settings: AuditSettings) -> Examined:
    """Choose the facets to judge: all contribution units, then the nodes with most entries."""
    splits = {
        name: split_contribution(evidence.contribution, evidence.samples, settings.seed)
        if name == CONTRIBUTION
        else split_node(evidence.nodes[name], settings.seed)
        for name in chosen_features(evidence.counts, settings)[0]
    }
    return gather(evidence, splits, settings)


def gather(evidence: Evidence, splits: Mapping[str, Split], settings: AuditSettings) -> Examined:
    """Gather the parts that are large enough to be judged, and say what is left out."""
    places: list[tuple[str, int]] = []
    left_out = (
        [] if CONTRIBUTION in splits else ["Contribution units: the library holds no contribution windows"]
    )
    for name, split in splits.items():
        training = evidence.samples.of("training")[evidence.of(name).owner]
        sizes = np.bincount(split.labels[training], minlength=split.parts)
        large = np.flatnonzero(sizes >= THRESHOLDS.fewest).tolist()
        places += [(name, part) for part in large]
        if len(large) < split.parts:
            what = "contribution units" if name == CONTRIBUTION else f"facets of {name}"
            left_out.append(
                f"{split.parts - len(large)} {what} with fewer than {THRESHOLDS.fewest} training entries"
            )
    rest = chosen_features(evidence.counts, settings)[1]
    if rest:
        left_out.append(f"{len(rest)} nodes with fewer entries ({', '.join(rest)})")
    facets = [facet_of(name, evidence.of(name), splits[name], part) for name, part in places]
    return Examined(facets, _units(evidence, splits), left_out, places)


def _units(evidence: Evidence, splits: Mapping[str, Split]) -> dict[str, str]:
    if CONTRIBUTION not in splits:
        return {}
    names = [f"{CONTRIBUTION}:{label}" for label in splits[CONTRIBUTION].labels]
    return dict(zip(evidence.contribution.ids.tolist(), names, strict=True))


def surroundings(evidence: Evidence, settings: AuditSettings) -> Surroundings:
    """Gather what every facet is held against."""
    samples, windows = evidence.samples, evidence.contribution
    training = samples.of("training")
    pool = np.flatnonzero(training[windows.owner])
    rng = np.random.default_rng(settings.seed)
    rows = rng.choice(len(pool), min(4 * COMPARED, len(pool)), replace=False)
    return Surroundings(
        samples,
        training,
        windows.centres(samples)[pool],
        shifted_correlation(np.asarray(windows.detail[pool[rows]])),
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
