"""Find the gaps of a library: what production shows and training hardly holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from foveal.archives import AuditedModel
from foveal_audit.bench import find_readable
from foveal_audit.gaps.concepts import ConceptGap, Concepts, find_concept_gaps
from foveal_audit.gaps.conjunctions import Conjunction, find_conjunctions, kinds_of_picture
from foveal_audit.gaps.coverage import coverage
from foveal_audit.gaps.description import describe_spaces, source_of
from foveal_audit.gaps.explaining import explanations
from foveal_audit.gaps.search import Group, Sides, choose_groups, kinds_of, order_samples, tested
from foveal_audit.gaps.spaces import Floats, Space, originals
from foveal_audit.windows import Samples, Windows

_SHOWN = 12
#: Training holds less than this part of production's share: the group is missing, not only rare.
_MISSING = 0.05
#: Two groups are the same from this intersection over union on.
_SAME = 0.3


@dataclass(frozen=True)
class Gap:
    """A group of production samples that training hardly holds, or a concept that it lacks.

    Attributes
    ----------
    members
        Positions of the production samples.
    windows, nearest
        Positions of windows that show the group, and of the training windows nearest to them.
    space
        In which description it stands out.
    kind
        ``uncovered_group``, ``under_represented``, ``conjunction``, ``missing_concept`` or
        ``ignored_concept``.
    share
        Part of production.
    trained
        Number of training samples that look alike.
    p
        Family-wise, of such a find among hold-outs of training; None where no group was tested.
    explained_by
        Metadata value, attribute or concept that goes with the group.
    notes
        What else was measured, in sentences.
    """

    members: NDArray[np.int64]
    windows: NDArray[np.int64]
    nearest: NDArray[np.int64]
    space: str
    kind: str
    share: float
    trained: int
    p: float | None
    explained_by: dict[str, str]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Gaps:
    """All gaps, and what could not be told.

    Attributes
    ----------
    found
        The gaps.
    p_values
        Of every production sample, in the order of the samples.
    not_shown
        Names of the concepts of which no window of training or production shows anything.
    """

    found: list[Gap]
    p_values: NDArray[np.float64]
    not_shown: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Scene:
    """What gaps are looked for in: windows of training and production, and their place among all windows."""

    windows: Windows
    samples: Samples
    rows: NDArray[np.int64]
    spaces: list[Space]
    sides: Sides
    seed: int

    @property
    def of_windows(self) -> list[Space]:
        return [space for space in self.spaces if len(space.owner) == len(self.windows)]


def find_gaps(
    windows: Windows,
    samples: Samples,
    model: AuditedModel,
    seed: int,
    concepts: Concepts | None = None,
    readable: NDArray[np.bool_] | None = None,
) -> Gaps:
    """Look for gaps among the contribution windows and the whole pictures.

    Parameters
    ----------
    windows
        Contribution windows of training and production.
    samples
        The samples that they belong to.
    model
        The audited model; half of the descriptions are its own.
    seed
        Source of chance.
    concepts
        What an expert knows to be of interest.
    readable
        bool (samples,), whose files are there and unchanged; found out where it is not given.
    """
    scene = _scene(windows, samples, model, seed, readable)
    spaces = {space.name: space.values for space in scene.of_windows}
    training, production = scene.sides.training, scene.sides.production
    p_values = coverage(spaces, scene.windows.owner, training, production, np.random.default_rng(seed))
    gaps = [_described(group, scene) for group in _groups(scene)]
    gaps = _with_conjunctions(gaps, scene)
    if concepts is None or not len(windows):
        return Gaps(gaps, p_values)
    told = find_concept_gaps(concepts, windows, samples, model, seed)
    not_shown = tuple(one.name for one in told if one.verdict == "not_shown")
    return Gaps(_with_concepts(gaps, told), p_values, not_shown)


def _scene(
    windows: Windows,
    samples: Samples,
    model: AuditedModel,
    seed: int,
    readable: NDArray[np.bool_] | None,
) -> _Scene:
    training, production = samples.of("training"), samples.of("production")
    used = (training | production)[windows.owner]
    known = find_readable(samples) if readable is None else readable
    source = source_of(windows.take(used), samples, known, seed)
    families = originals(samples.sha256)
    sides = Sides(training, production, families == np.arange(len(samples)))
    spaces = describe_spaces(source, model, seed) if used.any() else []
    return _Scene(source.windows, samples, np.flatnonzero(used), spaces, sides, seed)


def _groups(scene: _Scene) -> list[Group]:
    """Find the groups that production shows and training does not, each of one kind."""
    if not scene.spaces:  # nothing could be described: all pictures are alike
        return []
    if not scene.sides.training.any() or not scene.sides.production.any():
        return []
    families = originals(scene.samples.sha256)
    orders = order_samples(scene.spaces, scene.sides, families, scene.seed)
    groups = choose_groups(tested(orders, scene.sides, scene.seed), scene.sides)
    looks = _looks(scene)
    return [kind for group in groups for kind in kinds_of(group, looks, scene.sides.training, scene.seed)]


def _looks(scene: _Scene) -> Floats:
    """Describe each sample by whole pictures, or where there are none by the mean of its windows."""
    chosen = [space for space in scene.spaces if len(space.owner) != len(scene.windows)] or scene.spaces
    parts = []
    for space in chosen:
        sums = np.zeros((len(scene.samples), space.values.shape[1]), dtype=np.float32)
        np.add.at(sums, space.owner, space.values)
        counts = np.bincount(space.owner, minlength=len(sums))[:, None]
        # Each description weighs the same, however many columns it has.
        parts.append(sums / np.maximum(counts, 1) / np.sqrt(np.float32(space.values.shape[1])))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _described(group: Group, scene: _Scene) -> Gap:
    production, training = scene.sides.production.sum(), scene.sides.training.sum()
    share = len(group.members) / production
    shown = _shown_windows(group, scene)
    missing = group.trained / training < _MISSING * share
    return Gap(
        members=group.members,
        windows=scene.rows[shown],
        nearest=scene.rows[_nearest(shown, group.order.space, scene)],
        space=group.order.space,
        kind="uncovered_group" if missing else "under_represented",
        share=float(share),
        trained=group.trained,
        p=group.order.p,
        explained_by=explanations(group.members, scene.samples),
    )


def _shown_windows(group: Group, scene: _Scene) -> NDArray[np.int64]:
    """Give the windows of a group, the most foreign of each sample first, then the others."""
    own = np.flatnonzero(np.isin(scene.windows.owner, group.members))
    by_window = len(group.order.rows) == len(scene.windows)
    scores = group.order.rows[own] if by_window else group.order.samples[scene.windows.owner[own]]
    return _spread(own[np.argsort(-scores, kind="stable")], scene.windows.owner)


def _spread(rows: NDArray[np.int64], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Put the first window of each sample before all others, so that few windows show many samples."""
    first = np.sort(np.unique(owner[rows], return_index=True)[1])
    rest = np.setdiff1d(np.arange(len(rows)), first)
    return np.asarray(rows[np.concatenate([first, rest])])


