"""What is examined: the facets of contribution units and of single nodes, and what is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal.features import CONTRIBUTION, FeatureName, check_index
from foveal_audit.bundle.schema import NodeRow
from foveal_audit.bundle.summary import plural
from foveal_audit.judgement.facet import Facet
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.settings import AuditSettings
from foveal_audit.units.choosing import library_differences, most_different
from foveal_audit.units.contribution import directions
from foveal_audit.units.facets import split_node_windows
from foveal_audit.units.formation import Formation
from foveal_audit.units.health import firing_notes, twins
from foveal_audit.units.partition import partition
from foveal_audit.units.unit import Unit
from foveal_audit.units.views import described
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
    formations
        Per part how surely it is one; empty where that was not asked.
    """

    labels: NDArray[np.int64]
    channels: tuple[tuple[int, ...], ...] = ()
    formations: tuple[Formation, ...] = ()

    @property
    def parts(self) -> int:
        """How many parts there are."""
        return int(self.labels.max(initial=-1)) + 1

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Split:
        """Read what ``dataclasses.asdict`` made of one, by way of JSON."""
        return cls(
            np.array(record["labels"], dtype=np.int64),
            tuple(tuple(own) for own in record["channels"]),
            tuple(Formation(**one) for one in record.get("formations", ())),
        )

    def formation(self, part: int) -> Formation:
        """Say how surely a part is one."""
        return self.formations[part] if self.formations else Formation()


def split_contribution(windows: Windows, samples: Samples, seed: int) -> Split:
    """Sort contribution windows into units."""
    parts = partition(windows, samples.predicted[windows.owner], seed=seed)
    channels = tuple(parts.channels(number) for number in range(len(parts.centroids)))
    return Split(parts.labels, channels, parts.formations)


def split_node(windows: Windows, seed: int, network: NDArray[np.float32] | None = None) -> Split:
    """Sort the windows of a node into its kinds.

    Parameters
    ----------
    windows
        Of one node, channel or class.
    seed
        Source of chance.
    network
        float32 (n, D), what the network makes of each crop; without it they are told apart by looks alone.
    """
    views = described(windows, None if network is None else directions(network))
    labels, formed = split_node_windows(views, seed=seed)
    return Split(labels, formations=formed)


def facet_of(feature: str, windows: Windows, split: Split, part: int) -> Facet:
    """Give one part of a feature's windows as a facet: of its own unit, or of the node."""
    own, formation = windows.take(split.labels == part), split.formation(part)
    if feature == CONTRIBUTION:
        name = f"{CONTRIBUTION}:{part}"
        return Facet(Unit(name, windows.layer, split.channels[part], True, formation), 0, own)
    node = FeatureName.parse(feature)
    channels = () if node.index is None else (node.index,)
    return Facet(Unit(feature, node.layer, channels, local=False, formation=formation), part, own)


def chosen_features(
    counts: Mapping[str, int], settings: AuditSettings, *, order: Sequence[str] | None = None
) -> tuple[list[str], list[str]]:
    """Choose what is examined: contribution windows, then nodes; and what is left.

    Parameters
    ----------
    counts
        Number of entries of each recorded feature.
    settings
        Says how many nodes, and which to choose from. Those named one by one come first and are all taken;
        those that the library does not hold are passed over.
    order
        Nodes in the order in which they are chosen, as :func:`rank_nodes` gives it; by default those with
        most entries come first.

    Returns
    -------
    Names of the features to examine, and of the nodes that are left out.
    """
    usual = sorted(counts.keys() - {CONTRIBUTION}, key=lambda name: (-counts[name], name))
    ranked = usual if order is None else list(dict.fromkeys([*order, *usual]))
    named = [name for name in _named(settings.features) if name in counts]
    others = [name for name in ranked if name in counts and is_wanted(name, settings.features)]
    nodes = list(dict.fromkeys([*named, *others]))[: max(settings.nodes, len(named))]
    first = [CONTRIBUTION] if counts.get(CONTRIBUTION) else []
    return [*first, *nodes], [name for name in usual if name not in nodes]


