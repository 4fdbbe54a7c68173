"""Spaces: the descriptions in which gaps are looked for, with what harmless changes make of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Space:
    """One description of windows or of whole pictures.

    Attributes
    ----------
    name
        How a reader is told of it.
    values
        float32 (n, D), one row per window or picture.
    owner
        int64 (n,), the sample of each row.
    copies
        float32 (m, D), training described again after harmless changes; may be empty.
    copied
        int64 (m,), the training sample of each copy.
    """

    name: str
    values: Floats
    owner: NDArray[np.int64]
    copies: Floats
    copied: NDArray[np.int64]

    def highest(self, scores: NDArray[np.float64], samples: int) -> NDArray[np.float64]:
        """Give each sample the highest score of its rows, float64 (samples,); -inf without rows."""
        return _highest(scores, self.owner, samples)

    def highest_copied(self, scores: NDArray[np.float64], samples: int) -> NDArray[np.float64]:
        """Give each sample the highest score of its harmlessly changed copies; -inf without copies."""
        return _highest(scores, self.copied, samples)


def _highest(scores: NDArray[np.float64], owner: NDArray[np.int64], samples: int) -> NDArray[np.float64]:
    highest = np.full(samples, -np.inf)
    np.maximum.at(highest, owner, scores)
    return highest


def standardised(
    name: str,
    values: Floats,
    owner: NDArray[np.int64],
    copies: Floats | None = None,
    copied: NDArray[np.int64] | None = None,
) -> Space | None:
    """Bring every column to mean 0 and spread 1 over the rows; None where no column varies.

    Columns without spread go: they would blow up.
    """
    spread = values.std(axis=0)
    largest = float(np.abs(values).max(initial=0))
    kept = spread > max(1e-3 * float(spread.max(initial=0)), 1e-6 * largest)  # more than rounding
    if not kept.any():
        return None
    mean = values.mean(axis=0)
    scaled = [
        np.asarray((part - mean)[:, kept] / spread[kept], dtype=np.float32)
        for part in (values, np.zeros((0, values.shape[1]), np.float32) if copies is None else copies)
    ]
    rows = np.zeros(0, dtype=np.int64) if copied is None else copied
    return Space(name, scaled[0], owner, scaled[1], rows)


def originals(identities: Sequence[str]) -> NDArray[np.int64]:
    """Say for every sample which is the first with the same content, int64 (samples,).

    A copy must not be learned from where its original is scored, nor be counted as a case of its own.
    Samples without a known hash ("") are originals.
    """
    first: dict[str, int] = {}
    return np.array(
        [first.setdefault(identity, at) if identity else at for at, identity in enumerate(identities)],
        dtype=np.int64,
    ).reshape(-1)
