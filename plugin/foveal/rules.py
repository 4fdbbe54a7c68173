"""When a feature counts as present in a sample (US 12,062,225 B2, S3): the three rules.

For every rule "present" means *above a threshold*; a node must be above zero besides, because what is not
passes no ReLU. The rules differ in the threshold: zero; a percentile of the node's own values; the runner-up
of the layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.config import Rule
from foveal.features import CLASS, FeatureName

Floats = NDArray[np.float32]

#: Values whose percentiles one call computes: about a quarter of a millisecond.
_REFRESHED = 32_768


class StreamingQuantile:
    """A percentile of every node of a layer, over all samples so far, in bounded memory.

    A uniform random reservoir of whole rows (Vitter 1985, algorithm R) with a fixed seed: the same samples in
    the same order give the same thresholds. Exact while no more than `capacity` samples were seen.

    Parameters
    ----------
    nodes
        Number of nodes.
    percentile
        Between 0 and 100.
    capacity
        Rows kept.
    """

    def __init__(self, nodes: int, percentile: float, capacity: int = 1024) -> None:
        self._percentile = percentile
        self._rows = np.empty((capacity, nodes), np.float32)
        self._random = np.random.default_rng(0)
        self._seen = 0
        self._due = 1
        self._cursor = 0
        #: Per node the percentile, float32 (nodes,); infinite before the first sample.
        self.thresholds: Floats = np.full(nodes, np.inf, np.float32)

    def add(self, values: Floats) -> None:
        """Take in values (B, nodes); rows that are not finite are left out."""
        for row in values[np.isfinite(values).all(axis=1)]:
            self._seen += 1
            slot = self._seen - 1
            if slot >= len(self._rows):
                slot = int(self._random.integers(self._seen))
            if slot < len(self._rows):
                self._rows[slot] = row
        self._refresh()

    def _refresh(self) -> None:
        """Compute percentiles anew, each node's again when the samples have grown by a twentieth.

        Many rows are gone through a block of nodes at a time: no single request is to wait for all of them.
        """
        if self._cursor == 0 and self._seen < self._due:
            return
        kept = self._rows[: min(self._seen, len(self._rows))]
        step = max(1, _REFRESHED // max(1, len(kept)))
        block = slice(self._cursor, self._cursor + step)
        self.thresholds = self.thresholds.copy()  # whoever judged with the old ones keeps them
        self.thresholds[block] = np.percentile(kept[:, block], self._percentile, axis=0)
        self._cursor = 0 if block.stop >= len(self.thresholds) else block.stop
        if self._cursor == 0:
            self._due = self._seen + 1 + self._seen // 20

    def state(self) -> dict[str, NDArray[Any]]:
        """Give what a later one needs to go on from here."""
        kept = self._rows[: min(self._seen, len(self._rows))].copy()
        due = self._due if self._cursor == 0 else self._seen
        return {"rows": kept, "counts": np.array([self._seen, due]), "thresholds": self.thresholds.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from another's state.

        Raises
        ------
        ValueError
            If it is that of other nodes, or of another capacity.
        """
        rows, thresholds = state["rows"], state["thresholds"]
        if rows.shape[1:] != self.thresholds.shape or thresholds.shape != self.thresholds.shape:
            raise ValueError("the state is that of other nodes")
        seen, due = state["counts"].tolist()
        if len(rows) > len(self._rows) or seen < len(rows):
            raise ValueError("the state does not fit")
        self._rows[: len(rows)] = rows
        self._seen, self._due, self._cursor = seen, due, 0
        self._random = np.random.default_rng(self._seen)
        self.thresholds = thresholds.astype(np.float32)


@dataclass(frozen=True)
class Judgement:
    """What the rule says about a batch, per sample and feature (B, F)."""

    present: NDArray[np.bool_]
    values: Floats
    thresholds: Floats

    def strongest(self, row: int, most: int) -> list[int]:
        """List at most `most` features present in a sample, the furthest above its threshold first.

        Distances are relative to the threshold, so that layers and nodes of different scale compare.
        """
        columns = np.nonzero(self.present[row])[0]
        if len(columns) <= most:
            return [int(column) for column in columns]
        values, thresholds = self.values[row, columns], self.thresholds[row, columns]
        margin = (values - thresholds) / np.maximum(np.abs(thresholds), np.finfo(np.float32).tiny)
        return [int(column) for column in columns[np.argsort(-margin, kind="stable")[:most]]]