def _named(features: Sequence[str]) -> list[str]:
    """Give the nodes that are named one by one; contribution units have no names before they are found."""
    names = [FeatureName.parse(text) for text in features]
    return [str(name) for name in names if name.index is not None and name.layer != CONTRIBUTION]


def is_wanted(name: str, features: Sequence[str]) -> bool:
    """Tell whether a feature is one of those that names and patterns choose; without any all are."""
    node, wanted = FeatureName.parse(name), [FeatureName.parse(text) for text in features]
    return not features or any(one in (node, FeatureName(node.layer)) for one in wanted)


def require_recorded(
    features: Sequence[str], counts: Mapping[str, int], activations: Mapping[str, NDArray[np.float32]]
) -> None:
    """Refuse names and patterns of what was never recorded; a node that never fired is none of these.

    Parameters
    ----------
    features
        As a person wrote them.
    counts
        Number of entries of each recorded feature.
    activations
        Per layer the value of every node for each sample, (samples, nodes).

    Raises
    ------
    UsageError
        A layer was not recorded (those that were are named), or has no such node.
    """
    layers = dict.fromkeys([CONTRIBUTION, *(FeatureName.parse(name).layer for name in counts), *activations])
    for name in map(FeatureName.parse, features):
        if name.layer not in layers:
            raise UsageError(
                f"Feature '{name}' cannot be audited: the library holds nothing of {name.layer!r}, only of "
                f"{', '.join(layers)}",
                f"Name one of these, or collect again with '{name}' among the features of the model's "
                "configuration",
            )
        if name.layer in activations:
            check_index(name, activations[name.layer].shape[1])


def rank_nodes(libraries: Mapping[str, Windows], samples: Samples, number: int) -> list[str]:
    """Rank nodes so that the libraries of the first ones differ as much as possible (patent claim 10).

    Parameters
    ----------
    libraries
        Windows of each node; their crops are not looked at.
    samples
        What they were found in.
    number
        How many to choose.

    Returns
    -------
    The node with most entries and those that differ most from it and each other; nodes with too few entries
    to be judged are not among them.
    """
    training = samples.of("training")
    sizes = {name: int(training[own.owner].sum()) for name, own in libraries.items() if name != CONTRIBUTION}
    names = sorted(sizes, key=lambda name: (-sizes[name], name))
    names = [name for name in names if sizes[name] >= THRESHOLDS.fewest]
    if not names or number < 1:
        return []
    difference = library_differences([libraries[name] for name in names], samples)
    return [names[place] for place in most_different(difference, number)]


def examine(evidence: Evidence, settings: AuditSettings) -> Examined:
    """Choose the facets to judge: all contribution units, then the nodes whose libraries differ most."""
    wanted = {name: own for name, own in evidence.nodes.items() if is_wanted(name, settings.features)}
    order = rank_nodes(wanted, evidence.samples, settings.nodes)
    splits = {
        name: split_contribution(evidence.contribution, evidence.samples, settings.seed)
        if name == CONTRIBUTION
        else split_node(evidence.nodes[name], settings.seed)
        for name in chosen_features(evidence.counts, settings, order=order)[0]
    }
    return gather(evidence, splits, settings.features)


def gather(evidence: Evidence, splits: Mapping[str, Split], features: Sequence[str] = ()) -> Examined:
    """Gather the parts that are large enough to be judged, and say what is left out.

    Parameters
    ----------
    evidence
        What the library holds.
    splits
        How the windows of each examined feature were split.
    features
        Names and patterns that the features were chosen from; empty for all.
    """
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
            left_out.append(
                f"{_counted(split.parts - len(large), name)} with fewer than {THRESHOLDS.fewest} training "
                "entries"
            )
    asked = {name: count for name, count in evidence.counts.items() if is_wanted(name, features)}
    left_out += _not_chosen(asked, splits)
    left_out += [*_not_asked(evidence.counts, asked), *_empty(features, evidence.counts)]
    left_out += _doubtful(splits, places)
    facets = [facet_of(name, evidence.of(name), splits[name], part) for name, part in places]
    return Examined(facets, _units(evidence, splits), left_out, places)


