"""The watch on one model: a batch goes in, the prediction and the records of what decided it come out.

The handler and `collect` share it, so production and training are looked at in the same way.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from types import TracebackType

import numpy as np
from torch import Tensor, nn

from foveal.attribution import get_evidence_method
from foveal.capture import (
    Forward,
    listening,
    naming_samples,
    predicted_classes,
)
from foveal.config import FovealConfig
from foveal.crops import whole, window_size
from foveal.developing import develop
from foveal.errors import UsageError
from foveal.evidence import CONTRIBUTION_METHOD, Evidence, Floats, gather
from foveal.features import CLASS, CONTRIBUTION, expand
from foveal.records import Entry, Observation, SampleRecord, Window
from foveal.rules import Judgement, Rules
from foveal.samples.kinds import Band, Transform, get_kind
from foveal.samples.places import known_spacing
from foveal.scribing import Scribe, Seen
from foveal.segmenting.fields import FieldBook
from foveal.segmenting.network import Segmenter
from foveal.tapping import tapped

__all__ = ["MAX_FEATURES", "Observer", "Seen"]

#: Features explained per sample at most, the strongest first: wide layers must not slow a request down.
MAX_FEATURES = 16

#: The numbers of axes that a network's input may have, in words.
_AXES = {1: "one axis", 2: "two axes", 3: "three axes"}


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
        A batch (B, C, *S) as the model takes it; layers that are left to us are chosen on it.
    name
        What to call the example where it does not fit the model.

    Raises
    ------
    UsageError
        If the example does not fit the model, a layer, feature or method does not exist, or the window has
        sides for other axes.
    """

    def __init__(
        self,
        model: nn.Module,
        transform: Transform | None,
        config: FovealConfig,
        model_sha256: str,
        example: Tensor,
        name: str = "example",
    ) -> None:
        self.transform, self.config, self.model_sha256 = transform, config, model_sha256
        self._config_sha256 = config.sha256
        get_evidence_method(config.method)
        if transform is not None:  # a window that does not fit is told now, and not with every sample
            axes = len(get_kind(transform.kind).axes)
            window_size(config.window, (1,) * axes, axes)
        with naming_samples([name], example), ExitStack() as undo:
            self._tap, patterns = tapped(model, config, example)
            undo.callback(self._tap.close)
            self.layer, self.node_layers = self._tap.layer, list(self._tap.node_layers)
            self._tap.calibrate(example)
            forward = self._tap.forward(example)
            widths = _widths(forward, self.layer)
            self.features = expand(patterns, widths)
            self._own_layers = _own_layers(forward, config)
            self._fields = _fields(model, example, (self.layer, *self._own_layers))
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
            The batch (B, C, *S) as the model takes it.

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
            develop(observation, seen.values)
            for seen, observation in zip(inputs, self.record(inputs, forward), strict=True)
        )
        return forward.output, list(developed)

    def forward(self, x: Tensor) -> Forward:
        """Predict a batch (B, C, *S), keeping what :meth:`record` needs."""
        return self._tap.forward(x)

    def listening(
        self,
        heard: Callable[[Forward], None],
        failed: Callable[[Exception], None],
        wanted: Callable[[], bool] = lambda: True,
    ) -> AbstractContextManager[None]:
        """Look on while somebody else runs the model; see :func:`foveal.capture.listening`."""
        return listening(self._tap, heard, failed, wanted)

    def laid(
        self, map_: Floats, shape: tuple[int, ...], spacing: tuple[float, ...] = ()
    ) -> tuple[Floats, Window]:
        """Lay a map on the network's grid along a sample's axes.

        Parameters
        ----------
        map_
            The map (..., *grid).
        shape
            Sides of the original sample; its channels may follow.
        spacing
            Size of one step per axis; empty where it is unknown.

        Returns
        -------
        NDArray
            The map (..., *s).
        Window
            The part of the sample that it covers.
        """
        if self.transform is None:
            return map_, whole(shape, map_.ndim)
        laid = self.transform.on_sample(map_, shape, spacing)
        return laid, self.transform.frame(shape, spacing)

    def frame(self, shape: tuple[int, ...], spacing: tuple[float, ...], axes: int) -> Window:
        """Say which part of a sample the network sees; all of it where no preprocessing is known."""
        return whole(shape, axes) if self.transform is None else self.transform.frame(shape, spacing)

    def spacing(self, stated: tuple[float, ...], axes: int) -> tuple[float, ...] | None:
        """Give the size of one step per axis of a sample, from what its file states; None where unknown."""
        told = () if self.transform is None else self.transform.spacing(stated)
        return known_spacing(told, axes)

    def band(
        self, map_: Floats, window: Window, shape: tuple[int, ...], spacing: tuple[float, ...] = ()
    ) -> Band | None:
        """Say at which frequencies the evidence of a map (*grid) in a window of a sample lies, in Hz.

        None where the network's grid has no frequencies, no preprocessing is known, or none stands out.
        """
        return None if self.transform is None else self.transform.band(map_, window, shape, spacing)

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
            scribe = Scribe(seen, record, self)
            entries = [
                *self._contribution(scribe, evidence, row),
                *self._present(scribe, judged, evidence, row, forward.x),
            ]
            observations.append(Observation(record, tuple(entries), scribe.negative if entries else None))
        return observations

    def _contribution(self, scribe: Scribe, evidence: Evidence, row: int) -> Iterator[Entry]:
        """Make the entries of one sample's contribution windows; their vectors need what only we have."""
        raw = evidence.contribution[row]
        map_, product = scribe.laid(raw), scribe.laid(evidence.product[row])
        for number, found in enumerate(scribe.windows(map_)):
            part, place = np.ascontiguousarray(map_[found.cells]), scribe.place(found)
            yield scribe.entry(
                CONTRIBUTION,
                part,
                id=scribe.id(CONTRIBUTION, number),
                window=place,
                share=found.score,
                activation=float(part.clip(min=0).sum()),
                vector=product[(slice(None), *found.cells)].sum(axis=tuple(range(1, product.ndim))),
                method=CONTRIBUTION_METHOD,
                layer=self.layer,
                band=scribe.band(raw, place),
            )

    def _present(
        self, scribe: Scribe, judged: Judgement, evidence: Evidence, row: int, x: Tensor
    ) -> Iterator[Entry]:
        """Make one entry, of the whole map, for every feature present in a sample, or one of every patch."""
        for one in evidence.features[row]:
            feature, map_ = str(self.features[one.column]), scribe.laid(one.map)
            write = partial(
                scribe.entry,
                feature,
                activation=float(judged.values[row, one.column]),
                threshold=float(judged.thresholds[row, one.column]),
                method=self.config.method,
                layer=one.layer,
            )
            fields = self._fields.of(one.layer, x) if self._fields else None
            if map_.ndim != one.map.ndim:
                yield from _heard(scribe, write, feature, one.map, map_)
                continue
            if fields is None or map_.shape != one.map.shape:
                yield write(map_=map_)
                continue
            for number, patch in enumerate(scribe.patches(map_, fields)):
                place, name = scribe.place(patch), scribe.id(feature, number)
                yield write(map_=patch.map, id=name, window=place, share=patch.share)

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
            spacing=self.spacing(seen.spacing, len(seen.shape) - 1),
        )


