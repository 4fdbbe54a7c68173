"""The watch on one model: a batch goes in, the prediction and the records of what decided it come out.

The handler and `collect` share it, so production and training are looked at in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import torch
from torch import Tensor, nn

from foveal.attribution import get_evidence_method
from foveal.capture import (
    SCRIPTED_LAYER,
    Forward,
    ScriptedTap,
    Tap,
    choose_layer,
    choose_node_layer,
    listening,
    naming_samples,
    predicted_classes,
)
from foveal.config import FovealConfig
from foveal.crops import Found, find_windows, shifted, window_size
from foveal.developing import develop
from foveal.errors import UsageError
from foveal.evidence import CONTRIBUTION_METHOD, Evidence, Floats, gather
from foveal.features import CLASS, CONTRIBUTION, expand, node_layers
from foveal.records import Entry, Negative, Observation, SampleRecord, Source, Window, entry_id
from foveal.rules import Judgement, Rules
from foveal.samples.images import Pixels
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
        The original sample (H, W, C), before any resize; None where only its bytes are at hand.
    source
        Where it came from.
    time
        When it was seen, ISO 8601 in UTC.
    key
        What makes its entries' identity: the request id, or source, name and content hash of a file.
    sha256
        Hash of the sample's bytes; of its pixels where none is given.
    encoded
        The sample as it was sent, from which whoever develops the observation
        (:func:`foveal.developing.develop`) cuts the crops; not needed where `pixels` are at hand then.
    size
        Height, width and channels of the original; those of `pixels` where none are given.
    frame
        The part of the original that the network saw; None for all of it.
    label, metadata, origin
        As in :class:`~foveal.records.SampleRecord`.
    """

    sample: str
    row: int
    pixels: Pixels | None
    source: Source
    time: str
    key: str
    label: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    origin: str | None = None
    sha256: str = ""
    encoded: bytes = b""
    size: tuple[int, int, int] | None = None
    frame: tuple[int, int, int, int] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and channels of the original."""
        if self.size is not None:
            return self.size
        if self.pixels is None:
            raise ValueError(f"sample {self.sample!r} was seen without its size")
        return self.pixels.shape


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
            self._tap, patterns = _tapped(model, config, example)
            undo.callback(self._tap.close)
            self.layer, self.node_layers = self._tap.layer, list(self._tap.node_layers)
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
        developed = (
            develop(observation, seen.pixels)
            for seen, observation in zip(inputs, self.record(inputs, forward), strict=True)
        )
        return forward.output, list(developed)

    def forward(self, x: Tensor) -> Forward:
        """Predict a batch (B, C, H, W), keeping what :meth:`record` needs."""
        return self._tap.forward(x)

    def listening(
        self,
        heard: Callable[[Forward], None],
        failed: Callable[[Exception], None],
        wanted: Callable[[], bool] = lambda: True,
    ) -> AbstractContextManager[None]:
        """Look on while somebody else runs the model; see :func:`foveal.capture.listening`."""
        return listening(self._tap, heard, failed, wanted)

    def record(self, inputs: Sequence[Seen], forward: Forward) -> list[Observation]:
        """Write down what decided a forward: one observation per sample of it, still to be developed."""
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
            scribe = _Scribe(seen, record, self.config)
            entries = [
                *self._contribution(scribe, evidence, row),
                *self._present(scribe, judged, evidence, row),
            ]
            observations.append(Observation(record, tuple(entries), scribe.negative if entries else None))
        return observations

    def _contribution(self, scribe: _Scribe, evidence: Evidence, row: int) -> Iterator[Entry]:
        """Make the entries of one sample's contribution windows; their vectors need what only we have."""
        map_, product = evidence.contribution[row], evidence.product[row]
        for number, found in enumerate(scribe.windows(map_)):
            part = np.ascontiguousarray(map_[found.cells])
            yield scribe.entry(
                CONTRIBUTION,
                part,
                id=scribe.id(CONTRIBUTION, number),
                window=scribe.place(found),
                share=found.score,
                activation=float(part.clip(min=0).sum()),
                vector=product[(slice(None), *found.cells)].sum(axis=(1, 2)),
                method=CONTRIBUTION_METHOD,
                layer=self.layer,
            )

    def _present(self, scribe: _Scribe, judged: Judgement, evidence: Evidence, row: int) -> Iterator[Entry]:
        """Make one entry, of the whole map, for every feature present in a sample."""
        for one in evidence.features[row]:
            yield scribe.entry(
                str(self.features[one.column]),
                one.map,
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
            sample_sha256=seen.sha256 or _hash(seen),
            shape=seen.shape,
            label=seen.label,
            origin=seen.origin,
            metadata=seen.metadata,
        )