def _nearest(shown: NDArray[np.int64], name: str, scene: _Scene) -> NDArray[np.int64]:
    """Give for each of the first windows the nearest one of training."""
    trained = np.flatnonzero(scene.sides.training[scene.windows.owner])
    fit = scene.of_windows
    if not len(shown) or not len(trained) or not fit:
        return np.zeros(0, dtype=np.int64)
    space = next((one for one in fit if one.name == name), fit[-1])
    search = NearestNeighbors(n_neighbors=1).fit(space.values[trained])
    return np.asarray(trained[search.kneighbors(space.values[shown[:_SHOWN]])[1][:, 0]])


def _with_conjunctions(gaps: Sequence[Gap], scene: _Scene) -> list[Gap]:
    """Name the groups that are conjunctions, and add those that no group shows."""
    named = list(gaps)
    if not scene.spaces:
        return named
    found = find_conjunctions(_attributes(scene), scene.sides.training, scene.sides.production)
    for one in found:
        place = _same(one.members, named)
        if place is None:
            named.append(_conjunction_gap(one, scene))
        elif named[place].kind != "conjunction":
            told = {**named[place].explained_by, **one.values}
            notes = [*named[place].notes, _apart(one)]
            named[place] = replace(named[place], kind="conjunction", explained_by=told, notes=notes)
    return named


