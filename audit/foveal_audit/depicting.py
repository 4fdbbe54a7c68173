"""Pictures for the report: typical crops of a facet with their maps, and what its generator makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foveal.archives import AuditedModel
from foveal.samples.images import Pixels
from foveal_audit.bundle.evidence import Crop, FacetEvidence, GapEvidence
from foveal_audit.bundle.schema import Assessment, GapFinding
from foveal_audit.bundle.writing import generator_folder
from foveal_audit.gaps.embedding import CropEmbedder
from foveal_audit.gaps.finding import Gap
from foveal_audit.generators import (
    Learned,
    TooFewCrops,
    export_generator,
    learn_generator,
    nearest_crops,
)
from foveal_audit.judgement.assessing import entry_ref
from foveal_audit.settings import AuditSettings
from foveal_audit.units.appearance import SIDE
from foveal_audit.windows import Samples, Windows

_SHOWN = 12
_GENERATED = 8
#: More crops than this teach a generator of this size nothing new.
_MOST_CROPS = 400


@dataclass(frozen=True)
class Drawn:
    """A learned generator, how to write it, and the facet of its feature that it shows."""

    learned: Learned
    write: Callable[[Path], object]
    facet: int = 0


def draw_generator(
    windows: Windows, samples: Samples, model: AuditedModel, settings: AuditSettings
) -> Drawn | None:
    """Learn how the crops of a facet look; None where there are too few.

    The card measures the generator in the audited network's own eyes, where blur that pixels forgive shows.
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
        )
    except TooFewCrops:
        return None

    def write(folder: Path) -> object:
        return export_generator(
            learned.generator,
            folder,
            learned.card,
            seed=settings.seed,
            crops=learned.crops,
            originals=learned.originals,
        )

    return Drawn(learned, write)


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
    rows = _typical(windows)
    evidence = FacetEvidence(
        assessment=assessment,
        crops=[_eight_bits(windows.pixels(row)) for row in rows],
        maps=[windows.maps[row] for row in rows],
        refs=[entry_ref(windows, row, samples) for row in rows],
    )
    if drawn is None or drawn.facet != assessment.facet:
        return evidence
    made = drawn.learned.generator.sample(_GENERATED, assessment.facet)
    nearest, _ = nearest_crops(made, drawn.learned.crops)
    return FacetEvidence(
        **{
            **vars(evidence),
            "generated": _pictures(made),
            # As recorded: aligned crops have made-up borders.
            "nearest": _pictures(drawn.learned.originals[nearest]),
            "card": drawn.learned.card,
            "generator_dir": generator_folder(assessment.feature),
        }
    )


def gap_evidence(finding: GapFinding, gap: Gap, windows: Windows, samples: Samples) -> GapEvidence:
    """Gather what a gap looks like: production crops, each with the training crop nearest to it."""
    shown = [int(row) for row in gap.windows[: len(gap.nearest)]]
    return GapEvidence(
        finding=finding,
        crops=[_eight_bits(windows.pixels(row)) for row in shown],
        refs=[entry_ref(windows, row, samples) for row in shown],
        nearest=[_eight_bits(windows.pixels(int(row))) for row in gap.nearest],
    )


def _typical(windows: Windows) -> list[int]:
    """Choose the strongest window of each of the strongest samples."""
    order = np.argsort(-windows.activation, kind="stable")
    first = np.unique(windows.owner[order], return_index=True)[1]
    return [int(row) for row in order[np.sort(first)][:_SHOWN]]


def _eight_bits(pixels: Pixels) -> Crop:
    scale = np.iinfo(pixels.dtype).max / 255
    return (pixels.astype(np.float32) / scale).round().astype(np.uint8)


def _pictures(crops: NDArray[np.floating]) -> Sequence[Crop]:
    return list((np.clip(crops, 0, 1).transpose(0, 2, 3, 1) * 255).round().astype(np.uint8))
