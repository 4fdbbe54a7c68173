"""Strip charts: a trace over time, one lane per channel, with what was found shaded and boxed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from foveal.samples.colours import Colours, evidence
from foveal.samples.legend import INK, PAPER, nice_length
from foveal.samples.marks import DARK, LIGHT, Outlined, font
from foveal.samples.values import Values

#: Lanes at most; of more channels the first are shown.
MOST_LANES = 12
#: Height of a lane as a share of the width, and its least and largest height in pixels.
_LANE, _LEAST, _MOST = 0.28, 24, 160
#: Width below which a chart is a thumbnail: without axis and names.
_THUMBNAIL = 240
_AXIS = 26
#: Pixels between two ticks of a chart that is small, at least.
_LABEL = 50
_GRID = (222, 222, 226)
#: Share of the colour where the map is strongest, and the darkness of the trace.
_OPACITY = 0.75


def draw_strips(
    values: Values,
    width: int,
    *,
    heat: NDArray[np.floating] | None = None,
    regions: Sequence[Outlined] = (),
    spacing: tuple[float, ...] = (),
    channels: Sequence[str] = (),
) -> Image.Image:
    """Draw a trace (T, C) as a chart of this width in pixels.

    Parameters
    ----------
    heat
        A map (T,) in [-1, 1]: time is shaded by it, orange for and blue against.
    regions
        Windows of time, boxed and numbered from 1 in this order.
    spacing
        Seconds per step; the axis counts steps where it is empty.
    channels
        Names of the channels.
    """
    shown = values[:, :MOST_LANES].astype(np.float64)
    lane = int(np.clip(_LANE * width / shown.shape[1] ** 0.5, _LEAST, _MOST))
    named = width >= _THUMBNAIL
    ground = np.empty((lane * shown.shape[1], width, 3), np.uint8)
    ground[:] = PAPER
    if heat is not None:
        ground[:] = _shaded(heat, width)
    for number, trace in enumerate(shown.T):
        part = ground[number * lane : (number + 1) * lane]
        part[-1] = _GRID
        part[_ink(trace, width, lane)] = INK
    picture = Image.new("RGB", (width, len(ground) + (_AXIS if named else 0)), PAPER)
    picture.paste(Image.fromarray(ground))
    draw = ImageDraw.Draw(picture)
    if named:
        _write_axis(draw, len(values), width, len(ground), spacing)
        for number, text in enumerate(_lane_names(shown, channels)):
            _write(draw, text, 4, number * lane + 2)
    for number, region in enumerate(regions, start=1):
        _box(
            draw, region, len(values), (width, len(ground)), f"{number}: {region.score:.2f}" if named else ""
        )
    return picture


def _shaded(heat: NDArray[np.floating], width: int) -> Colours:
    """Colour every column by the strongest evidence in it: (width, 3)."""
    starts = np.arange(width) * len(heat) // width
    ends = np.maximum(np.arange(1, width + 1) * len(heat) // width, starts + 1)
    strongest = np.array([_strongest(heat[a:b]) for a, b in zip(starts, ends, strict=True)])
    opacity = (_OPACITY * np.sqrt(np.abs(strongest).clip(max=1)))[:, None]
    blended: Colours = np.rint(np.array(PAPER) * (1 - opacity) + evidence(strongest) * opacity).astype(
        np.uint8
    )
    return blended


def _strongest(part: NDArray[np.floating]) -> float:
    return float(part[np.abs(part).argmax()])


def _ink(trace: NDArray[np.float64], width: int, height: int) -> NDArray[np.bool_]:
    """Mark the pixels (height, width) of a line through the trace; every extreme shows."""
    if len(trace) < 2 * width:
        at = np.linspace(0, len(trace) - 1, 2 * width)
        trace = np.interp(at, np.arange(len(trace)), trace)
    starts = np.arange(width) * len(trace) // width
    low, high = np.minimum.reduceat(trace, starts), np.maximum.reduceat(trace, starts)
    # Neighbours touch, so that steep flanks are no row of dots.
    low[1:], high[1:] = np.minimum(low[1:], high[:-1]), np.maximum(high[1:], low[:-1])
    bottom, top = float(low.min()), float(high.max())
    scale = (height - 7) / (top - bottom) if top > bottom else 0.0
    middle = 0.0 if scale else (height - 7) / 2
    first = np.rint(3 + middle + (top - high) * scale)
    last = np.rint(3 + middle + (top - low) * scale)
    rows = np.arange(height)[:, None]
    inked: NDArray[np.bool_] = (rows >= first) & (rows <= last)
    return inked


def _lane_names(shown: NDArray[np.float64], channels: Sequence[str]) -> list[str]:
    """Name every lane with its range of values."""
    names = [*channels[: shown.shape[1]], *[""] * (shown.shape[1] - len(channels))]
    return [
        f"{name[:24]} {trace.min():.3g} to {trace.max():.3g}".strip()
        for name, trace in zip(names, shown.T, strict=True)
    ]


def _write(draw: ImageDraw.ImageDraw, text: str, x: float, y: float) -> None:
    """Write on a patch of paper, as the trace may run below."""
    left, top, right, bottom = draw.textbbox((x, y), text, font=font(12))
    draw.rectangle((left - 2, top - 1, right + 2, bottom + 1), fill=PAPER)
    draw.text((x, y), text, fill=INK, font=font(12))


def with_axis(chart: Image.Image, steps: int, spacing: Sequence[float]) -> Image.Image:
    """Write the time of so many steps below a chart that has no axis; steps where their size is unknown."""
    picture = Image.new("RGB", (chart.width, chart.height + _AXIS), PAPER)
    picture.paste(chart)
    long = steps * spacing[0] if spacing else float(steps)
    tick = _round_above(long * _LABEL / chart.width)
    _draw_ticks(ImageDraw.Draw(picture), long, tick, (chart.width, chart.height), " s" if spacing else "")
    return picture


def _round_above(least: float) -> float:
    """Give the smallest of 0.1, 0.2, 0.5, 1, 2, ... that is not below a number above 0."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least)


