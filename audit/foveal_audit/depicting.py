"""Pictures for the report: typical crops of a facet with their maps, and what its generator makes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.archives import AuditedModel
from foveal_audit.bench import is_unchanged, reader_of, spacing_of
from foveal_audit.bundle.evidence import Crop, FacetEvidence, GapEvidence
from foveal_audit.bundle.schema import Assessment, GapFinding
from foveal_audit.bundle.writing import generator_folder
from foveal_audit.crop_pictures import field_of, picture_of
from foveal_audit.gaps.embedding import CropEmbedder
from foveal_audit.gaps.finding import Gap
from foveal_audit.generators import (
    Learned,
    TooFewCrops,
    export_generator,
    fresh_crops,
    learn_generator,
    nearest_crops,
)
from foveal_audit.generators.pasting import Pasting, Place, coldest
from foveal_audit.generators.pictures import as_pictures
from foveal_audit.generators.unit_value import unit_measure
from foveal_audit.lattice import make_lattice
from foveal_audit.placing import common_band, placed_ref
from foveal_audit.settings import AuditSettings
from foveal_audit.units.appearance import SIDE
from foveal_audit.units.resizing import resized
from foveal_audit.units.unit import Unit
from foveal_audit.whole_samples import PICTURES, Reader, whole_samples
from foveal_audit.windows import Samples, Windows

_SHOWN = 12
_GENERATED = 8
#: More crops than this teach a generator of this size nothing new.
_MOST_CROPS = 800
_CANDIDATES, _HOSTS = 96, 48  # samples asked for how cold they leave a unit, and those that crops go into


@dataclass(frozen=True)
class Drawn:
    """A learned generator, how to write it, and the facet of its feature that it shows."""

    learned: Learned
    write: Callable[[Path], object]
    facet: int = 0


def draw_generator(
    windows: Windows,
    samples: Samples,
    model: AuditedModel,
    settings: AuditSettings,
    unit: Unit | None = None,
) -> Drawn | None:
    """Learn how the crops of a facet look; None where there are too few.

    The card measures the generator in the audited network's own eyes, where blur that pixels forgive shows,
    and by what pasted crops do to the unit; without one, by what they do to the class it speaks for.
    """
    rows = np.arange(len(windows))
    if len(rows) > _MOST_CROPS:
        rows = np.sort(np.random.default_rng(settings.seed).choice(rows, _MOST_CROPS, replace=False))
    chosen = windows.take(rows)
    try:
        learned = learn_generator(
            chosen.images,
            groups=chosen.owner.tolist(),
            kind=settings.generator_kind,
            seed=settings.seed,
            steps=settings.generator_steps,
            embed=_network_eyes(chosen, samples, model),
            activation=_activation(windows, samples, model, unit, settings.seed),
            metadata={column: values[chosen.owner].tolist() for column, values in samples.metadata.items()},
            span=windows.span,
        )
    except TooFewCrops:
        return None
    return Drawn(learned, _writer(learned, settings.seed))


def _writer(learned: Learned, seed: int) -> Callable[[Path], object]:
    def write(folder: Path) -> object:
        return export_generator(
            learned.generator,
            folder,
            learned.card,
            seed=seed,
            crops=learned.crops,
            originals=learned.originals,
            guard=learned.guard,
        )

    return write


def _activation(
    windows: Windows, samples: Samples, model: AuditedModel, unit: Unit | None, seed: int
) -> Pasting | None:
    """Paste crops into training samples without the facet that leave the unit coldest; None without any."""
    outcome = int(np.bincount(samples.predicted[windows.owner]).argmax())
    free = samples.of("training") & (samples.predicted != outcome)
    free[windows.owner] = False
    order = np.random.default_rng(seed).permutation(np.flatnonzero(free))
    files = (samples.origins[row] for row in order if is_unchanged(samples.origins[row], samples.sha256[row]))
    candidates = list(map(reader_of(model), map(str, islice(files, _CANDIDATES))))
    measure = unit_measure(model, outcome, unit)
    hosts = coldest(measure, candidates, _HOSTS)
    return Pasting(measure, hosts, _places(windows, samples), windows.span) if hosts else None


def _places(windows: Windows, samples: Samples) -> list[Place]:
    sides = windows.sides(samples)
    return [tuple(place) for place in (windows.boxes / np.concatenate([sides, sides], axis=1)).tolist()]


def _network_eyes(windows: Windows, samples: Samples, model: AuditedModel) -> _Eyes:
    """Describe crops at the common size by what the network makes of them at the scale it saw them."""
    return _EYES.get(windows.axes, _eyes_on_samples)(windows, samples, model)


def _eyes_on_pictures(windows: Windows, samples: Samples, model: AuditedModel) -> _Eyes:
    y0, x0, y1, x1 = windows.boxes[0]
    height, width = samples.shapes[windows.owner[0]][:2]
    shape = (height * SIDE / (y1 - y0), width * SIDE / (x1 - x0))
    embed = CropEmbedder(model, (_pictures(windows.images[:1])[0], shape))

    def describe(crops: NDArray[np.floating]) -> NDArray[np.float32]:
        return embed(_pictures(crops), [shape] * len(crops))

    return describe


def _eyes_on_samples(windows: Windows, samples: Samples, model: AuditedModel) -> _Eyes:
    """Show the network crops as long as windows are, in the unit of the samples."""
    first, shape = windows.crop(0), samples.shapes[windows.owner[0]]
    embed = CropEmbedder(model, (first, shape), _spacing(windows, samples, model))

    def describe(crops: NDArray[np.floating]) -> NDArray[np.float32]:
        large = (resized(np.moveaxis(crop, 0, -1), first.shape[:-1]) for crop in crops)
        values = [windows.span.values(np.moveaxis(crop, 0, -1), first.dtype) for crop in large]
        return embed(values, [shape] * len(values))

    return describe


def _spacing(windows: Windows, samples: Samples, model: AuditedModel) -> tuple[float, ...]:
    """Say how large the steps of the first sample are of which it is recorded, or whose file is there."""
    owners = np.unique(windows.owner)
    if recorded := next(filter(None, map(samples.spacing, owners.tolist())), None):
        return recorded
    for owner in owners:
        if is_unchanged(samples.origins[owner], samples.sha256[owner]):
            return spacing_of(reader_of(model)(str(samples.origins[owner])))
    return ()


_Eyes = Callable[[NDArray[np.floating]], NDArray[np.float32]]
#: By the number of axes; pictures are scaled to the network's size at once, whose figures cards hold.
_EYES: Mapping[int, Callable[[Windows, Samples, AuditedModel], _Eyes]] = {2: _eyes_on_pictures}


def facet_evidence(
    assessment: Assessment,
    windows: Windows,
    samples: Samples,
    drawn: Drawn | None,
    kept: Windows | None = None,
    reader: Reader = PICTURES,
) -> FacetEvidence:
    """Gather what a facet looks like: its strongest crops, one per sample, and generated variants.

    Parameters
    ----------
    kept
        What is known of samples whose file is gone; without it no whole samples are shown.
    reader
        Reads the files of the others.
    """
    rows = _typical(windows, samples)
    evidence = FacetEvidence(
        assessment=assessment,
        crops=[picture_of(windows.crop(row), windows.span) for row in rows],
        maps=[field_of(windows.maps[row], _sides(windows, row)) for row in rows],
        refs=[placed_ref(windows, row, samples) for row in rows],
        whole=whole_samples(rows, windows, samples, kept, reader) if kept is not None else (),
        spacing=samples.common_spacing(windows.owner),
        band=None if windows.bands is None else common_band(windows.bands),
    )
    if drawn is None or drawn.facet != assessment.facet:
        return evidence
    learned = drawn.learned
    if learned.card["memorised"]:
        folder = generator_folder(assessment.feature)
        return FacetEvidence(**{**vars(evidence), "card": learned.card, "generator_dir": folder})
    made = fresh_crops(learned.generator, _GENERATED, assessment.facet, learned.guard)
    nearest, _ = nearest_crops(made, learned.crops)
    return FacetEvidence(
        **{
            **vars(evidence),
            "generated": _pictures(made),
            # As recorded: aligned crops have made-up borders.
            "nearest": _pictures(learned.originals[nearest]),
            "card": learned.card,
            "lattice": _lattice(learned, assessment.feature),
            "generator_dir": generator_folder(assessment.feature),
        }
    )


def _lattice(learned: Learned, feature: str) -> Mapping[str, Any]:
    """Precompute what the sliders show where there is no server; copies of real crops are left out."""
    words = [str(axis["words"]) for axis in learned.card["axes"]]
    return make_lattice(learned.generator, labels=words, guard=learned.guard).as_json(feature)


def gap_evidence(
    finding: GapFinding, gap: Gap, windows: Windows, samples: Samples, reader: Reader = PICTURES
) -> GapEvidence:
    """Gather what a gap looks like: production crops, each with the training crop nearest to it."""
    shown = [int(row) for row in gap.windows[: len(gap.nearest)]]
    return GapEvidence(
        finding=finding,
        crops=[picture_of(windows.crop(row), windows.span) for row in shown],
        refs=[placed_ref(windows, row, samples) for row in shown],
        nearest=[picture_of(windows.crop(int(row)), windows.span) for row in gap.nearest],
        whole=whole_samples(shown, windows, samples, windows, reader),
    )


def _typical(windows: Windows, samples: Samples) -> list[int]:
    """Choose the strongest window of each of the strongest samples, the strongest first.

    Half of them are of training where it has so many: a new look in production may excite a unit more than
    what the unit learned from, and would stand for it alone.
    """
    order = np.argsort(-windows.activation, kind="stable")
    order = order[np.sort(np.unique(windows.owner[order], return_index=True)[1])]
    learned = samples.of("training")[windows.owner[order]]
    chosen = [*np.flatnonzero(learned)[: _SHOWN // 2], *range(len(order))]
    return [int(row) for row in order[sorted(list(dict.fromkeys(chosen))[:_SHOWN])]]


def _sides(windows: Windows, row: int) -> list[int]:
    box, axes = windows.boxes[row].tolist(), windows.axes
    return [end - start for start, end in zip(box[:axes], box[axes:], strict=True)]


def _pictures(crops: NDArray[np.floating]) -> Sequence[Crop]:
    """Turn crops (n, C, *s) in 0 to 1 into 8 bits; a picture keeps its channels."""
    if crops.ndim != 4:  # a picture's channels; others are drawn
        return list(as_pictures(np.asarray(crops, np.float32)))
    return list((np.clip(crops, 0, 1).transpose(0, 2, 3, 1) * 255).round().astype(np.uint8))
