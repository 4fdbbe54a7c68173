"""The precomputed lattice: its nodes, its pictures, its size."""

import base64
import io
import itertools

import numpy as np
import pytest
import toy_frames
from PIL import Image

from foveal_audit.generators import CopyGuard, fit_generator, learn_generator
from foveal_audit.generators.pictures import as_pictures
from foveal_audit.lattice import make_lattice
from foveal_audit.lattice.nodes import middle_draw, still
from foveal_audit.lattice.sprite import make_sprite


@pytest.fixture(scope="module")
def generator():
    return toy_frames.learned().generator


@pytest.fixture(scope="module")
def lattice():
    return toy_frames.lattice()


def tile(sprite, number, side=toy_frames.SIDE):
    sheet = np.asarray(Image.open(io.BytesIO(sprite.data)).convert("RGB"))
    y, x = side * (number // sprite.columns), side * (number % sprite.columns)
    return sheet[y : y + side, x : x + side]


def test_nodes_are_every_combination_of_stops_and_the_rest_stays_at_a_served_draw(lattice):
    nodes = lattice.nodes
    latents = nodes.latents()
    assert len(latents) == 5**4
    expected = list(itertools.product(*nodes.stops.tolist()))
    assert latents[:, :4].tolist() == [list(one) for one in expected]
    assert (latents[:, 4:] == nodes.origin[4:]).all()


def test_every_tile_is_the_generators_own_frame_to_the_bit(lattice, generator):
    assert lattice.sprite.deviation == 0
    for number in (0, 1, 37, 312, 624):
        own = as_pictures(still(generator, lattice.nodes.latents()[number : number + 1]))[0]
        assert np.array_equal(tile(lattice.sprite, number), own)


def test_sliders_go_where_nineteen_of_twenty_served_draws_lie(lattice, generator):
    drawn = generator.draw(4000, 99)
    inside = (drawn >= lattice.nodes.low) & (drawn <= lattice.nodes.high)
    assert np.abs(inside.mean(0) - 0.95).max() < 0.03


def test_the_json_says_what_the_element_needs_and_latents_survive_it(lattice, generator):
    told = lattice.as_json("fc1:7", "/frames/fc1:7")
    assert (told["feature"], told["exact"], told["steps"], told["side"]) == (
        "fc1:7",
        "/frames/fc1:7",
        5,
        [32, 32],
    )
    assert [one["label"] for one in told["axes"]] == list(toy_frames.LABELS[:4])
    assert len(told["axes"]) + len(told["more"]) == generator.latent_dim
    assert np.array_equal(np.array(told["origin"], np.float32), lattice.nodes.origin)
    stops = np.array([one["stops"] for one in told["axes"]], np.float32)
    assert np.array_equal(stops, lattice.nodes.stops)
    assert base64.b64decode(told["sprite"].removeprefix("data:image/webp;base64,")) == lattice.sprite.data


def test_same_generator_same_bytes(lattice):
    again = make_lattice(
        toy_frames.learned().generator, labels=toy_frames.LABELS, guard=toy_frames.learned().guard
    )
    assert again.as_json() == lattice.as_json()


def test_copies_of_real_crops_are_blank_and_named(generator):
    latents = make_lattice(generator, axes=2, steps=3).nodes.latents()
    guard = CopyGuard(still(generator, latents[[4]]), reach=1e-3)
    lattice = make_lattice(generator, axes=2, steps=3, guard=guard)
    assert lattice.hidden == (4,)
    assert lattice.as_json()["hidden"] == [4]
    assert not tile(lattice.sprite, 4).any()
    assert tile(lattice.sprite, 3).any()


def test_where_it_starts_is_never_a_copy_unless_all_are(generator):
    first = middle_draw(generator)
    other = middle_draw(generator, guard=CopyGuard(still(generator, first[None]), reach=1e-3))
    assert not np.array_equal(first, other)
    everything = CopyGuard(still(generator, first[None]), reach=10.0)
    assert np.array_equal(middle_draw(generator, guard=everything), first)


def test_a_smaller_budget_rounds_values_then_leaves_nodes_out(generator):
    whole = make_lattice(generator, axes=2)
    size = len(whole.sprite.data)
    rounded = make_lattice(generator, axes=2, budget=size - 1)
    assert (rounded.nodes.steps, rounded.sprite.deviation) == (5, 1)
    assert len(rounded.sprite.data) < size
    off = tile(whole.sprite, 7).astype(int) - tile(rounded.sprite, 7)
    assert 0 < np.abs(off).max() <= 1
    assert make_lattice(generator, axes=2, budget=1).nodes.steps == 3


def test_a_generator_of_few_axes_has_as_many_sliders():
    small = fit_generator(toy_frames.blobs(20), kind="pca-gmm")
    assert make_lattice(small, axes=small.latent_dim + 5, steps=2).nodes.axes == small.latent_dim == 4


@pytest.mark.parametrize(("axes", "steps"), [(0, 5), (4, 1), (8, 5)])
def test_no_axis_one_step_or_too_many_nodes_are_refused(generator, axes, steps):
    with pytest.raises(
        ValueError,
        match=f"a lattice has an axis, two steps and at most 4096 nodes, got {axes} axes of {steps}",
    ):
        make_lattice(generator, axes, steps)


def test_sixteen_features_fit_into_a_report():
    """The worst case: colours with grain; 16 of these in base64 leave 9 of 25 MB for the rest."""
    found = learn_generator(toy_frames.blobs(120, channels=3), kind="pca-gmm")
    lattice = make_lattice(found.generator, guard=found.guard)
    assert found.generator.texture is not None
    assert 16 * len(lattice.as_json()["sprite"]) < 16_000_000


def test_sprites_keep_every_tile_where_it_belongs():
    pictures = np.random.default_rng(0).integers(0, 256, (7, 5, 3, 3)).astype(np.uint8)
    sheet = np.asarray(Image.open(io.BytesIO(make_sprite(pictures, 3, 1).data)))
    assert sheet.shape == (15, 9, 3)
    for number, picture in enumerate(pictures):
        y, x = 5 * (number // 3), 3 * (number % 3)
        assert np.array_equal(sheet[y : y + 5, x : x + 3], picture)


@pytest.mark.parametrize("grade", [2, 4])
def test_rounding_stays_within_what_is_said(grade):
    pictures = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    sprite = make_sprite(pictures, 1, grade)
    sheet = np.asarray(Image.open(io.BytesIO(sprite.data))).astype(int)
    assert np.abs(sheet - pictures[0]).max() == sprite.deviation == grade // 2


def traces(n=60, channels=2):
    """Bumps that come earlier or later, of more or less height."""
    rng = np.random.default_rng(0)
    times = np.arange(64)
    bumps = rng.uniform(0.2, 0.5, (n, 1)) * np.exp(-(((times - rng.uniform(24, 40, (n, 1))) / 4) ** 2))
    return (0.3 + bumps[:, None] * np.linspace(1, 0.5, channels)[:, None]).astype(np.float32)


def test_tiles_of_a_trace_are_its_values_a_row_for_each_channel():
    own = fit_generator(traces(), kind="pca-gmm")
    lattice = make_lattice(own, axes=2, steps=3)
    told = lattice.as_json("fc1:7")
    assert (told["lanes"], told["side"]) == (2, [2, 64])
    sheet = np.asarray(Image.open(io.BytesIO(lattice.sprite.data)).convert("RGB"))
    for number, z in enumerate(lattice.nodes.latents()):
        y, x = 2 * (number // lattice.sprite.columns), 64 * (number % lattice.sprite.columns)
        values = sheet[y : y + 2, x : x + 64, 0] / 255
        np.testing.assert_allclose(values, own.decode(z[None])[0], atol=0.5 / 255 + 1e-6)


def test_tiles_of_a_volume_are_its_slices():
    rng = np.random.default_rng(0)
    volumes = rng.uniform(0.2, 0.8, (40, 1, 1, 1, 1)) * np.ones((1, 1, 9, 10, 12)) + rng.normal(
        0, 0.02, (40, 1, 9, 10, 12)
    )
    own = fit_generator(volumes.clip(0, 1), kind="pca-gmm")
    lattice = make_lattice(own, axes=1, steps=3)
    told = lattice.as_json("fc1:7")
    assert "lanes" not in told
    assert told["side"] == [10 + 2 + 9, 12 + 2 + 9]
    sheet = np.asarray(Image.open(io.BytesIO(lattice.sprite.data)).convert("RGB"))
    expected = as_pictures(own.decode(lattice.nodes.latents()[2:3]))[0]
    np.testing.assert_array_equal(sheet[:21, 2 * 23 : 3 * 23], expected)


def test_pictures_tell_of_no_lanes(lattice):
    assert "lanes" not in lattice.as_json()
