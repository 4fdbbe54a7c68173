"""An alarm on the live stream that may be looked at after every sample.

Each sample has a score (how unlike training it is). While training and stream are exchangeable, the rank of a
score among all before it is uniform and independent of the past (Vovk, Nouretdinov and Gammerman 2003,
"Testing exchangeability on-line"). Several gamblers bet that low p-values come too often; their capital is a
test martingale, so that it ever reaches 1 / alpha with a probability of alpha at most (Ville 1939), however
long the stream is and however often it is looked at.

Scores are only counted in cells fixed at the start, with ties broken by chance: the p-values stay exact, and
the state stays small. Gamblers share a part of their capital that falls with time (Herbster and Warmuth 1998,
fixed share), so that a change late in the stream still finds one that is not broke.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError

#: A gambler expects p-values below ``level`` in excess, and puts ``stake`` of the capital on it.
LEVELS, STAKES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4), (0.02, 0.05, 0.15, 0.4)
_CELLS = 256
_SHARED = 100
_VERSION = 2
_ALL = (1 << 64) - 1

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Alarm:
    """The state of an alarm: what was seen, and what each gambler has.

    Attributes
    ----------
    alpha
        Highest probability of ever a false alarm, 0 to 1.
    seed
        Breaks ties.
    edges
        Rising upper edges of the cells of scores, one cell lies above all of them.
    counts
        Scores seen in each cell, those of the calibration included.
    capitals
        Logarithm of the capital of each gambler; the first one never bets.
    seen
        Number of stream samples.
    highest
        Highest logarithm of the whole capital so far.
    raised_at
        After how many samples the alarm was raised first, or None.
    """

    alpha: float
    seed: int
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    capitals: tuple[float, ...]
    seen: int = 0
    highest: float = 0.0
    raised_at: int | None = None

    @property
    def evidence(self) -> float:
        """Capital of all gamblers together, 0 or more, 1 at the start: an e-value against "as training"."""
        return float(np.exp(np.logaddexp.reduce(self.capitals)))

    @property
    def power(self) -> float:
        """The same as a power of ten; it never overflows."""
        return float(np.logaddexp.reduce(self.capitals) / np.log(10))

    def to_json(self) -> dict[str, Any]:
        """Write the state as plain JSON."""
        return {"version": _VERSION, **asdict(self)}


def start_alarm(calibration: Iterable[float], *, alpha: float = 0.01, seed: int = 0) -> Alarm:
    """Start an alarm.

    Parameters
    ----------
    calibration
        Scores of held-out training samples; higher = less like training.
    alpha
        Highest probability of ever a false alarm, above 0 and below 1.
    seed
        Breaks ties.

    Raises
    ------
    UsageError
        There is no score, one is not a number, or alpha is no probability.
    """
    scores = np.asarray(list(calibration), dtype=np.float64)
    if not len(scores) or np.isnan(scores).any():
        raise UsageError(
            "The alarm has no usable calibration: "
            + ("a score is not a number" if len(scores) else "no score"),
            "Give it the scores of held-out training samples",
        )
    if not 0 < alpha < 1:
        raise UsageError(
            f"alpha is {alpha}, which is no probability of a false alarm", "Choose it above 0 and below 1"
        )
    edges = _edges(scores)
    cells = np.searchsorted(edges, scores, side="left")
    counts = np.bincount(cells, minlength=len(edges) + 1)
    gamblers = 1 + len(LEVELS) * len(STAKES)
    capitals = (-float(np.log(gamblers)),) * gamblers
    return Alarm(alpha, seed, tuple(edges.tolist()), tuple(counts.tolist()), capitals)


def _edges(scores: Floats) -> Floats:
    """Put as many scores into every cell, and nothing above the largest."""
    finite = np.unique(scores[np.isfinite(scores)])
    if len(finite) <= _CELLS:
        return finite
    return np.unique(np.quantile(finite, np.linspace(0, 1, _CELLS)))


def alarm_from_json(state: dict[str, Any]) -> Alarm:
    """Read what :meth:`Alarm.to_json` wrote.

    Raises
    ------
    UsageError
        It is not such a state, or of another version.
    """
    content = dict(state)
    if content.pop("version", None) != _VERSION:
        raise UsageError("This is no state of an alarm that is known here", "Start the alarm anew")
    lists: dict[str, Any] = {name: tuple(content.pop(name)) for name in ("edges", "counts", "capitals")}
    return Alarm(**lists, **content)


def observe(alarm: Alarm, scores: Iterable[float]) -> Alarm:
    """Take scores of the stream in, in their order; scores that are not numbers count as unlike training.

    Returns
    -------
    The state after them: the same whether they come at once or one by one.
    """
    edges, counts = np.asarray(alarm.edges), np.array(alarm.counts, dtype=np.int64)
    capitals, seen = np.array(alarm.capitals), alarm.seen
    highest, raised_at = alarm.highest, alarm.raised_at
    for score in scores:
        cell = int(np.searchsorted(edges, score, side="left"))  # a NaN lies above all edges
        counts[cell] += 1
        p = _rank(counts, cell, alarm.seed, seen)
        seen += 1
        capitals = _shared(capitals, seen) + np.log(_payoffs(p))
        highest = max(highest, float(np.logaddexp.reduce(capitals)))
        if raised_at is None and highest >= -np.log(alarm.alpha):
            raised_at = seen
    return replace(
        alarm,
        counts=tuple(counts.tolist()),
        capitals=tuple(capitals.tolist()),
        seen=seen,
        highest=highest,
        raised_at=raised_at,
    )


def _rank(counts: NDArray[np.int64], cell: int, seed: int, seen: int) -> float:
    """Give the smoothed p-value of the newest score, which is counted already."""
    chance = _chance(seed, seen)
    return float((counts[cell + 1 :].sum() + chance * counts[cell]) / counts.sum())


def _chance(seed: int, number: int) -> float:
    """Draw a number from 0 to below 1 for a place in the stream: SplitMix64 (Steele, Lea and Flood 2014).

    A generator made for each sample would take longer than all the rest.
    """
    state = (seed * 0xD1342543DE82EF95 + (number + 1) * 0x9E3779B97F4A7C15) & _ALL
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _ALL
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _ALL
    return ((state ^ (state >> 31)) >> 11) / (1 << 53)


def _shared(capitals: Floats, seen: int) -> Floats:
    """Let everyone give away 1 / (seen + 100) of the capital, in equal parts to all."""
    part = 1 / (seen + _SHARED)
    gift = np.logaddexp.reduce(capitals) + np.log(part / len(capitals))
    return np.asarray(np.logaddexp(capitals + np.log1p(-part), gift))


_BET_LEVELS = np.repeat(LEVELS, len(STAKES))
_BET_STAKES = np.tile(STAKES, len(LEVELS))


def _payoffs(p: float) -> Floats:
    """Multiply each capital by this: on average 1 where p is uniform."""
    bets = 1 - _BET_STAKES + _BET_STAKES * (p <= _BET_LEVELS) / _BET_LEVELS
    return np.concatenate([[1.0], bets])