class _Scribe:
    """Writes the entries of one sample."""

    def __init__(self, seen: Seen, record: SampleRecord, config: FovealConfig) -> None:
        self._seen, self._record = seen, record
        self._frame = seen.frame or (0, 0, seen.shape[0], seen.shape[1])
        y0, x0, y1, x1 = self._frame
        self._extent = (y1 - y0, x1 - x0)
        side = window_size(config.window, self._extent)
        self.negative = Negative(seen.encoded, seen.key, self._frame, side, config.max_windows)

    def windows(self, map_: Floats) -> list[Found]:
        """Find the windows of one map."""
        return find_windows(map_, self._extent, self.negative.side, self.negative.most)

    def place(self, found: Found) -> Window:
        """Give a window's place in the original."""
        return shifted(found.window, self._frame)

    def id(self, feature: str, number: int) -> str:
        """Give the identity of the entry of a feature's window, by the window's rank."""
        return entry_id(self._seen.key, self._seen.row, feature, number, self._record.model_sha256)

    def entry(
        self,
        feature: str,
        map_: Floats,
        *,
        activation: float,
        method: str,
        layer: str,
        id: str = "",  # noqa: A002 - the record's word
        window: Window = (),
        share: float = 0.0,
        vector: Floats = _NO_VECTOR,
        threshold: float = 0.0,
    ) -> Entry:
        """Write one entry; without identity, window and share where these are still to be found."""
        seen, record = self._seen, self._record
        return Entry(
            id=id,
            feature=feature,
            sample=seen.sample,
            row=seen.row,
            source=seen.source,
            window=window,
            activation=activation,
            share=share,
            crop=b"",
            map=map_,
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


def _tapped(
    model: nn.Module, config: FovealConfig, example: Tensor
) -> tuple[Tap | ScriptedTap, tuple[str, ...]]:
    """Tap a model; gives the patterns of its features too."""
    if isinstance(model, torch.jit.ScriptModule):
        return ScriptedTap(model, example), _scripted_patterns(config)
    layer = choose_layer(model, example) if config.layer == "auto" else config.layer
    patterns = _patterns(model, config, example)
    return Tap(model, layer, node_layers(patterns) or [choose_node_layer(model, example)]), patterns


def _scripted_patterns(config: FovealConfig) -> tuple[str, ...]:
    """Name the features of a TorchScript network, whose layers have no names but ours."""
    patterns = (SCRIPTED_LAYER,) if config.features == "auto" else config.features
    unknown = [
        name for name in (config.layer, *node_layers(patterns)) if name not in ("auto", SCRIPTED_LAYER)
    ]
    if unknown:
        raise UsageError(
            f"The model is TorchScript, which has no layer {unknown[0]!r}",
            f"Leave layer and features at 'auto', or name {SCRIPTED_LAYER!r} or classes",
        )
    return patterns


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


def _hash(seen: Seen) -> str:
    """Hash a sample by its bytes where they are known, else by its pixels."""
    if seen.pixels is None or seen.encoded:
        return hashlib.sha256(seen.encoded).hexdigest()
    return hashlib.sha256(repr(seen.shape).encode() + np.ascontiguousarray(seen.pixels).tobytes()).hexdigest()