class Rules:
    """One activation rule applied to chosen features; safe to share between threads.

    Parameters
    ----------
    rule
        The configured rule.
    features
        The features, each with an index.
    widths
        Number of nodes per layer (classes under ``class``).
    """

    def __init__(self, rule: Rule, features: Sequence[FeatureName], widths: Mapping[str, int]) -> None:
        self.features = tuple(features)
        self._lock = Lock()
        self._primed: dict[str, Floats] = {}
        self._rule = rule
        self._layers = list(dict.fromkeys(feature.layer for feature in self.features))
        self._quantiles = {layer: StreamingQuantile(widths[layer], rule.percentile) for layer in self._layers}
        self._columns = _Columns(self.features)

    def prime(self, activations: Mapping[str, NDArray[np.floating]]) -> None:
        """Fix the percentiles from all samples at once; nothing is learnt from later ones.

        Parameters
        ----------
        activations
            Per layer the values (n, nodes); logits under ``class``. Layers without features are ignored.
        """
        for layer, values in activations.items():
            finite = values[np.isfinite(values).all(axis=1)]
            if layer in self._quantiles and len(finite):
                thresholds = np.percentile(finite, self._rule.percentile, axis=0)
                self._primed[layer] = thresholds.astype(np.float32)

    def state(self) -> dict[str, NDArray[Any]]:
        """Give what has been learnt of every layer, for :meth:`restore` in a later process."""
        with self._lock:
            states = {layer: quantile.state() for layer, quantile in self._quantiles.items()}
        return {f"{layer}/{name}": array for layer, state in states.items() for name, array in state.items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on with what an earlier process had learnt; layers that it does not hold start anew.

        Raises
        ------
        ValueError, KeyError
            If it does not fit these features.
        """
        with self._lock:
            for layer, quantile in self._quantiles.items():
                own = {
                    key.rpartition("/")[2]: array
                    for key, array in state.items()
                    if key.rpartition("/")[0] == layer
                }
                if own:
                    quantile.restore(own)

    def judge(self, activations: Mapping[str, Floats]) -> Judgement:
        """Say which features are present in each sample of a batch.

        Parameters
        ----------
        activations
            Per layer the values (B, nodes), logits under ``class``.
        """
        thresholds = {layer: self._thresholds(layer, activations[layer]) for layer in self._layers}
        batch = len(next(iter(activations.values())))
        values, limits = (self._columns.pick(given, batch) for given in (activations, thresholds))
        return Judgement(values > limits, values, limits)

    def _thresholds(self, layer: str, values: Floats) -> Floats:
        floor = -np.inf if layer == CLASS else 0.0
        if self._rule.kind == "percentile":
            percentiles: Floats = np.broadcast_to(self._percentiles(layer, values), values.shape)
            return np.maximum(percentiles, np.float32(floor))
        return np.maximum(_OF_THE_SAMPLE[self._rule.kind](values), np.float32(floor))

    def _percentiles(self, layer: str, values: Floats) -> Floats:
        if layer in self._primed:
            return self._primed[layer]
        with self._lock:
            self._quantiles[layer].add(values)
            return self._quantiles[layer].thresholds


def _zero(values: Floats) -> Floats:
    return np.zeros_like(values)


def _runner_up(values: Floats) -> Floats:
    """Per node the largest value among the others of its layer."""
    if values.shape[1] == 1:
        return np.full_like(values, -np.inf)
    ordered = np.sort(values, axis=1)
    first, second = ordered[:, -1:], ordered[:, -2:-1]
    return np.where(values == first, second, first).astype(np.float32)


#: Rules whose thresholds depend on the sample alone.
_OF_THE_SAMPLE: dict[str, Callable[[Floats], Floats]] = {"nonzero": _zero, "layer-max": _runner_up}


class _Columns:
    """Where each feature's numbers are: its layer, and its node's place there."""

    def __init__(self, features: Sequence[FeatureName]) -> None:
        self._count = len(features)
        places: dict[str, list[tuple[int, int]]] = {}
        for column, feature in enumerate(features):
            places.setdefault(feature.layer, []).append((column, feature.index or 0))
        self._places = {layer: np.array(pairs).T for layer, pairs in places.items()}

    def pick(self, numbers: Mapping[str, Floats], batch: int) -> Floats:
        """Put the features' numbers side by side: (B, F) out of (B, nodes) per layer."""
        picked = np.empty((batch, self._count), np.float32)
        for layer, (columns, nodes) in self._places.items():
            picked[:, columns] = numbers[layer][:, nodes]
        return picked