def _write_axis(
    draw: ImageDraw.ImageDraw, steps: int, width: int, top: int, spacing: Sequence[float]
) -> None:
    """Draw ticks at round times, or at round numbers of steps."""
    long = steps * spacing[0] if spacing else float(steps)
    # Counted in thousandths of a second, because round numbers are whole.
    tick = nice_length(long * 1000 / 5) / 1000 if spacing else float(nice_length(long / 5))
    _draw_ticks(draw, long, tick, (width, top), " s" if spacing else "")


def _draw_ticks(
    draw: ImageDraw.ImageDraw, long: float, tick: float, place: tuple[int, int], unit: str
) -> None:
    """Draw a tick for every so many units of an axis as wide and as far down as `place` says."""
    width, top = place
    for number in range(int(long / tick) + 1):
        x = number * tick / long * width
        draw.line((x, top, x, top + 5), fill=INK)
        text = f"{number * tick:g}{unit}"
        if x + font(12).getlength(text) <= width:
            draw.text((x + 3, top + 6), text, fill=INK, font=font(12))


def _box(draw: ImageDraw.ImageDraw, region: Outlined, steps: int, size: tuple[int, int], text: str) -> None:
    """Draw a window of time over all lanes."""
    width, height = size
    left, right = (round(side / steps * width) for side in region.window)
    right = max(right, left + 3)
    for margin, colour in ((0, DARK), (1, LIGHT)):
        draw.rectangle(
            (left + margin, margin, right - 1 - margin, height - 1 - margin), outline=colour, width=1
        )
    if text:
        long = font(13).getlength(text)
        x = min(max(left, 0), width - long - 6)
        draw.rectangle((x, height - 19, x + long + 6, height - 1), fill=DARK)
        draw.text((x + 3, height - 18), text, fill=LIGHT, font=font(13))
