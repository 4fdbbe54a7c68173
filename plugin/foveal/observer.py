"""The watch on one model: a batch goes in, the prediction and the records of what decided it come out.

The handler and `collect` share it, so production and training are looked at in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
from torch import Tensor, nn

from foveal.attribution import get_evidence_method
from foveal.capture import (
    Forward,
    Tap,
    choose_layer,
    choose_node_layer,
    naming_samples,
    predicted_classes,
)
from foveal.config import FovealConfig
from foveal.crops import Found, cut, find_windows, window_size
from foveal.errors import UsageError
from foveal.evidence import CONTRIBUTION_METHOD, Evidence, Floats, gather
from foveal.features import CLASS, CONTRIBUTION, expand, node_layers
from foveal.records import Entry, Observation, SampleRecord, Source, Window, entry_id
from foveal.rules import Judgement, Rules
from foveal.samples.images import Pixels, encode_png
from foveal.samples.transform import ImageTransform

#: Features explained per sample at most, the strongest first: wide layers must not slow a request down.
MAX_FEATURES = 16

_NO_VECTOR: Floats = np.empty(0, np.float32)


@dataclass(frozen=True)
class Seen:
    """A sample as it came in.

    Attributes
    ----------
    sample
        The path as the data set gave it, or the request id.
    row
        Row inside the request.
    pixels
        The original sample (H, W, C), before any resize.
    source
        Where it came from.
    time
        When it was seen, ISO 8601 in UTC.
    key
        What makes its entries' identity: the request id, or source, name and content hash of a file.
    sha256
        Hash of the sample's bytes; of its pixels where none is given.
    label, metadata, origin
        As in :class:`~foveal.records.SampleRecord`.
    """

    sample: str
    row: int
    pixels: Pixels
    source: Source
    time: str
    key: str
    label: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    origin: str | None = None
    sha256: str = ""


class Observer:
    """Watches one model.

    Parameters
    ----------
    model
        The network, in eval mode.
    transform
        The preprocessing that made the batches; kept for those who redraw samples.
    config
        How to watch.
    model_sha256
        Hash of the model, written into every record.
    example
        A batch (B, C, H, W) as the model takes it; layers that are left to us are chosen on it.
    name
        What to call the example where it does not fit the model.

    Raises
    ------
    UsageError
        If the example does not fit the model, or a layer, feature or method does not exist.
    """

    def __init__(
        self,
        model: nn.Module,
        transform: ImageTransform | None,
        config: FovealConfig,
        model_sha256: str,
        example: Tensor,
        name: str = "example",
    ) -> None:
        self.transform, self.config, self.model_sha256 = transform, config, model_sha256
        self._config_sha256 = config.sha256
        get_evidence_method(config.method)
        with naming_samples([name], example), ExitStack() as undo:
            self.layer = choose_layer(model, example) if config.layer == "auto" else config.layer
            patterns = _patterns(model, config, example)
            self.node_layers = node_layers(patterns) or [choose_node_layer(model, example)]
            self._tap = undo.enter_context(Tap(model, self.layer, self.node_layers))
            self._tap.calibrate(example)
            forward = self._tap.forward(example)
            widths = _widths(forward, self.layer)
            self.features = expand(patterns, widths)
            self._own_layers = _own_layers(forward, config)
            undo.pop_all()
        self.rules = Rules(config.rule, self.features, widths)

    def __enter__(self) -> Observer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the tap off the model."""
        self._tap.close()

    def observe(self, inputs: Sequence[Seen], x: Tensor) -> tuple[Tensor, list[Observation]]:
        """Predict a batch and write down what decided.

        Parameters
        ----------
        inputs
            The samples of the batch, in its order.
        x
            The batch (B, C, H, W) as the model takes it.

        Returns
        -------
        Tensor
            The model's own output (B, n), as without us.
        list of Observation
            One per sample.

        Raises
        ------
        UsageError
            If the batch does not fit the model; names the sample, its size and the mend.
        """
        with naming_samples([seen.sample for seen in inputs], x):
            forward = self.forward(x)
        return forward.output, self.record(inputs, forward)

    def forward(self, x: Tensor) -> Forward:
        """Predict a batch (B, C, H, W), keeping what :meth:`record` needs."""
        return self._tap.forward(x)

    def record(self, inputs: Sequence[Seen], forward: Forward) -> list[Observation]:
        """Write down what decided a forward: one observation per sample of it."""
        values = {layer: _numpy(nodes) for layer, nodes in forward.nodes.items()}
        scores = _numpy(forward.output)
        judged = self.rules.judge({**values, CLASS: scores})
        evidence = gather(
            forward,
            self.features,
            [judged.strongest(row, MAX_FEATURES) for row in range(len(inputs))],
            layer=self.layer,
            method=self.config.method,
            own_layers=self._own_layers,
        )
        predicted = predicted_classes(forward.output).tolist()
        observations = []
        for row, seen in enumerate(inputs):
            nodes = {layer: tuple(batch[row].tolist()) for layer, batch in values.items()}
            record = self._record(seen, predicted[row], tuple(scores[row].tolist()), nodes)
            entries = [*self._entries(seen, record, judged, evidence, row)]
            observations.append(Observation(record, tuple(entries)))
        return observations

    def _entries(
        self, seen: Seen, record: SampleRecord, judged: Judgement, evidence: Evidence, row: int
    ) -> Iterator[Entry]:
        """Make the entries of one sample: its contribution windows, then those of every feature present."""
        scribe = _Scribe(seen, record, self.config)
        map_, product = evidence.contribution[row], evidence.product[row]
        for number, found in enumerate(scribe.windows(map_)):
            yield scribe.entry(
                CONTRIBUTION,
                number,
                found,
                part=map_[found.cells],
                activation=float(map_[found.cells].clip(min=0).sum()),
                vector=product[(slice(None), *found.cells)].sum(axis=(1, 2)),
                method=CONTRIBUTION_METHOD,
                layer=self.layer,
            )
        for one in evidence.features[row]:
            for number, found in enumerate(scribe.windows(one.map)):
                yield scribe.entry(
                    str(self.features[one.column]),
                    number,
                    found,
                    part=one.map[found.cells],
                    activation=float(judged.values[row, one.column]),
                    threshold=float(judged.thresholds[row, one.column]),
                    method=self.config.method,
                    layer=one.layer,
                )

    def _record(
        self, seen: Seen, predicted: int, scores: tuple[float, ...], nodes: dict[str, tuple[float, ...]]
    ) -> SampleRecord:
        return SampleRecord(
            sample=seen.sample,
            row=seen.row,
            source=seen.source,
            time=seen.time,
            predicted=predicted,
            scores=scores,
            activations=nodes,
            model_sha256=self.model_sha256,
            config_sha256=self._config_sha256,
            sample_sha256=seen.sha256 or _hash(seen.pixels),
            shape=seen.pixels.shape,
            label=seen.label,
            origin=seen.origin,
            metadata=seen.metadata,
        )


