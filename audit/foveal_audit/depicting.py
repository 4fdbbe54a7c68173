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
from foveal.samples import read_image
from foveal.samples.images import Pixels
from foveal_audit.bench import is_unchanged
from foveal_audit.bundle.evidence import Crop, FacetEvidence, GapEvidence
from foveal_audit.bundle.schema import Assessment, GapFinding
from foveal_audit.bundle.writing import generator_folder
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
from foveal_audit.generators.unit_value import unit_measure
from foveal_audit.judgement.assessing import entry_ref
from foveal_audit.lattice import make_lattice
from foveal_audit.settings import AuditSettings
from foveal_audit.units.appearance import SIDE
from foveal_audit.units.unit import Unit
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
    candidates = [read_image(Path(str(file))) for file in islice(files, _CANDIDATES)]
    measure = unit_measure(model, outcome, unit)
    hosts = coldest(measure, candidates, _HOSTS)
    return Pasting(measure, hosts, _places(windows, samples)) if hosts else None


def _places(windows: Windows, samples: Samples) -> list[Place]:
    sizes = np.array([samples.shapes[owner][:2] * 2 for owner in windows.owner], np.float64)
    return [(y0, x0, y1, x1) for y0, x0, y1, x1 in (windows.boxes / sizes).tolist()]


def _network_eyes(
    windows: Windows, samples: Samples, model: AuditedModel
) -> Callable[[NDArray[np.floating]], NDArray[np.float32]]:
    """Describe crops at the common size by what the network makes of them at the scale it saw them."""
    y0, x0, y1, x1 = windows.boxes[0]
    height, width = samples.shapes[windows.owner[0]][:2]
    shape = (height * SIDE / (y1 - y0), width * SIDE / (x1 - x0))
    embed = CropEmbedder(model, (_pictures(windows.images[:1])[0], shape))

    def describe(crops: NDArray[np.floating]) -> NDArray[np.float32]:
        return embed(_pictures(crops), [shape] * len(crops))

    return describe


def facet_evidence(
    assessment: Assessment, windows: Windows, samples: Samples, drawn: Drawn | None
) -> FacetEvidence:
    """Gather what a facet looks like: its strongest crops, one per sample, and generated variants."""
    rows = _typical(windows, samples)
    evidence = FacetEvidence(
        assessment=assessment,
        crops=[_eight_bits(windows.pixels(row)) for row in rows],
        maps=[windows.maps[row] for row in rows],
        refs=[entry_ref(windows, row, samples) for row in rows],
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


def gap_evidence(finding: GapFinding, gap: Gap, windows: Windows, samples: Samples) -> GapEvidence:
    """Gather what a gap looks like: production crops, each with the training crop nearest to it."""
    shown = [int(row) for row in gap.windows[: len(gap.nearest)]]
    return GapEvidence(
        finding=finding,
        crops=[_eight_bits(windows.pixels(row)) for row in shown],
        refs=[entry_ref(windows, row, samples) for row in shown],
        nearest=[_eight_bits(windows.pixels(int(row))) for row in gap.nearest],
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


def _eight_bits(pixels: Pixels) -> Crop:
    scale = np.iinfo(pixels.dtype).max / 255
    return (pixels.astype(np.float32) / scale).round().astype(np.uint8)


def _pictures(crops: NDArray[np.floating]) -> Sequence[Crop]:
    return list((np.clip(crops, 0, 1).transpose(0, 2, 3, 1) * 255).round().astype(np.uint8))
