"""Traces and volumes as gaps are looked for in them: how they were taken, changed harmlessly, and seen."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_library import make_samples, make_windows
from torch import nn

from foveal.archives import AuditedModel
from foveal.config import FovealConfig
from foveal.samples.traces.transform import TraceTransform
from foveal.samples.transform import ImageTransform
from foveal.samples.volumes.transform import VolumeTransform
from foveal_audit.bench import Spaced
from foveal_audit.gaps.description import describe_spaces, intensities, source_of
from foveal_audit.gaps.embedding import CropEmbedder
from foveal_audit.gaps.harmless import harmless_copy
from foveal_audit.gaps.styles import STYLES
from foveal_audit.spans import Span

SPAN = Span((-1.0,), (1.0,))


def model(net, transform):
    config = FovealConfig.from_mapping({}, environ={})
    return AuditedModel("toy", net.eval(), transform, (), config, "0" * 64, "python:toy:model")


def trace_net(channels=1):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(channels, 4, 7, padding=3),
        nn.ReLU(),
        nn.AvgPool1d(2),
        nn.Conv1d(4, 3, 5, padding=2),
        nn.ReLU(),
    )


def test_a_crop_of_a_trace_is_seen_as_it_is_and_described_by_the_last_resolutions():
    net = trace_net()
    embed = CropEmbedder(
        model(net, TraceTransform(size=(500,), channels=1)), (np.zeros((40, 1), np.float32), (500, 1))
    )
    crop = np.random.default_rng(0).normal(size=(40, 1)).astype(np.float32)
    assert embed.layers == ["1", "4"]
    with torch.no_grad():
        first = net[:2](torch.from_numpy(crop.T.copy())[None])
        second = net(torch.from_numpy(crop.T.copy())[None])
    wanted = torch.cat([first.mean(2), second.mean(2)], 1)
    np.testing.assert_allclose(embed([crop], [(500, 1)]), wanted, atol=1e-6)


def test_a_crop_that_does_not_state_its_rate_has_that_of_its_samples():
    transform = TraceTransform(rate=100.0, channels=1)
    crop = np.random.default_rng(1).normal(size=(80, 1)).astype(np.float32)
    told = Spaced.of(crop.copy(), (1 / 200,))
    nets = model(trace_net(), transform)
    with_default = CropEmbedder(nets, (crop, (800, 1)), (1 / 200,))([crop], [(800, 1)])
    without = CropEmbedder(nets, (crop, (800, 1)))
    np.testing.assert_allclose(without([told], [(800, 1)]), with_default)
    assert np.abs(without([crop], [(800, 1)]) - with_default).max() > 1e-3


def test_a_crop_of_a_volume_is_seen_at_the_scale_of_its_sample():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(1, 2, 3, padding=1), nn.ReLU())
    embed = CropEmbedder(
        model(net, VolumeTransform(size=(8, 8, 8), channels=1)),
        (np.zeros((4, 4, 4, 1), np.float32), (8, 8, 8, 1)),
    )
    small = np.full((4, 4, 4, 1), 0.4, np.float32)
    large = np.full((8, 8, 8, 1), 0.4, np.float32)
    found = embed([small, large], [(8, 8, 8, 1), (16, 16, 16, 1)])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


@pytest.mark.parametrize("kind", [np.int16, np.float32])
@pytest.mark.parametrize("shape", [(400, 2), (10, 12, 14, 1)])
def test_a_harmless_change_is_slight_seeded_and_of_the_same_type(kind, shape):
    scale = 1000 if kind == np.int16 else 1
    values = (np.random.default_rng(2).normal(size=shape) * scale).astype(kind)
    one, again = (harmless_copy(values, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert one.dtype == kind
    off = np.abs(one.astype(float) - values).max() / values.astype(float).std()
    assert 0.005 < off < 0.3


def test_a_changed_copy_keeps_its_spacing():
    trace = Spaced.of(np.ones((60, 1), np.float32), (0.002,))
    assert harmless_copy(trace, np.random.default_rng(0)).spacing == (0.002,)


TAKEN = {
    1: lambda rng: rng.normal(0, 0.2, (640, 2)).astype(np.float32),
    3: lambda rng: rng.normal(0, 0.2, (16, 18, 20, 1)).astype(np.float32),
}
CHANGED = {
    "louder": lambda values, rng: values * 2,
    "noisier": lambda values, rng: values + rng.normal(0, 0.1, values.shape),
    "smoother": lambda values, rng: (values + np.roll(values, 1, 0)) / 2,
    "higher": lambda values, rng: values + 0.3,
}


@pytest.mark.parametrize("axes", TAKEN)
@pytest.mark.parametrize("name", CHANGED)
def test_how_a_sample_was_taken_tells_changes_from_harmless_ones(axes, name):
    rng = np.random.default_rng(3)
    plain = [TAKEN[axes](rng) for _ in range(12)]
    changed = [CHANGED[name](values, rng).astype(np.float32) for values in plain]
    usual, other = (np.stack(STYLES[axes](values, SPAN)) for values in (plain, changed))
    assert usual.shape == other.shape
    assert np.isfinite(usual).all()
    off = np.abs(other.mean(axis=0) - usual.mean(axis=0)) / (usual.std(axis=0) + 1e-3)
    assert off.max() > 4


def test_traces_of_any_length_and_number_of_leads_have_as_many_numbers():
    rng = np.random.default_rng(4)
    shapes = [(640, 1), (5, 2), (1, 1), (4000, 12)]
    found = STYLES[1]([rng.normal(size=shape).astype(np.float32) for shape in shapes], SPAN)
    assert len({one.shape for one in found}) == 1
    assert np.isfinite(np.stack(found)).all()


def test_small_volumes_have_as_many_numbers():
    shapes = [(1, 1, 1, 1), (2, 3, 9, 1), (120, 7, 7, 1)]
    found = STYLES[3]([np.full(shape, 0.3, np.float32) for shape in shapes], SPAN)
    assert len({one.shape for one in found}) == 1
    assert np.isfinite(np.stack(found)).all()


@pytest.mark.parametrize("shape", [(64,), (16, 16, 16)])
def test_intensities_are_of_every_channel(shape):
    images = np.random.default_rng(5).random((3, 2, *shape)).astype(np.float32)
    found = intensities(images)
    assert found.shape == (3, 2 * (9 + 16 + 1))
    edges = [np.abs(np.diff(image, axis=0)).mean() for image in images[:, 1]]
    np.testing.assert_allclose(found[:, -1], edges, rtol=1e-5)


def test_traces_are_described_in_four_spaces(tmp_path):
    rng = np.random.default_rng(6)
    traces, origins = [rng.normal(size=(300, 1)).astype(np.float32) for _ in range(24)], []
    for number, trace in enumerate(traces):
        origins.append(str(tmp_path / f"{number}.npy"))
        np.save(origins[-1], trace)
    samples = make_samples(["training"] * 16 + ["production"] * 8, origins=origins, shape=(300, 1))
    windows = make_windows([trace[40:100] for trace in traces], boxes=[(40, 100)] * 24)
    source = source_of(windows, samples, np.ones(24, bool), 0)
    toy = model(trace_net(), TraceTransform(channels=1))
    spaces = {space.name: space for space in describe_spaces(source, toy, 0)}
    assert list(spaces) == ["network", "intensity", "whole picture, network", "whole picture, style"]
    for space in spaces.values():
        assert space.values.shape[0] == 24
        assert space.copies.shape == (16, space.values.shape[1])
        assert np.abs(space.copies - space.values[:16]).mean() < 0.5 * np.abs(space.values).mean()


def test_a_crop_too_short_for_the_network_is_continued_to_the_length_of_the_example():
    """Short recordings have short windows; pooled as long ones are, nothing of some would be left."""
    net = nn.Sequential(
        nn.Conv1d(1, 4, 9, stride=2), nn.ReLU(), nn.MaxPool1d(4), nn.Conv1d(4, 3, 3, padding=1)
    )
    embed = CropEmbedder(
        model(net, TraceTransform(size=(500,), channels=1)), (np.zeros((80, 1), np.float32), (500, 1))
    )
    short = np.random.default_rng(2).normal(size=(12, 1)).astype(np.float32)
    with pytest.raises(RuntimeError), torch.no_grad():
        net(torch.from_numpy(short.T.copy())[None])
    continued = np.concatenate([short, np.repeat(short[-1:], 68, axis=0)])
    described = embed([short, continued], [(500, 1)] * 2)
    np.testing.assert_array_equal(described[0], described[1])
    assert described[0].any()


class Tokens(nn.Module):
    """A convolution whose output goes through layers that have the channels last."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.linear = nn.Conv2d(1, 6, 3, padding=1), nn.LayerNorm(6), nn.Linear(6, 6)

    def forward(self, x):
        return self.linear(self.norm(self.conv(x).movedim(1, -1))).mean((1, 2))