class _Scribe:
    """Writes the entries of one sample; a window that several features share is cut and packed once."""

    def __init__(self, seen: Seen, record: SampleRecord, config: FovealConfig) -> None:
        self._seen, self._record, self._most = seen, record, config.max_windows
        self._side = window_size(config.window, seen.pixels.shape)
        self._crops: dict[Window, bytes] = {}

    def windows(self, map_: Floats) -> list[Found]:
        """Find the windows of one map."""
        return find_windows(map_, self._seen.pixels.shape, self._side, self._most)

    def entry(
        self,
        feature: str,
        number: int,
        found: Found,
        *,
        part: Floats,
        activation: float,
        method: str,
        layer: str,
        vector: Floats = _NO_VECTOR,
        threshold: float = 0.0,
    ) -> Entry:
        """Write one entry; `part` is the map's crop and `number` the window's rank."""
        seen, record = self._seen, self._record
        return Entry(
            id=entry_id(seen.key, seen.row, feature, number, record.model_sha256),
            feature=feature,
            sample=seen.sample,
            row=seen.row,
            source=seen.source,
            window=found.window,
            activation=activation,
            share=found.score,
            crop=self._crop(found.window),
            map=np.ascontiguousarray(part),
            vector=vector,
            predicted=record.predicted,
            method=method,
            layer=layer,
            threshold=threshold,
            time=seen.time,
            model_sha256=record.model_sha256,
            config_sha256=record.config_sha256,
            label=seen.label,
            metadata=seen.metadata,
        )

    def _crop(self, window: Window) -> bytes:
        if window not in self._crops:
            self._crops[window] = encode_png(cut(self._seen.pixels, window))
        return self._crops[window]


def _patterns(model: nn.Module, config: FovealConfig, example: Tensor) -> tuple[str, ...]:
    return (choose_node_layer(model, example),) if config.features == "auto" else config.features


def _widths(forward: Forward, layer: str) -> dict[str, int]:
    if forward.activations.ndim != 4:
        grid = tuple(forward.activations.shape[2:])
        raise UsageError(f"Layer {layer!r} has the grid {grid}", "Name a layer with a grid of two axes")
    nodes = {name: values.shape[1] for name, values in forward.nodes.items()}
    return {**nodes, CLASS: forward.output.shape[1]}


def _own_layers(forward: Forward, config: FovealConfig) -> list[str]:
    """Name the layers whose channels are mapped on their own grid; a configured layer carries every map."""
    if config.layer != "auto":
        return []
    return [name for name, grid in forward.grids.items() if grid.ndim == 4]


def _numpy(values: Tensor) -> Floats:
    array: Floats = values.detach().float().cpu().numpy()
    return array


def _hash(pixels: Pixels) -> str:
    return hashlib.sha256(repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()).hexdigest()
