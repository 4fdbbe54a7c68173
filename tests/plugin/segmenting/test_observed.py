"""What an observer notes of a segmentation network: the receptive fields of its nodes, in every kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_traces import audited as audited_traces
from planted_volumes import WINDOW
from small_segmenters import UNet

from foveal.archives import AuditedModel
from foveal.config import FovealConfig
from foveal.observer import Observer, Seen
from foveal.samples.traces.transform import TraceTransform
from foveal.samples.transform import ImageTransform
from foveal.samples.volumes.transform import VolumeTransform
from foveal.segmenting.network import Segmenter

TRANSFORMS = {
    1: TraceTransform(size=(64,), channels=1),
    2: ImageTransform(size=(32, 48), channels=1, mean=(0.5,), std=(0.25,)),
    3: VolumeTransform(size=(24, 24, 32), channels=1, window=WINDOW),
}


def model(axes, **config):
    torch.manual_seed(axes)
    section = FovealConfig.from_mapping({"rule": "nonzero", **config}, environ={})
    net = Segmenter(UNet(axes).eval())
    return AuditedModel("net", net, TRANSFORMS[axes], (), section, "6" * 64, "net")


def observed(made, shape):
    values = (
        np.random.default_rng(1).uniform(0, 255, shape).astype(np.uint8 if len(shape) == 3 else np.float32)
    )
    seen = Seen("a", 0, values, "production", "2026-01-01T00:00:00Z", "a")
    x = made.transform(values)[None]
    with made.observer(x) as observer:
        _, (found,) = observer.observe([seen], x)
        return found, observer.forward(x), observer


@pytest.mark.parametrize(("axes", "shape"), [(1, (64, 1)), (2, (64, 48, 1)), (3, (24, 24, 32, 1))])
def test_nodes_are_noted_with_their_receptive_fields(axes, shape):
    found, forward, observer = observed(model(axes), shape)
    nodes = [entry for entry in found.entries if entry.feature.startswith("dec:")]
    assert nodes
    assert len({entry.id for entry in found.entries}) == len(found.entries)
    fields = observer._fields.of("dec", forward.x)
    for feature in {entry.feature for entry in nodes}:
        first = next(entry for entry in nodes if entry.feature == feature)
        map_ = forward.grids["dec"][0, int(feature.split(":")[1])]
        cell = np.unravel_index(int(map_.argmax()), map_.shape)
        box = np.array(fields.box(cell)).reshape(2, axes)
        scale = np.array(shape[:-1]) / np.array(forward.x.shape[2:])
        assert first.window == tuple((box * scale).astype(int).ravel().tolist())
        assert 0 < first.share <= 1
        assert first.crop


def test_windows_move_where_fields_cover_most_of_the_sample():
    made = replace(model(2), transform=ImageTransform(size=(16, 16), channels=1, mean=(0.5,), std=(0.25,)))
    found, _, observer = observed(made, (64, 48, 1))
    assert observer._fields.of("dec", torch.zeros(1, 1, 16, 16)) is None
    sizes = {
        (entry.window[2] - entry.window[0], entry.window[3] - entry.window[1]) for entry in found.entries
    }
    assert sizes == {(16, 16)}  # a third of the shorter side


def test_nodes_of_earlier_layers_have_smaller_fields():
    found, *_ = observed(model(2, features=["enc"], layer="auto"), (32, 48, 1))
    sizes = {
        (entry.window[2] - entry.window[0], entry.window[3] - entry.window[1])
        for entry in found.entries
        if entry.feature.startswith("enc:")
    }
    assert sizes <= {(height, width) for height in (2, 3) for width in (2, 3)}
    assert (3, 3) in sizes


def test_classes_are_features_too():
    found, *_ = observed(model(2, features=["class:*"], rule="percentile"), (32, 48, 1))
    assert found.sample.predicted in {0, 1}
    assert found.sample.scores[0] == 0.0


def test_classifiers_are_noted_as_ever():
    made = audited_traces()
    x = torch.zeros(1, 2, 384)
    with made.observer(x) as observer:
        assert observer._fields is None
        assert isinstance(observer, Observer)
