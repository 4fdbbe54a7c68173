"""Mediation: the share of what a pasted facet does that passes through one unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from foveal_audit.judgement.asking import PROBABILITY, Bench
from foveal_audit.judgement.pairs import Effect
from foveal_audit.judgement.transfer import Transfer, paste_crop
from foveal_audit.units.unit import Unit

_BOOTSTRAPS = 1000


def mediation(bench: Bench, pasted: Transfer, outcome: int, unit: Unit, rng: np.random.Generator) -> Effect:
    """Measure the share of the paste effect that flows through the unit, 0 to 1.

    The unit keeps, inside the pasted window, the value it has in the clean host; what is left of the
    effect did not pass through it: M = 1 - effect held / effect. A unit that lives in the window is not held
    where the paste spills over it, so that its share is rather more than is said.

    The interval draws samples anew, those of which there are fewer, donors or hosts, with all their pairs
    (cluster bootstrap, Field and Welsh 2007).
    """
    changed = [paste_crop(bench, pair, pair.facet) for pair in pasted.pairs]
    clean = [bench.pixels(pair.host) for pair in pasted.pairs]
    held = PROBABILITY(
        bench.logits_held(changed, clean, [pair.window for pair in pasted.pairs], unit), outcome
    )
    shown = PROBABILITY(pasted.with_facet, outcome)
    lost, gain = shown - held, shown - PROBABILITY(pasted.clean, outcome)
    weights = _resampled(min(pasted.shared, key=lambda labels: len(np.unique(labels))), rng)
    shares = _share(weights @ lost, weights @ gain)
    low, high = np.quantile(shares, (0.025, 0.975))
    estimate = float(np.clip(_share(lost.sum(keepdims=True), gain.sum(keepdims=True))[0], low, high))
    p = (1 + np.count_nonzero(shares <= 0)) / (1 + _BOOTSTRAPS)
    return Effect(estimate, float(low), float(high), 0.0, float(p), len(gain))


def _resampled(labels: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Say how often each pair is drawn (draws, n) when whole clusters are drawn with replacement."""
    numbers = np.unique(labels, return_inverse=True)[1]
    clusters = int(numbers.max()) + 1
    times = rng.multinomial(clusters, np.full(clusters, 1 / clusters), _BOOTSTRAPS)
    return np.asarray(times[:, numbers], dtype=np.float64)


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(part / np.maximum(whole, 1e-6), 0, 1)