def test_layers_with_their_channels_last_are_left_out():
    """Their second axis is a side of the crop: crops of several sizes would have descriptions of several."""
    rng = np.random.default_rng(3)
    crops = [rng.integers(0, 255, (side, side, 1), dtype=np.uint8) for side in (21, 33, 21)]
    embed = CropEmbedder(model(Tokens(), ImageTransform(channels=1)), (crops[0], (64, 64, 1)))
    assert embed.layers == ["conv"]
    assert embed(crops, [(64, 64, 1)] * 3).shape == (3, 6)


class Whole(nn.Module):
    """A network that fails at its first layer unless it gets a whole sample."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(1, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(x + torch.zeros(20, 24)).mean((2, 3))


def test_a_network_of_whole_samples_sees_crops_continued_to_one():
    crop = np.random.default_rng(4).integers(0, 255, (7, 9, 1), dtype=np.uint8)
    whole = np.pad(crop, ((0, 13), (0, 15), (0, 0)), mode="edge")
    embed = CropEmbedder(model(Whole(), ImageTransform(size=(20, 24), channels=1)), (crop, (20, 24, 1)))
    assert embed.layers == ["conv"]
    described = embed([crop, whole], [(20, 24, 1)] * 2)
    np.testing.assert_array_equal(described[0], described[1])
    nowhere = CropEmbedder(model(Whole(), ImageTransform(channels=1)), (crop, (20, 24, 1)))
    assert nowhere([crop, crop], [(20, 24, 1)] * 2).tolist() == [[0.0], [0.0]]