def _not_chosen(counts: Mapping[str, int], splits: Mapping[str, Split]) -> list[str]:
    rest = sorted(counts.keys() - {CONTRIBUTION} - splits.keys(), key=lambda name: (-counts[name], name))
    if not rest:
        return []
    fewest = min((counts[name] for name in splits if name != CONTRIBUTION), default=0)
    why = "with fewer entries" if counts[rest[0]] <= fewest else "with fewer entries, or like those examined"
    return [f"{len(rest)} nodes {why} ({', '.join(rest)})"]


def _not_asked(counts: Mapping[str, int], asked: Mapping[str, int]) -> list[str]:
    """Say what was left out because somebody chose; contribution windows are always examined."""
    rest = sorted(counts.keys() - {CONTRIBUTION} - asked.keys(), key=FeatureName.parse)
    return [f"{len(rest)} nodes that were not asked for ({', '.join(rest)})"] if rest else []


def _empty(features: Sequence[str], counts: Mapping[str, int]) -> list[str]:
    """Name the nodes that were asked for and have nothing to be judged by."""
    return [f"{name}: the library holds no entry of it" for name in _named(features) if name not in counts]


def _doubtful(splits: Mapping[str, Split], places: Sequence[tuple[str, int]]) -> list[str]:
    names = [
        f"{name}:{part}" if name == CONTRIBUTION else f"facet {part} of {name}"
        for name, part in places
        if splits[name].formation(part).is_doubtful
    ]
    if not names:
        return []
    return [
        f"{', '.join(names)}: examined, but not stable: another part of the library would be sorted otherwise"
    ]


def _counted(number: int, name: str) -> str:
    if name == CONTRIBUTION:
        return plural(number, "contribution unit")
    return f"{plural(number, 'facet')} of {name}"


def _units(evidence: Evidence, splits: Mapping[str, Split]) -> dict[str, str]:
    if CONTRIBUTION not in splits:
        return {}
    names = [f"{CONTRIBUTION}:{label}" for label in splits[CONTRIBUTION].labels]
    return dict(zip(evidence.contribution.ids.tolist(), names, strict=True))


def node_rows(evidence: Evidence, labels: tuple[str, ...]) -> list[NodeRow]:
    """List the nodes as the literal pipeline sees them: its library of each node, and nothing more.

    Nodes of every recorded layer, channels of convolutions among them, then classes and others of which only
    entries are known. The notes name nodes that are dead, nearly so, constant, always on, or another's twin.
    """
    rows, known = [], set()
    for layer, values in evidence.activations.items():
        firing, same = firing_notes(values), twins(values)
        for index in range(values.shape[1]):
            name = f"{layer}:{index}"
            known.add(name)
            row = _node_row(name, values[:, index], evidence, labels)
            twin = f"says the same as {layer}:{same[index]}" if index in same else ""
            rows.append(_noted(row, firing[index], twin))
    others = (name for name in sorted(evidence.nodes.keys() - known, key=FeatureName.parse))
    return rows + [_node_row(name, None, evidence, labels) for name in others]


def _noted(row: NodeRow, firing: str, twin: str) -> NodeRow:
    """Add what is known of a node's values; a dead node needs no other reason for having no entries."""
    own = "" if firing and not row.n_entries else row.note
    notes = dict.fromkeys(note for note in (own or firing, twin) if note)
    return row.model_copy(update={"note": "; ".join(notes)})


def _node_row(
    name: str, values: NDArray[np.float32] | None, evidence: Evidence, labels: tuple[str, ...]
) -> NodeRow:
    windows = evidence.nodes.get(name)
    if windows is None:
        return NodeRow(feature=name, n_entries=0, share=0, note="no entries: never present by the rule")
    owners = np.unique(windows.owner)
    top = int(np.bincount(evidence.samples.predicted[owners]).argmax())
    share = len(owners) / len(evidence.samples)
    return NodeRow(
        feature=name,
        n_entries=len(windows),
        share=share,
        threshold=float(windows.activation.min() if values is None else values[owners].min()),
        top_class=labels[top] if top < len(labels) else str(top),
        note="over-firing: present in more than half of the samples" if share > 1 / 2 else "",
    )
