"""How carriers differ from the rest in all statistics at once, and how far changed pictures differ so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from foveal.samples.values import Values
from foveal_audit.properties.measuring import Measured, measure
from foveal_audit.spans import FULL, Span

#: No statistic weighs more than one of so many standard deviations: one that is nearly constant would rule.
_FARTHEST = 5.0


@dataclass(frozen=True)
class Profile:
    """Standardised differences between carriers and the rest.

    Attributes
    ----------
    differences
        Per statistic, in standard deviations of the rest.
    spreads
        Per statistic that standard deviation.
    span
        Which values the statistics take for 0 and 1.
    """

    differences: dict[str, float]
    spreads: dict[str, float]
    span: Span = FULL

    @classmethod
    def of(cls, measured: Measured, carries: NDArray[np.bool_], span: Span = FULL) -> Profile:
        """Compare carriers with the rest."""
        levels = {name: np.median(values, axis=1) for name, values in measured.items()}
        spreads = {name: max(float(level[~carries].std()), 1e-9) for name, level in levels.items()}
        return cls(
            {
                name: float((level[carries].mean() - level[~carries].mean()) / spreads[name])
                for name, level in levels.items()
            },
            spreads,
            span,
        )

    def along(self, changed: Sequence[Values], controls: Sequence[Values]) -> float:
        """Say how far changed pictures differ from their controls as carriers differ from the rest.

        Returns
        -------
        Mean over statistics, those in which carriers differ much counting more: 1 = as much, 0 = not at all
        or twice as much, -1 = the other way.
        """
        levels = [_levels(pictures, self.span) for pictures in (changed, controls)]
        shared = [name for name in self.differences if name in levels[0] and name in levels[1]]
        moved = np.array([(levels[0][name] - levels[1][name]) / self.spreads[name] for name in shared])
        wanted = np.array([self.differences[name] for name in shared])
        likeness = np.clip(1 - np.abs(1 - moved / np.where(wanted == 0, 1e-9, wanted)), -1, 1)
        weights = np.clip(np.abs(wanted), 0, _FARTHEST) ** 2
        return float((weights * likeness).sum() / max(weights.sum(), 1e-9))


@dataclass(frozen=True)
class _Given:
    pictures: Sequence[Values]

    def pixels(self, sample: int) -> Values:
        return self.pictures[sample]


def _levels(pictures: Sequence[Values], span: Span) -> dict[str, float]:
    _, measured = measure(_Given(pictures), range(len(pictures)), span)
    return {name: float(np.median(values, axis=1).mean()) for name, values in measured.items()}