def _heard(
    scribe: Scribe, write: Callable[..., Entry], feature: str, raw: Floats, map_: Floats
) -> Iterator[Entry]:
    """Find the windows of a map now that has lost an axis: of the raw one alone frequencies can be told."""
    for number, found in enumerate(scribe.windows(map_)):
        place, part = scribe.place(found), np.ascontiguousarray(map_[found.cells])
        yield write(
            map_=part,
            id=scribe.id(feature, number),
            window=place,
            share=found.score,
            band=scribe.band(raw, place),
        )


def _widths(forward: Forward, layer: str) -> dict[str, int]:
    axes = forward.x.ndim - 2
    if forward.activations.ndim != forward.x.ndim or axes not in _AXES:
        grid = tuple(forward.activations.shape[2:])
        raise UsageError(
            f"Layer {layer!r} has the grid {grid}",
            f"Name a layer with a grid of {_AXES.get(axes, 'one to three axes')}",
        )
    nodes = {name: values.shape[1] for name, values in forward.nodes.items()}
    return {**nodes, CLASS: forward.output.shape[1]}


def _own_layers(forward: Forward, config: FovealConfig) -> list[str]:
    """Name the layers whose channels are mapped on their own grid; a configured layer carries every map."""
    if config.layer != "auto":
        return []
    return [name for name, grid in forward.grids.items() if grid.ndim == forward.x.ndim]


def _fields(model: nn.Module, example: Tensor, layers: Sequence[str]) -> FieldBook | None:
    """Measure the receptive fields of a segmentation network's layers now, and not at the first request."""
    if not isinstance(model, Segmenter):
        return None
    book = FieldBook(model)
    for layer in layers:
        book.of(layer, example)
    return book


def _numpy(values: Tensor) -> Floats:
    array: Floats = values.detach().float().cpu().numpy()
    return array


def _hash(seen: Seen) -> str:
    """Hash a sample by its bytes where they are known, else by its values."""
    if seen.values is None or seen.encoded:
        return hashlib.sha256(seen.encoded).hexdigest()
    return hashlib.sha256(repr(seen.shape).encode() + np.ascontiguousarray(seen.values).tobytes()).hexdigest()
