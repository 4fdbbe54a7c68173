"""Exact frames: the generator's picture, the model's value, the nearest real crops, warnings."""

import io
import json
from dataclasses import replace

import av
import numpy as np
import pytest
import toy_frames
from PIL import Image
from scipy.stats import multivariate_normal

from foveal.errors import UsageError
from foveal_audit.generators.metrics import pixel_distances
from foveal_audit.generators.pictures import as_pictures
from foveal_audit.lattice import Frames
from foveal_audit.lattice.answering import crop_answer, frame_answer, movie_answer, walk_answer
from foveal_audit.lattice.nodes import still
from foveal_audit.lattice.plausible import log_density
from foveal_audit.lattice.swift import SwiftDecoder


@pytest.fixture(scope="module")
def frames():
    return toy_frames.frames()


@pytest.fixture(scope="module")
def latents(frames):
    return frames.generator.draw(5, 3)


def rgb(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_a_frame_is_the_generators_picture_to_the_bit(frames, latents):
    for z in latents:
        own = still(frames.generator, z[None])
        assert np.array_equal(rgb(frames.frame(z).image), as_pictures(own)[0])


@pytest.mark.parametrize("grain", [True, False])
def test_the_swift_way_gives_the_same_bits_as_the_slow_one(frames, latents, grain):
    generator = frames.generator if grain else replace(frames.generator, texture=None)
    swift = SwiftDecoder(generator, 0)
    for z in latents:
        assert np.array_equal(swift(z), still(generator, z[None]))


def test_nearest_crops_are_those_of_a_search_over_all(frames, latents):
    for z in latents:
        apart = pixel_distances(still(frames.generator, z[None]), frames.real.registered)[0]
        order = np.argsort(apart)[:3]
        found = frames.frame(z).nearest
        assert [one.row for one in found] == order.tolist()
        assert [one.distance for one in found] == pytest.approx(apart[order], abs=1e-4)
        assert found[0].entry == f"{found[0].row:024x}"


def test_activation_is_what_the_model_makes_of_the_pasted_frame(frames, latents):
    crop = still(frames.generator, latents[:1])
    pasting = replace(toy_frames.pasting(), hosts=toy_frames.pasting().hosts[:4])
    told = frames.frame(latents[0]).activation
    assert told.value == pytest.approx(pasting(crop.repeat(4, axis=0)).mean(), abs=1e-4)
    real = [pasting(one[None].repeat(4, axis=0)).mean() for one in frames.real.registered[:64]]
    assert (told.low, told.high) == pytest.approx(np.quantile(real, (0.1, 0.9)), abs=1e-4)
    assert frames.frame(latents[0], ask_model=False).activation is None


def test_copies_are_withheld_whatever_is_asked(frames):
    real = frames.real
    z = frames.generator.draw(1, 5)
    crops = real.registered.copy()
    crops[17] = still(frames.generator, z)[0]
    guarded = Frames(frames.generator, replace(real, registered=crops), toy_frames.pasting())
    shown = guarded.frame(z[0])
    assert shown.withheld
    assert guarded.guard.flags(still(frames.generator, z))[0]
    assert not rgb(shown.image).any()
    assert shown.activation is None
    assert json.loads(shown.header())["withheld"] is True


def test_the_guards_own_verdict_on_two_hundred_draws(frames):
    drawn = frames.generator.draw(200, 8)
    slow = frames.guard.flags(still(frames.generator, drawn))
    assert [frames.frame(z, ask_model=False).withheld for z in drawn] == slow.tolist()


def test_warnings_are_rare_on_served_draws_and_sure_far_off(frames):
    drawn = frames.generator.draw(200, 11)
    warned = [bool(frames.frame(z, ask_model=False).warnings) for z in drawn]
    assert np.mean(warned) < 0.1
    far = frames.frame(frames.generator.mixture.mean + 6)
    assert (
        far.warnings[0] == "Off the beaten track: 99% of what the generator was learned for lies elsewhere."
    )


def test_a_picture_that_leaves_the_model_cold_is_warned_of(frames, latents, monkeypatch):
    monkeypatch.setattr(frames._gauge, "usual", (1e6, 2e6))
    assert frames.frame(latents[0]).warnings[-1] == (
        "The audited model hardly responds to this picture: what excites it is missing."
    )


def test_the_models_value_comes_when_the_model_is_there(frames, latents):
    later = Frames(frames.generator, frames.real)
    later.pending = True
    first = later.frame(latents[0])
    assert (first.activation, json.loads(first.header())["pending"]) == (None, True)
    later.gauge(toy_frames.pasting())
    later.pending = False
    second = later.frame(latents[0])
    assert second.image == first.image
    told = frames.frame(latents[0]).activation
    assert (second.activation.value, second.activation.low, second.activation.high) == pytest.approx(
        (told.value, told.low, told.high), abs=1e-4
    )
    assert json.loads(second.header())["pending"] is False


def test_log_density_is_that_of_the_mixture(frames, latents):
    mixture, d = frames.generator.mixture, frames.generator.latent_dim
    naive = [
        np.log(
            sum(
                w * multivariate_normal(m.astype(float), np.diag(s.astype(float) ** 2)).pdf(z)
                for w, m, s in zip(mixture.weights, mixture.means, mixture.sds, strict=True)
            )
        )
        for z in latents.astype(float)
    ]
    assert log_density(mixture, latents) - d / 2 * np.log(2 * np.pi) == pytest.approx(naive, abs=1e-3)


def test_a_header_is_one_line_of_ascii_whatever_the_samples_are_called(frames, latents):
    header = frames.frame(latents[0]).header("/frames/toy/crops")
    assert header.isascii()
    assert "\n" not in header
    told = json.loads(header)
    row = told["nearest"][0]["row"]
    assert told["nearest"][0]["url"] == f"/frames/toy/crops/{row}"
    assert told["nearest"][0]["sample"] == f"site <b>{row}</b>\n/x.png"


def test_answers_carry_what_was_asked(frames, latents):
    text = ",".join(f"{value:.5f}" for value in latents[0])
    answer = frame_answer(frames, {"z": text, "part": "picture"}, "/frames/toy")
    assert json.loads(answer.headers["Foveal-Frame"])["activation"] is None
    seeded = frame_answer(frames, {"seed": "4"}, "/frames/toy")
    assert np.array_equal(rgb(seeded.body), rgb(frames.drawn(4).image))
    walk = np.array(json.loads(walk_answer(frames, {"seed": "4", "frames": "30"}).body)["latents"])
    assert walk == pytest.approx(frames.walk(4, 30), abs=1e-4)
    real = rgb(crop_answer(frames, 3).body)
    assert np.array_equal(real, as_pictures(frames.real.originals[3:4])[0])


def test_a_walk_becomes_a_movie(frames):
    with av.open(io.BytesIO(movie_answer(frames, {"seed": "2"}).body)) as movie:
        assert sum(1 for _ in movie.decode(video=0)) == 120


def test_a_walk_of_copies_is_refused(frames):
    blind = Frames(frames.generator, frames.real)
    blind.guard = replace(blind.guard, reach=10.0, own=None)
    with pytest.raises(UsageError) as caught:
        blind.movie(3)
    assert str(caught.value) == "No frame of walk 3 may be shown. Choose another seed."


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"z": "a,b"}, "'a,b' is not a latent. Give numbers with commas between: 0.1,-0.2."),
        ({"z": "1,2"}, "The latent has 2 values. Give {d} finite numbers."),
        ({"z": ",".join(["nan"] * 15)}, "The latent has 15 values. Give {d} finite numbers."),
        ({"seed": "-1"}, "'-1' is no seed. Give a whole number from 0 to 4294967295."),
        ({"seed": "9" * 30}, "'" + "9" * 30 + "' is no seed. Give a whole number from 0 to 4294967295."),
        ({}, "'' is no seed. Give a whole number from 0 to 4294967295."),
    ],
)
def test_what_is_no_latent_is_refused(frames, query, words):
    with pytest.raises(UsageError) as caught:
        frame_answer(frames, query, "/x")
    assert str(caught.value) == words.format(d=frames.generator.latent_dim)


def test_crops_outside_the_library_are_refused(frames):
    with pytest.raises(UsageError) as caught:
        frames.crop(160)
    assert str(caught.value) == "There is no crop 160. Crops are numbered 0 to 159."
