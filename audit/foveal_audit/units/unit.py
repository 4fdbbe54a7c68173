"""What carries a feature inside the network."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    name: str
    layer: str
    channels: tuple[int, ...]
    local: bool
