"""The sections of the report in their order, and the number of each, by which others refer to it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Anchor to heading, in the order of the page.
SECTIONS: Mapping[str, str] = MappingProxyType(
    {
        "artefacts": "Artefacts",
        "gaps": "Training-set gaps",
        "facets": "Every facet examined",
        "nodes": "The literal node pipeline",
        "unexamined": "What was not examined",
        "changes": "What changed since the last audit",
        "opinions": "What experts said",
        "appendix": "Appendix: method, data, hashes",
        "signoff": "Decisions and sign-off",
    }
)
NUMBERS: Mapping[str, int] = MappingProxyType({name: number for number, name in enumerate(SECTIONS, start=1)})
