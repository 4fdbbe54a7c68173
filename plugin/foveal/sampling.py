"""Which requests are worth writing down: a random share, what the network is unsure of, and what is new.

Standard library and numpy only: the serving worker imports this.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from foveal.config import Sampling
from foveal.records import Entry, Observation, SampleRecord

Floats = NDArray[np.float64]

#: Samples after which something can be called unlike them.
_LEARNING = 100


def draw(*parts: str) -> float:
    """Draw a number in [0, 1) that depends on the texts alone: whoever asks again gets the same."""
    text = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") / 2**64


def is_sampled(request_id: str, rate: float) -> bool:
    """Decide by its id alone whether a request is observed: a repeated one is decided the same."""
    return draw(request_id) < rate


class Sampler:
    """Decides what is kept of what the network did.

    Parameters
    ----------
    rate
        Share of the requests that are kept anyway.
    sampling
        What is kept beside them, and thinned out of them.
    """

    def __init__(self, rate: float, sampling: Sampling) -> None:
        self._rate, self._sampling = rate, sampling
        self._novelty = Novelty(sampling.novel)
        self._counts: Counter[str] = Counter()
        self._day = ""

    def may_want(self, request_id: str) -> bool:
        """Tell before the forward whether a request might be kept."""
        priorities = self._sampling.uncertain > 0 or self._sampling.novel > 0
        return priorities or is_sampled(request_id, self._rate)

    def keep(self, observation: Observation) -> Observation | None:
        """Keep an observation, what is left of it after thinning, or nothing."""
        sample = observation.sample
        unlike = self._novelty.judge(sample)  # learns from every request, kept or not
        drawn = is_sampled(sample.sample, self._rate)
        if not (drawn or unlike or self._is_uncertain(sample)):
            return None
        return self._thinned(observation)

    def _is_uncertain(self, sample: SampleRecord) -> bool:
        return self._sampling.uncertain > 0 and top_probability(sample.scores) < self._sampling.uncertain

    def _thinned(self, observation: Observation) -> Observation:
        """Keep the n-th entry of a feature with probability size / n, as a reservoir takes it in."""
        if not self._sampling.per_feature:
            return observation
        self._start_day(observation.sample.time[:10])
        kept = tuple(entry for entry in observation.entries if self._takes(entry))
        return replace(observation, entries=kept, negative=observation.negative if kept else None)

    def _takes(self, entry: Entry) -> bool:
        self._counts[entry.feature] += 1
        share = self._sampling.per_feature / self._counts[entry.feature]
        return share >= 1 or draw(entry.sample, entry.feature) < share

    def _start_day(self, day: str) -> None:
        if day != self._day:
            self._day = day
            self._counts.clear()


def top_probability(scores: tuple[float, ...]) -> float:
    """Give the largest probability of logits; one logit stands for two classes."""
    values = np.asarray(scores, np.float64)
    if len(values) == 1:
        values = np.array([values[0], 0.0])
    weights = np.exp(values - values.max())
    return float(weights.max() / weights.sum())


class Novelty:
    """Tells which samples' nodes are least like those of all samples so far.

    The distance is the mean square of the nodes in units of their own spread (Mahalanobis with a diagonal
    covariance), learnt as samples go by (Welford 1962). Told as new is what lies beyond the share's quantile
    of the distances so far, which is tracked by its own sign (Robbins and Monro 1951).

    Parameters
    ----------
    share
        Share of the samples to be told, 0 for none.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._seen = 0
        self._mean = self._squares = np.empty(0)
        self._limit = 0.0

    def judge(self, sample: SampleRecord) -> bool:
        """Tell whether a sample is new, and learn from it."""
        if not self._share:
            return False
        values = np.concatenate(
            [np.asarray(one, np.float64) for one in sample.activations.values()] or [np.zeros(1)]
        )
        if not np.isfinite(values).all():
            return True
        distance = self._distance(values)
        self._learn(values)
        return self._is_beyond(distance)

    def _distance(self, values: Floats) -> float:
        if self._seen < 2:
            return 0.0
        spread = self._squares / (self._seen - 1) + 1e-12
        return float(np.mean((values - self._mean) ** 2 / spread))

    def _learn(self, values: Floats) -> None:
        if self._seen == 0:
            self._mean, self._squares = np.zeros_like(values), np.zeros_like(values)
        self._seen += 1
        step = values - self._mean
        self._mean = self._mean + step / self._seen
        self._squares = self._squares + step * (values - self._mean)

    def _is_beyond(self, distance: float) -> bool:
        beyond = distance > self._limit
        # In steps relative to the limit, so that the unit of the distance does not matter.
        step = max(self._limit, distance, 1e-12) / np.sqrt(self._seen)
        self._limit += step * ((1 - self._share) if beyond else -self._share)
        return beyond and self._seen > _LEARNING
