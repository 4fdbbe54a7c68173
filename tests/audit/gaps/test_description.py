"""Crops in two descriptions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from planted import ShapesNet, audited
from small_nets import PatentNet, seeded
from synthetic_library import make_samples, make_windows, noise_crop

from foveal.samples import encode_png
from foveal_audit.bench import find_readable
from foveal_audit.gaps.description import Source, describe_spaces, intensities, source_of
from foveal_audit.gaps.embedding import CropEmbedder
from foveal_audit.gaps.spaces import originals, standardised


def test_intensities_by_hand():
    flat = intensities(np.full((2, 1, 8, 8), 0.5, np.float32))
    assert flat.shape == (2, 9 + 16 + 1)
    np.testing.assert_allclose(flat[0, :9], 0.5)
    assert flat[0, 9:25].tolist() == [0.0] * 8 + [1.0] + [0.0] * 7  # all in the cell from 0.5
    assert flat[0, 25] == 0
    stripes = np.zeros((1, 3, 8, 8), np.float32)
    stripes[:, 1, ::2] = 1
    described = intensities(stripes).reshape(-1)
    assert described[-3:].tolist() == [0, 1, 0]  # the mean edge of every channel
    assert intensities(np.ones((1, 1, 4, 4), np.float32))[0, 24] == 1  # white is in the last cell


def naive_intensities(image):
    """Describe one crop (C, h, w) channel by channel."""
    shares = (0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
    quantiles = [np.quantile(plane, share) for plane in image for share in shares]
    cells = np.linspace(0, 1, 17)
    histogram = [np.sqrt(np.histogram(plane, cells)[0] / plane.size) for plane in image]
    edges = [np.abs(np.diff(plane, axis=0)).mean() for plane in image]
    return np.concatenate([quantiles, *histogram, edges])


def test_intensities_are_what_a_loop_finds():
    images = np.random.default_rng(5).random((260, 3, 9, 7)).astype(np.float32)
    wanted = [naive_intensities(image) for image in images]
    np.testing.assert_allclose(intensities(images), wanted, atol=1e-5)


def test_standardised_columns_have_mean_0_and_spread_1_and_constants_go():
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(5, 2, 50), np.full(50, 3.0), rng.normal(0, 1e-6, 50)], 1).astype(np.float32)
    space = standardised("one", values, np.arange(50), values[:3] + 1, np.arange(3))
    assert space.values.shape == (50, 1)
    np.testing.assert_allclose([space.values.mean(), space.values.std()], [0, 1], atol=1e-5)
    np.testing.assert_allclose(space.copies, space.values[:3] + 1 / values[:, 0].std(), rtol=1e-4)
    assert standardised("none", np.ones((9, 4), np.float32), np.arange(9)) is None


def test_copies_of_a_sample_are_of_its_family():
    assert originals(["a", "b", "a", "", "", "b"]).tolist() == [0, 1, 0, 3, 4, 1]


NET = audited(ShapesNet())


def unread(windows, samples):
    return Source(windows, samples, np.zeros(len(samples), bool), np.zeros(0, np.int64))


def embed(model, crops, shapes):
    embedder = CropEmbedder(model, (crops[0], shapes[0]))
    return embedder, embedder(crops, shapes)


def test_the_embedding_is_the_mean_of_the_last_resolutions():
    model = audited(ShapesNet())
    crop = np.random.default_rng(1).integers(0, 255, (12, 12, 1), dtype=np.uint8)
    embedder, described = embed(model, [crop], [(24, 24, 1)])
    assert embedder.layers == ["relu1", "relu2"]  # the head has no grid
    x = torch.from_numpy(crop.astype(np.float32) / 255).permute(2, 0, 1)[None]
    with torch.no_grad():
        first = model.module.relu1(model.module.conv1(x))
        second = model.module.relu2(model.module.conv2(torch.nn.functional.avg_pool2d(first, 2)))
    expected = torch.cat([first.mean((2, 3)), second.mean((2, 3))], 1)
    np.testing.assert_allclose(described, expected.numpy(), atol=1e-6)


def test_a_head_that_demands_a_whole_sample_is_not_needed():
    model = audited(seeded(PatentNet))
    object.__setattr__(model.transform, "size", (96, 96))
    crops = [noise_crop(np.random.default_rng(n), side) for n, side in enumerate((32, 32, 40))]
    _, described = embed(model, crops, [(96, 96, 1)] * 3)
    assert described.shape[0] == 3
    assert described.shape[1] > 0
    assert np.isfinite(described).all()
    alone = embed(model, crops[:1], [(96, 96, 1)])[1]
    np.testing.assert_allclose(described[0], alone[0], atol=1e-5)
    assert sum(len(part._forward_hooks) for part in model.module.modules()) == 0


def test_crops_are_seen_at_the_scale_that_their_samples_have():
    """A sample twice as large in pixels is halved on its way into the network, and so is its crop."""
    model = audited(ShapesNet())
    small = np.full((8, 8, 1), 200, np.uint8)
    large = np.full((16, 16, 1), 200, np.uint8)
    _, described = embed(model, [small, large], [(24, 24, 1), (48, 48, 1)])
    np.testing.assert_allclose(described[0], described[1], atol=1e-6)


def test_crops_without_any_difference_have_no_space():
    windows = make_windows([np.full((12, 12, 1), 90, np.uint8)] * 6)
    assert describe_spaces(unread(windows, make_samples(["training"] * 6, shape=(24, 24, 1))), NET, 0) == []


@pytest.mark.parametrize("channels", [1, 3])
def test_windows_alone_have_two_spaces(channels):
    rng = np.random.default_rng(2)
    windows = make_windows([noise_crop(rng, 12, channels) for _ in range(10)])
    samples = make_samples(["training"] * 10, shape=(24, 24, channels))
    spaces = describe_spaces(unread(windows, samples), NET, 0)
    assert [space.name for space in spaces] == ["network", "intensity"]
    assert all(len(space.values) == 10 and space.values.dtype == np.float32 for space in spaces)


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(3)
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for path in paths:
        path.write_bytes(encode_png(rng.integers(0, 255, (24, 24, 1), dtype=np.uint8)))
    return [str(path) for path in paths]


def test_whole_pictures_that_can_be_read_have_two_more_with_copies_of_training(pictures):
    windows = make_windows(
        [noise_crop(np.random.default_rng(n), 16) for n in range(12)], boxes=np.tile([4, 4, 20, 20], (12, 1))
    )
    samples = make_samples(["training"] * 8 + ["production"] * 4, origins=pictures, shape=(24, 24, 1))
    source = source_of(windows, samples, find_readable(samples), 0)
    spaces = {space.name: space for space in describe_spaces(source, NET, 0)}
    assert list(spaces) == ["network", "intensity", "whole picture, network", "whole picture, style"]
    for space in spaces.values():
        assert sorted(space.copied.tolist()) == list(range(8))
        assert len(space.copies) == 8
    again = {space.name: space for space in describe_spaces(source, NET, 0)}
    assert all(np.array_equal(again[name].copies, space.copies) for name, space in spaces.items())
