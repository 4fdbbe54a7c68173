"""The result of an audit in memory: its findings and the pictures that show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal_audit.bundle.coverage import CoverageRow
from foveal_audit.bundle.schema import Assessment, EntryRef, Findings, GapFinding
from foveal_audit.bundle.worklist import Order

#: Pixels of one crop: height, width, channels (1 grey, 3 RGB or 4 RGBA).
Crop = NDArray[np.uint8]
#: Raw signed attribution of one crop on the layer's grid (h, w).
Map = NDArray[np.float32]


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


@dataclass(frozen=True)
class GapEvidence:
    """What a gap looks like: production crops, the entry behind each, and its nearest training crop."""

    finding: GapFinding
    crops: Sequence[Crop] = ()
    refs: Sequence[EntryRef] = ()
    nearest: Sequence[Crop] = ()


@dataclass(frozen=True)
class AuditResult:
    """All that goes into a bundle, except the generators' own files."""

    findings: Findings
    facets: Sequence[FacetEvidence] = ()
    gaps: Sequence[GapEvidence] = ()
    coverage: Sequence[CoverageRow] = field(default=())
    worklist: Sequence[Order] = field(default=())
