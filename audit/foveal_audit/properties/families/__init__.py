"""Families of whole-sample statistics: each gives some numbers per tile of each sample.

All are model-independent and direction-free: whether much or little of them marks a carrier is found out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from foveal_audit.properties.families.amplitude import amplitude
from foveal_audit.properties.families.bands import bands
from foveal_audit.properties.families.colour import colour
from foveal_audit.properties.families.compression import compression
from foveal_audit.properties.families.frame import frame
from foveal_audit.properties.families.grain import grain
from foveal_audit.properties.families.leads import of_leads
from foveal_audit.properties.families.lines import lines
from foveal_audit.properties.families.strokes import strokes
from foveal_audit.properties.tiles import Batch, Floats

#: From samples to statistics by name, float32 (n, tiles) each; the number of tiles is the family's own.
Family = Callable[[Batch], Mapping[str, Floats]]

#: By the number of axes of the samples.
FAMILIES: Mapping[int, Mapping[str, Family]] = {
    1: {"amplitude": of_leads(amplitude), "grain": of_leads(grain), "bands": of_leads(bands)},
    2: {
        "colour": colour,
        "grain": grain,
        "lines": lines,
        "strokes": strokes,
        "compression": compression,
        "frame": frame,
    },
    3: {"colour": colour, "grain": grain, "lines": lines, "frame": frame},
}
