"""Masks: which class a segmentation network gave every position, as plain values for answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from foveal.segmenting.scores import by_class

Classes = NDArray[np.int64]


def classes_of(output: Tensor) -> Classes:
    """Give the class of every position (B, *S) of a network's output (B, n, *S)."""
    classes: Classes = by_class(output).argmax(1).cpu().numpy()
    return classes


def runs_of(mask: NDArray[np.bool_]) -> list[int]:
    """Write a mask as lengths of runs, last axis fastest: outside, inside, outside and so on."""
    flat = np.concatenate([[False], mask.ravel()])
    edges = [0, *(int(at) for at in np.flatnonzero(flat[1:] != flat[:-1])), mask.size]
    return [stop - start for start, stop in pairwise(edges)]


def mask_of(runs: Sequence[int], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Read what :func:`runs_of` wrote."""
    flat = np.zeros(sum(runs), bool)
    ends = list(accumulate(runs))
    for start, stop in zip(ends[0::2], ends[1::2], strict=False):
        flat[start:stop] = True
    return flat.reshape(tuple(shape))


def describe_masks(
    classes: Classes, number: int, labels: Mapping[str, str] | None, background: int | None
) -> dict[str, Any]:
    """Say in plain values what was found where.

    Parameters
    ----------
    classes
        The class of every position (*S).
    number
        How many classes there are.
    labels
        Names of the classes by their numbers, as in TorchServe's ``index_to_name.json``.
    background
        The class whose mask is left out.

    Returns
    -------
    dict
        ``shape``, and ``classes``: by name of every class that was found its ``index``, its ``share`` of the
        positions, and its mask as ``runs`` (see :func:`runs_of`), but for the background's.
    """
    counts = np.bincount(classes.ravel(), minlength=number)
    found: dict[str, Any] = {}
    for index in np.flatnonzero(counts).tolist():
        name = str(index) if labels is None else labels.get(str(index), str(index))
        found[name] = {"index": index, "share": int(counts[index]) / classes.size}
        if index != background:
            found[name]["runs"] = runs_of(classes == index)
    return {"shape": list(classes.shape), "classes": found}
