"""What a task is: outcomes, the subtypes that have them, and how a scene with given factors is painted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from foveal_audit.planting.canvas import SIZE, Image, Mask
from foveal_audit.planting.chance import Chance

#: Where a scene has its object: anywhere, always at one place, or at the border of the image.
Layout = Literal["free", "locked", "border"]
#: A factor that every task knows: another tone of the whole background, which no outcome depends on.
TONED = "toned"

_LOCKED = (24.0, 40.0)
_BORDER = 6.0


@dataclass(frozen=True)
class Scene:
    """A painted scene.

    Attributes
    ----------
    pixels
        float32 (64, 64, C), roughly 0 to 1.
    masks
        Per factor that is on, the pixels that show it.
    body
        Where the object is; the whole that its factors are parts of.
    """

    pixels: Image
    masks: dict[str, Mask]
    body: Mask

    @property
    def centre(self) -> tuple[int, int]:
        """Middle of the object, (y, x)."""
        rows, columns = np.nonzero(self.body)
        return (int(rows.mean()), int(columns.mean())) if len(rows) else (SIZE // 2, SIZE // 2)


Paint = Callable[[Chance, frozenset[str], Layout], Scene]


@dataclass(frozen=True)
class Subtype:
    """A kind of scene.

    Attributes
    ----------
    outcome
        Its class, 0 to 2.
    factors
        What is on in it.
    role
        ``usual``; ``rare``: occurs, but seldom; ``strange``: occurs only where a gap is planted.
    """

    name: str
    outcome: int
    factors: frozenset[str]
    role: Literal["usual", "rare", "strange"] = "usual"


@dataclass(frozen=True)
class Task:
    """A made-up classification task of three outcomes.

    Attributes
    ----------
    core
        The factors that outcomes depend on: each can be taken out of a scene alone.
    paint
        Gives the scene of given factors: a function of its arguments alone.
    colour
        Whether its images have three channels, else one.
    """

    name: str
    outcomes: tuple[str, str, str]
    core: tuple[str, ...]
    subtypes: tuple[Subtype, ...]
    paint: Paint = field(compare=False)
    colour: bool = True

    def of_role(self, role: str, outcome: int | None = None) -> list[Subtype]:
        """List the subtypes of a role, of one outcome or of all."""
        return [one for one in self.subtypes if one.role == role and outcome in (None, one.outcome)]


def subtype(
    name: str,
    outcome: int,
    *factors: str,
    role: Literal["usual", "rare", "strange"] = "usual",
) -> Subtype:
    """Write a subtype in one line."""
    return Subtype(name, outcome, frozenset(factors), role)


def place(chance: Chance, layout: Layout, margin: float) -> tuple[float, float]:
    """Choose the middle of an object (y, x) that needs ``margin`` pixels on every side."""
    rng = chance.of("place")
    if layout == "locked":
        return _LOCKED
    free = rng.uniform(margin, SIZE - margin, 2)
    if layout == "border":
        free[rng.integers(2)] = (_BORDER, SIZE - _BORDER)[rng.integers(2)]
    return float(free[0]), float(free[1])
