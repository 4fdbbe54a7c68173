"""Pictures of samples for people: one way for each number of axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.samples import render
from foveal.samples.colours import display
from foveal.samples.legend import with_legend
from foveal.samples.marks import Outlined
from foveal.samples.sheets import shrink
from foveal.samples.slices import draw_slices, place_of
from foveal.samples.strips import draw_strips
from foveal.samples.values import Values, axes_of

#: Width of a chart, and longer side of a slice, where none is given; with a map, charts are wider.
SIZE = 448
_WIDE = {1: 896}

Heat = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Scene:
    """What is to be drawn; see :func:`overlay`. Without heat the sample alone."""

    values: Values
    size: int
    heat: Heat | None = None
    regions: Sequence[Outlined] = ()
    spacing: tuple[float, ...] = ()
    channels: Sequence[str] = ()


class _Draw(Protocol):
    def __call__(self, scene: Scene) -> Image.Image: ...


def depict(
    values: Values, *, size: int = SIZE, spacing: tuple[float, ...] = (), channels: Sequence[str] = ()
) -> Image.Image:
    """Draw a sample or a crop (*S, C) for people, as RGB.

    Parameters
    ----------
    size
        Width of a strip chart and least longer side of a volume's slices in pixels; images keep their size.
    spacing, channels
        As in :class:`~foveal.samples.kinds.Decoded`.
    """
    return DEPICTIONS[axes_of(values)](Scene(values, size, spacing=spacing, channels=channels))


def overlay(
    values: Values,
    heat: Heat,
    regions: Sequence[Outlined],
    caption: str = "",
    *,
    notes: Sequence[str] = (),
    stamp: str = "",
    spacing: tuple[float, ...] = (),
    channels: Sequence[str] = (),
) -> Image.Image:
    """Draw a sample with its map and what was found, with a legend.

    Parameters
    ----------
    values
        The original sample (*S, C).
    heat
        The map at the sample's size (*S), raw and signed.
    regions
        Objects, numbered from 1 in this order.
    caption, notes, stamp
        See :func:`foveal.samples.render.overlay`.
    spacing, channels
        As in :class:`~foveal.samples.kinds.Decoded`.
    """
    if axes_of(values) == 2:
        return render.overlay(values, heat, regions, caption, notes=notes, stamp=stamp)
    scale = render.scale_of(heat)
    scene = Scene(
        values, _WIDE.get(axes_of(values), SIZE), None if scale.flat else heat, regions, spacing, channels
    )
    notes = [*notes, *_SAID.get(axes_of(values), _nothing)(scene)]
    return with_legend(DEPICTIONS[axes_of(values)](scene), scale, [caption, *notes], zoom=None, stamp=stamp)


def tile(values: Values, side: int) -> Image.Image:
    """Draw a sample or a crop (*S, C) so that its longer side is `side`."""
    flat = display(values) if axes_of(values) == 2 else np.asarray(depict(values, size=side))
    return Image.fromarray(shrink(flat, side))


def thumbnail(values: Values, size: int) -> Values:
    """Make a sample as small as its picture of that size need be, for :func:`draw_small`."""
    return shrink(display(values), size) if axes_of(values) == 2 else values


def draw_small(values: Values, heat: Heat, regions: Sequence[Outlined], size: int) -> Image.Image:
    """Draw a small sample with its map at its own size, and numbered objects, without a legend."""
    if axes_of(values) == 2:
        return render.draw_evidence(values, heat, regions, 1, bold=False)
    return DEPICTIONS[axes_of(values)](Scene(values, size, heat, regions))


def _chart(scene: Scene) -> Image.Image:
    end = 0.0 if scene.heat is None else render.scale_of(scene.heat).end
    heat = scene.heat / end if scene.heat is not None and end > 0 else None
    return draw_strips(
        scene.values,
        scene.size,
        heat=heat,
        regions=scene.regions,
        spacing=scene.spacing,
        channels=scene.channels,
    )


def _image(scene: Scene) -> Image.Image:
    return Image.fromarray(display(scene.values))


def _volume(scene: Scene) -> Image.Image:
    return draw_slices(scene.values, scene.size, heat=scene.heat, regions=scene.regions)


def _nothing(scene: Scene) -> list[str]:  # noqa: ARG001
    return []


def _slices(scene: Scene) -> list[str]:
    z, y, x = place = place_of(scene.values, scene.regions)
    far = [f"{axis} {at * step:.1f}" for axis, at, step in zip("zyx", place, scene.spacing, strict=False)]
    return [f"slices, counted from 0: z {z}, y {y}, x {x}{_millimetres(far)}"]


def _millimetres(far: Sequence[str]) -> str:
    return f" ({', '.join(far)} mm from the first)" if far else ""


#: What the reader must know of a picture, by the sample's number of axes.
_SAID: dict[int, Callable[[Scene], list[str]]] = {3: _slices}
#: How samples are drawn, by their number of axes.
DEPICTIONS: dict[int, _Draw] = {1: _chart, 2: _image, 3: _volume}