def _attributes(scene: _Scene) -> dict[str, NDArray[np.str_]]:
    """Collect what may be joined: metadata, the predicted class, and kinds of picture."""
    samples = scene.samples
    found: dict[str, NDArray[np.str_]] = {
        **samples.metadata,
        "predicted class": samples.predicted.astype(str),
    }
    for space in scene.spaces:
        if len(space.owner) == len(scene.windows):
            continue
        kinds = kinds_of_picture(space.values, scene.seed)
        if kinds is not None:
            values = np.full(len(samples), "", dtype=kinds.dtype)
            values[space.owner] = kinds
            found[f"kind of {space.name}"] = values
    return found


def _apart(one: Conjunction) -> str:
    pair = " and ".join(f"{name} = {value}" for name, value in one.values.items())
    return (
        f"Training shows {pair} apart: {one.expected:.0f} samples with both were expected, {one.trained} "
        f"are there (G-test and excess in production, all pairs together: p = {one.p:.2g})."
    )


def _conjunction_gap(one: Conjunction, scene: _Scene) -> Gap:
    own = _spread(np.flatnonzero(np.isin(scene.windows.owner, one.members)), scene.windows.owner)
    return Gap(
        members=one.members,
        windows=scene.rows[own],
        nearest=scene.rows[_nearest(own, "", scene)],
        space="attributes",
        kind="conjunction",
        share=float(len(one.members) / scene.sides.production.sum()),
        trained=one.trained,
        p=one.p,
        explained_by=dict(one.values),
        notes=[_apart(one)],
    )


def _same(members: NDArray[np.int64], gaps: Sequence[Gap]) -> int | None:
    """Give the place of the group that is most the same, or None."""
    shares = [_overlap(members, gap.members) for gap in gaps]
    best = int(np.argmax(shares)) if shares else 0
    return best if shares and shares[best] >= _SAME else None


def _overlap(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    return len(np.intersect1d(one, other)) / max(len(np.union1d(one, other)), 1)


def _with_concepts(gaps: Sequence[Gap], concepts: Iterable[ConceptGap]) -> list[Gap]:
    """Name the groups that show a missing concept, and add concepts that no group shows."""
    named = list(gaps)
    for one in concepts:
        if one.verdict in ("covered", "not_shown"):
            continue
        place = _same(one.members, named) if one.verdict == "missing_concept" else None
        if place is None:
            named.append(_concept_gap(one))
            continue
        told = {**named[place].explained_by, "concept": one.name}
        notes = [*named[place].notes, _about(one)]
        named[place] = replace(named[place], kind="missing_concept", explained_by=told, notes=notes)
    return named


def _concept_gap(one: ConceptGap) -> Gap:
    """Write a concept down by itself: no group of production was tested, so none is named."""
    nobody = np.zeros(0, dtype=np.int64)
    told = {"concept": one.name}
    return Gap(nobody, nobody, nobody, "exemplars", one.verdict, 0.0, one.trained, None, told, [_about(one)])


def _about(one: ConceptGap) -> str:
    return (
        f"{one.trained} training samples show a crop like the exemplars of {one.name!r}, and "
        f"{len(one.members)} production samples; the channel that answers most tells exemplars from training "
        f"crops with AUROC {one.seen:.2f}."
    )
