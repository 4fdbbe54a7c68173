"""A generator's pictures on a lattice, so that sliders work in a file without a server (patent, FIG. 3)."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal_audit.generators.generator import Generator
from foveal_audit.generators.memorisation import CopyGuard
from foveal_audit.generators.pictures import Pictures

from .nodes import DECIMALS, Nodes
from .sprite import Sprite, make_sprite
from .swift import SwiftDecoder
from .tiles import as_tiles, tile_side, told_of

#: Bytes that a feature's pictures may take before base64 adds a third: 16 features stay below 16 MB.
BUDGET = 700_000
_MOST_NODES = 4096  # decoded and kept by the browser
_LARGEST_SHEET = 16_383  # pixels along a side of a WebP
#: Tried in turn until the pictures fit: fewer levels first, then fewer nodes.
_GRADES = (1, 2, 4)


@dataclass(frozen=True)
class Lattice:
    """What the element ``foveal-sliders`` shows when there is no server.

    Attributes
    ----------
    nodes
        Where the pictures stand.
    labels
        What each axis of latent space does, "" where there is no word.
    side
        (h, w) of a tile, see :mod:`.tiles`.
    sprite
        All of them.
    hidden
        Numbers of the nodes that look like a real crop: their tiles are blank.
    seed
        Of the draws and the grain.
    lanes
        Channels of a trace, which the element draws itself; None of any other crop.
    """

    nodes: Nodes
    labels: Sequence[str]
    side: tuple[int, int]
    sprite: Sprite
    hidden: tuple[int, ...] = ()
    seed: int = 0
    lanes: int | None = None

    def as_json(self, feature: str = "", exact: str | None = None) -> dict[str, Any]:
        """Give what goes into the element's script block.

        Parameters
        ----------
        feature
            The feature's name, shown to people.
        exact
            Address that answers with exact frames; None offline.
        """
        data = base64.b64encode(self.sprite.data).decode()
        sliders, count = self._sliders(), self.nodes.axes
        return {
            "feature": feature,
            "axes": [
                {**one, "stops": _plain(own)}
                for one, own in zip(sliders[:count], self.nodes.stops, strict=True)
            ],
            "more": sliders[count:],
            "steps": self.nodes.steps,
            "side": list(self.side),
            **({} if self.lanes is None else {"lanes": self.lanes}),
            "columns": self.sprite.columns,
            "sprite": "data:image/webp;base64," + data,
            "exact": exact,
            "origin": _plain(self.nodes.origin),
            "hidden": list(self.hidden),
            "deviation": self.sprite.deviation,
            "seed": self.seed,
        }

    def _sliders(self) -> list[dict[str, Any]]:
        ends = zip(self.labels, _plain(self.nodes.low), _plain(self.nodes.high), strict=True)
        return [
            {"axis": number, "label": label, "low": low, "high": high}
            for number, (label, low, high) in enumerate(ends)
        ]


def make_lattice(
    generator: Generator,
    axes: int = 4,
    steps: int = 5,
    *,
    labels: Sequence[str] = (),
    guard: CopyGuard | None = None,
    seed: int = 0,
    budget: int = BUDGET,
) -> Lattice:
    """Compute the pictures of a lattice over the first axes.

    Parameters
    ----------
    generator
        As served: guided, with its grain, which stands still.
    axes, steps
        Sliders and nodes along each; fewer where the generator has fewer axes, or where the pictures would
        not fit.
    labels
        What each axis of latent space does, ``words`` of the card's axes; missing ones are left empty.
    guard
        Tells copies of real crops: their tiles are left blank and named. Without one nothing is left out, so
        give it wherever the crops are at hand.
    seed
        Of the draws and the grain; the same seed gives the same bytes.
    budget
        Bytes of the WebP. Values are rounded, then nodes left out, until it fits; the coarsest is taken
        even where it does not.

    Raises
    ------
    ValueError
        Fewer than one axis or two steps, or more than 4096 nodes.
    """
    count = min(axes, generator.latent_dim)
    if count < 1 or steps < 2 or steps**count > _MOST_NODES:
        raise ValueError(
            f"a lattice has an axis, two steps and at most {_MOST_NODES} nodes, got {count} axes of {steps}"
        )
    told = [*labels, *[""] * generator.latent_dim][: generator.latent_dim]
    most = min(steps, _most_steps(generator, count))
    for made in _coarser(generator, (count, most), told, guard, seed):
        if len(made.sprite.data) <= budget:
            break
    return made


def _coarser(
    generator: Generator, size: tuple[int, int], labels: Sequence[str], guard: CopyGuard | None, seed: int
) -> Iterator[Lattice]:
    """Make what is tried in turn: all nodes with fewer levels, then fewer nodes."""
    axes, steps = size
    for density in (steps, *range(steps - 1, 2, -1)):
        nodes = Nodes.of(generator, axes, density, seed, guard)
        pictures, hidden = _shown(generator, nodes, guard, seed)
        for grade in _GRADES if density == steps else _GRADES[-1:]:
            sprite = make_sprite(pictures, _columns(nodes), grade)
            side, told = tile_side(generator.shape), told_of(generator.shape)
            yield Lattice(nodes, labels, side, sprite, hidden, seed, **told)


def _shown(
    generator: Generator, nodes: Nodes, guard: CopyGuard | None, seed: int
) -> tuple[Pictures, tuple[int, ...]]:
    """Draw every node and blank what looks like a real crop."""
    decoded = SwiftDecoder(generator, seed)
    crops = np.concatenate([decoded(z) for z in nodes.latents()])  # one by one: a batch rounds otherwise
    flags = np.zeros(len(crops), bool) if guard is None else guard.flags(crops)
    pictures = as_tiles(crops)
    pictures[flags] = 0
    return pictures, tuple(int(row) for row in np.flatnonzero(flags))


def _columns(nodes: Nodes) -> int:
    """Let the faster half of the axes run along a row: neighbours in the sheet look alike and pack well."""
    return int(nodes.steps ** ((nodes.axes + 1) // 2))


def _most_steps(generator: Generator, axes: int) -> int:
    """Give the number of steps whose sheet the format can hold."""
    longest = max(tile_side(generator.shape))
    return max(2, int((_LARGEST_SHEET / longest) ** (1 / ((axes + 1) // 2)) + 1e-9))


def _plain(values: NDArray[np.float32]) -> list[float]:
    return [round(float(value), DECIMALS) for value in values]
