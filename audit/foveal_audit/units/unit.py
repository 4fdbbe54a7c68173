"""What carries a feature inside the network."""

from __future__ import annotations

from dataclasses import dataclass, field

from foveal_audit.units.formation import Formation


@dataclass(frozen=True)
class Unit:
    """What carries a feature inside the network.

    Attributes
    ----------
    name
        ``contribution:12`` or ``fc1:7``.
    layer
        Where it lives.
    channels
        Its channels or nodes there.
    local
        Whether it lives in the window only (contribution) or in the whole layer (node).
    formation
        How surely the facet that it carries is one kind of thing.
    """

    name: str
    layer: str
    channels: tuple[int, ...]
    local: bool
    formation: Formation = field(default_factory=Formation, compare=False)
