"""The result of an audit in memory: its findings and the pictures that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal_audit.bundle.coverage import CoverageRow
from foveal_audit.bundle.schema import Assessment, EntryRef, Findings, GapFinding
from foveal_audit.bundle.training import TrainingWindows
from foveal_audit.bundle.worklist import Order

#: Pixels of one crop: height, width, channels (1 grey, 3 RGB or 4 RGBA).
Crop = NDArray[np.uint8]
#: Raw signed attribution of one crop on the layer's grid (h, w).
Map = NDArray[np.float32]


class PlacedRef(EntryRef):
    """An entry with what makes a place of its window; shown to people, no part of ``findings.json``.

    Attributes
    ----------
    spacing
        Size of one step per axis of its sample, in seconds or millimetres; None where it is unknown.
    band
        Lowest and highest frequency of the evidence in Hz; None where it has none.
    """

    spacing: tuple[float, ...] | None = None
    band: tuple[float, float] | None = None


@dataclass(frozen=True)
class WholeSample:
    """The sample that a crop was cut from, small enough to be shown.

    Attributes
    ----------
    picture
        As shown: height, width, channels.
    frame
        Where the crop's window lies: y0, x0, y1, x1, as shares of height and width.
    ref
        The entry of the crop.
    kept_only
        The sample itself is not there any more: what was kept of it is laid out where it was seen, the rest
        is grey.
    sounds
        WAV files of the window, and of what is around it; empty where there is nothing to hear.
    found
        What a segmentation network found there, in words; its outlines are drawn then.
    sides
        Steps of the sample along each axis; empty of pictures.
    """

    picture: Crop
    frame: tuple[float, float, float, float]
    ref: EntryRef
    kept_only: bool = False
    sounds: Sequence[bytes] = ()
    found: str = ""
    sides: tuple[int, ...] = ()


@dataclass(frozen=True)
class FacetEvidence:
    """What a facet looks like.

    Attributes
    ----------
    crops, maps
        Real crops, the most typical first, and the map of each.
    refs
        The entry behind each crop, in the same order; the report then names it.
    generated, nearest
        Crops the generator made, and for each the real crop that comes nearest to it.
    card
        The generator's quality card.
    lattice
        What its sliders show in a page without a server, see
        :meth:`foveal_audit.lattice.lattice.Lattice.as_json`.
    generator_dir
        Where the bundle keeps the generator, relative to the bundle.
    whole
        The whole samples of the first crops, those of training first.
    spacing
        Size of one step per axis where all its samples have the same; None else.
    band
        Frequencies in Hz at which at least half of its entries have evidence; None where there are none.
    """

    assessment: Assessment
    crops: Sequence[Crop] = ()
    maps: Sequence[Map] = ()
    refs: Sequence[EntryRef] = ()
    generated: Sequence[Crop] = ()
    nearest: Sequence[Crop] = ()
    card: Mapping[str, Any] | None = None
    lattice: Mapping[str, Any] | None = None
    generator_dir: str | None = None
    whole: Sequence[WholeSample] = ()
    spacing: Sequence[float] | None = None
    band: Sequence[float] | None = None


@dataclass(frozen=True)
class GapEvidence:
    """What a gap looks like: production crops, the entry behind each, and its nearest training crop.

    ``whole`` are the whole samples of the first crops.
    """

    finding: GapFinding
    crops: Sequence[Crop] = ()
    refs: Sequence[EntryRef] = ()
    nearest: Sequence[Crop] = ()
    whole: Sequence[WholeSample] = ()


@dataclass(frozen=True)
class AuditResult:
    """All that goes into a bundle, except the generators' own files.

    Attributes
    ----------
    training
        All training windows of every facet; without it the bundle has no such table.
    """

    findings: Findings
    facets: Sequence[FacetEvidence] = ()
    gaps: Sequence[GapEvidence] = ()
    coverage: Sequence[CoverageRow] = field(default=())
    worklist: Sequence[Order] = field(default=())
    training: Sequence[TrainingWindows] | None = None

    def cropped(self) -> AuditResult:
        """Give the same without whole samples."""
        facets = [replace(one, whole=()) for one in self.facets]
        return replace(self, facets=facets, gaps=[replace(one, whole=()) for one in self.gaps])
