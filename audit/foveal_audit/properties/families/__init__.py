"""Families of whole-picture statistics: each gives some numbers per tile of each picture.

All are model-independent and direction-free: whether much or little of them marks a carrier is found out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from foveal_audit.properties.families.colour import colour
from foveal_audit.properties.families.compression import compression
from foveal_audit.properties.families.frame import frame
from foveal_audit.properties.families.grain import grain
from foveal_audit.properties.families.lines import lines
from foveal_audit.properties.families.strokes import strokes
from foveal_audit.properties.tiles import Batch, Floats

#: From pictures to statistics by name, float32 (n, tiles) each; the number of tiles is the family's own.
Family = Callable[[Batch], Mapping[str, Floats]]

FAMILIES: dict[str, Family] = {
    "colour": colour,
    "grain": grain,
    "lines": lines,
    "strokes": strokes,
    "compression": compression,
    "frame": frame,
}
