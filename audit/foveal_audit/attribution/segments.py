"""The parts of a sample that stay or go as a whole: blocks on any number of axes, or superpixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from foveal.errors import UsageError, nearest


def draw_segments(x: Tensor, count: int, kind: str) -> tuple[Tensor, int]:
    """Cut samples (B, C, *S) into parts.

    Parameters
    ----------
    x
        The batch.
    count
        How many parts, about.
    kind
        ``blocks`` of equal sides, the same for all samples, or ``slic`` superpixels of each sample.

    Returns
    -------
    Tensor
        Number of the part that holds each position (B, *S).
    int
        How many parts there are at most; the same whatever the samples show.

    Raises
    ------
    UsageError
        For an unknown kind, fewer than two parts, or superpixels of a signal.
    """
    if kind not in KINDS:
        raise UsageError(f"Unknown segments {kind!r}", nearest(kind, KINDS))
    if count < 2:
        raise UsageError(f"Option 'segments' is {count}", "Give 2 or more")
    return KINDS[kind](x, count)


def _blocks(x: Tensor, count: int) -> tuple[Tensor, int]:
    sides = x.shape[2:]
    cells = [min(side, max(2, round(count ** (1 / len(sides))))) for side in sides]
    numbers, parts = torch.zeros(tuple(sides), dtype=torch.long, device=x.device), 1
    for axis, (side, own) in enumerate(zip(sides, cells, strict=True)):
        along = torch.arange(side, device=x.device) * own // side
        numbers = numbers * own + along.reshape(-1, *[1] * (len(sides) - axis - 1))
        parts *= own
    return numbers.expand(len(x), *sides), parts


def _superpixels(x: Tensor, count: int) -> tuple[Tensor, int]:
    if x.ndim == 3:
        raise UsageError("Superpixels need pixels, the samples are signals", "Choose the segments 'blocks'")
    return torch.stack([_superpixels_of(sample, count) for sample in x]), count


def _superpixels_of(sample: Tensor, count: int) -> Tensor:
    """Cut one sample (C, *S), with fewer superpixels in mind until no more come out than asked for."""
    from skimage.segmentation import slic  # noqa: PLC0415 - slow to import, and rarely asked for

    low, high = sample.amin(), sample.amax()
    image = ((sample - low) / (high - low).clamp(min=1e-12)).movedim(0, -1).double().cpu().numpy()
    for wished in range(count, 0, -1):
        labels = slic(image, n_segments=wished, compactness=0.1, start_label=0, channel_axis=-1)
        if labels.max() < count:
            break
    return torch.from_numpy(labels).long().to(sample.device)


#: Kind of segments -> what draws about so many of them.
KINDS: Mapping[str, Callable[[Tensor, int], tuple[Tensor, int]]] = {
    "blocks": _blocks,
    "slic": _superpixels,
}
