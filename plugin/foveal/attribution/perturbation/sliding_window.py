"""Sliding window: what the model says to each window of the sample by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor

from foveal.attribution.options import at_least
from foveal.attribution.perturbation.passes import Where, box, corners, score_variants, starts
from foveal.attribution.registry import input_method
from foveal.attribution.resizing import resize
from foveal.attribution.subject import Subject
from foveal.errors import UsageError, nearest
from foveal.faithfulness.baselines import make_baseline


@input_method(
    "sliding-window",
    formula="H[m, n] = S(window around m, n)",
    source="Sliding-window classification, as used before detectors were trained",
    cost="many passes",
    sanity="passes",
)
def attribute(
    subject: Subject,
    *,
    window: int | None = None,
    stride: int | None = None,
    content: str = "resize",
    baseline: str = "mean",
) -> Tensor:
    """Score every window of the sample by itself; between the windows' centres the scores are interpolated.

    Parameters
    ----------
    subject
        Classes are explained by their probability, nodes by their value.
    window
        Side of a window, at most the sample's; by default a quarter of each side.
    stride
        Step between windows; by default half a window.
    content
        What the model is given: the window enlarged to the sample's size (``resize``), the window as it is
        (``crop``, for models that take any size), or the window in its place and nothing else (``keep``).
    baseline
        What stands around a window in its place: ``mean``, ``zero`` or ``blur``.

    Returns
    -------
    Tensor
        Maps (B, K, *S) in units of the score.
    """
    at_least("window", window, 1)
    at_least("stride", stride, 1)
    if content not in CONTENTS:
        raise UsageError(f"Unknown content {content!r} of a window", nearest(content, CONTENTS))
    sides = tuple(subject.x.shape[2:])
    windows = [min(side, window or max(1, side // 4)) for side in sides]
    step = stride or max(1, max(windows) // 2)
    other = make_baseline(subject.x, baseline)
    shown = _show(subject.x, other, windows, step, CONTENTS[content])
    scores = score_variants(subject, subject.probabilities, shown)
    centres = [
        [start + (own - 1) / 2 for start in starts(side, own, step)]
        for side, own in zip(sides, windows, strict=True)
    ]
    grid = scores.permute(1, 2, 0).reshape(*scores.shape[1:], *[len(axis) for axis in centres])
    return _interpolate(grid, centres, sides).float()


def _show(
    x: Tensor, other: Tensor, windows: list[int], step: int, content: Callable[..., Tensor]
) -> Iterator[Tensor]:
    for corner in corners(x.shape[2:], windows, step):
        yield content(x, other, box(corner, windows))


def _resized(x: Tensor, _other: Tensor, where: Where) -> Tensor:
    return resize(x[where], x.shape[2:])


def _cropped(x: Tensor, _other: Tensor, where: Where) -> Tensor:
    return x[where]


def _kept(x: Tensor, other: Tensor, where: Where) -> Tensor:
    shown = other.clone()
    shown[where] = x[where]
    return shown


#: How a window is given to the model: batch (B, C, *S), what stands around, and where the window is.
CONTENTS: Mapping[str, Callable[[Tensor, Tensor, Where], Tensor]] = {
    "resize": _resized,
    "crop": _cropped,
    "keep": _kept,
}


def _interpolate(grid: Tensor, centres: list[list[float]], sides: tuple[int, ...]) -> Tensor:
    """Spread values at the windows' centres over all positions, linearly; constant beyond the outermost."""
    for axis, (own, side) in enumerate(zip(centres, sides, strict=True), start=2):
        grid = _interpolate_axis(grid, axis, grid.new_tensor(own), side)
    return grid


def _interpolate_axis(grid: Tensor, axis: int, centres: Tensor, side: int) -> Tensor:
    positions = torch.arange(side, dtype=centres.dtype, device=centres.device)
    upper = (
        torch.searchsorted(centres, positions).clamp(1, max(1, len(centres) - 1)).clamp(max=len(centres) - 1)
    )
    lower = (upper - 1).clamp(min=0)
    gap = (centres[upper] - centres[lower]).clamp(min=1e-6)
    weight = ((positions - centres[lower]) / gap).clamp(0, 1)
    weight = weight.reshape(-1, *[1] * (grid.ndim - axis - 1))
    return torch.lerp(grid.index_select(axis, lower), grid.index_select(axis, upper), weight)
