"""Known concepts: read, found in training or not, seen by the model or not."""

from __future__ import annotations

import numpy as np
import pytest
from planted import ShapesNet, audited
from synthetic_library import make_samples, make_windows, noise_crop, stripes_crop

from foveal.errors import UsageError
from foveal.samples import encode_png
from foveal_audit.gaps.concepts import (
    Concepts,
    Counted,
    _verdict,
    concept_scores,
    find_concept_gaps,
    read_concepts,
    seen_by_channels,
)


def show(folder, name, number=5):
    (folder / name).mkdir(parents=True)
    for at in range(number):
        crop = stripes_crop(np.random.default_rng(at), upright=True)
        (folder / name / f"{at}.png").write_bytes(encode_png(crop))


def test_a_folder_per_concept(tmp_path):
    show(tmp_path, "stripes")
    show(tmp_path, "bars", 6)
    concepts = read_concepts(tmp_path)
    assert {name: len(own) for name, own in concepts.exemplars.items()} == {"bars": 6, "stripes": 5}
    assert concepts.exemplars["bars"][0].shape == (16, 16, 1)


def fault_of(folder):
    with pytest.raises(UsageError) as error:
        read_concepts(folder)
    return error.value.fault, error.value.mend


def test_faults_word_for_word(tmp_path):
    assert fault_of(tmp_path / "none") == (
        f"{tmp_path}/none is no folder",
        "Name a folder with one folder per concept",
    )
    assert fault_of(tmp_path) == (
        f"{tmp_path} holds no folders",
        f"Put the exemplars of each concept into a folder of its name: {tmp_path}/NAME/*.png",
    )
    show(tmp_path, "stripes", 4)
    assert fault_of(tmp_path) == ("Concept 'stripes' has 4 exemplars", "Show at least 5 of it")
    (tmp_path / "stripes" / "notes.txt").write_text("upright")
    fault, mend = fault_of(tmp_path)
    assert fault.startswith(f"Exemplar {tmp_path}/stripes/notes.txt cannot be read: ")
    assert mend == "Replace it, or take it out of the folder"


def scene(trained, produced):
    """Noise everywhere; the first of training and of production show upright stripes."""
    rng = np.random.default_rng(0)
    stripes = [n < trained or 120 <= n < 120 + produced for n in range(200)]
    crops = [stripes_crop(rng, upright=True, side=16) if one else noise_crop(rng) for one in stripes]
    samples = make_samples(["training"] * 120 + ["production"] * 80, shape=(32, 32, 1))
    return make_windows(crops), samples


def exemplars(number=6, **others):
    own = tuple(stripes_crop(np.random.default_rng([9, n]), upright=True) for n in range(number))
    return Concepts({"stripes": own, **others})


def test_a_concept_that_production_shows_and_training_does_not_is_missing():
    (one,) = find_concept_gaps(exemplars(), *scene(0, 20), audited(ShapesNet()), 0)
    assert one.verdict == "missing_concept"
    assert one.trained == 0
    assert len(set(one.members) & set(range(120, 140))) >= 15
    assert len(set(one.members) - set(range(120, 140))) == 0
    assert set(one.windows) == set(one.members)  # one window per sample here


def test_a_concept_that_training_shows_and_a_channel_answers_to_is_covered():
    (one,) = find_concept_gaps(exemplars(), *scene(30, 10), audited(ShapesNet()), 0)
    assert one.verdict == "covered"
    assert 20 <= one.trained <= 30
    assert one.seen >= 0.8


def test_what_neither_training_nor_production_shows_is_left_open():
    odd = tuple(np.full((16, 16, 1), 250 - n, np.uint8) for n in range(5))
    (alone,) = find_concept_gaps(Concepts({"white": odd}), *scene(30, 10), audited(ShapesNet()), 0)
    assert alone.verdict == "not_shown"
    both = find_concept_gaps(exemplars(white=odd), *scene(30, 10), audited(ShapesNet()), 0)
    assert {one.name: one.verdict for one in both} == {"stripes": "covered", "white": "not_shown"}


@pytest.mark.parametrize(
    ("training", "production", "most", "verdict"),
    [
        ((0, 800), (20, 400), 0.6, "missing_concept"),
        ((4, 800), (20, 400), 1.0, "missing_concept"),
        ((4, 800), (4, 400), 1.0, "not_shown"),
        ((4, 800), (5, 400), 1.0, "not_shown"),
        ((0, 800), (0, 400), 0.6, "not_shown"),
        ((160, 800), (0, 400), 0.79, "ignored_concept"),
        ((160, 800), (0, 400), 0.81, "covered"),
        ((5, 10_000), (500, 1000), 1.0, "missing_concept"),
    ],
)
def test_verdicts_by_hand(training, production, most, verdict):
    assert _verdict(Counted(*training), Counted(*production), most) == verdict


def test_other_channels_than_the_samples_are_said():
    colour = Concepts({"red": tuple(np.zeros((8, 8, 3), np.uint8) for _ in range(5))})
    with pytest.raises(UsageError) as error:
        find_concept_gaps(colour, *scene(0, 0), audited(ShapesNet()), 0)
    assert error.value.fault == "An exemplar of concept 'red' has 3 channels, the samples have 1"
    assert error.value.mend == "Cut the exemplars out of pictures like the samples"


def test_the_best_of_many_blind_channels_is_not_called_seeing():
    rng = np.random.default_rng(0)
    seen = [
        seen_by_channels(
            rng.normal(size=(6, 100)).astype(np.float32), rng.normal(size=(300, 100)).astype(np.float32)
        )[0]
        for _ in range(20)
    ]
    assert np.mean(seen) == pytest.approx(0.5, abs=0.1)
    answering = rng.normal(size=(6, 100)).astype(np.float32)
    answering[:, 42] += 5
    assert seen_by_channels(answering, rng.normal(size=(300, 100)).astype(np.float32)) == (
        pytest.approx(1, abs=0.01),
        pytest.approx(1, abs=0.02),
        42,
    )


def test_few_exemplars_leave_room_for_an_answering_channel():
    """By hand: ranks .5 and .9 of 10 usual crops: mean .7, deviation .283, t .95 with one degree 6.314."""
    usual = np.arange(10, dtype=np.float32)[:, None]
    seen, most, channel = seen_by_channels(np.array([[4.5], [8.5]], np.float32), usual)
    assert (seen, most, channel) == (
        pytest.approx(0.7),
        pytest.approx(0.7 + 6.3138 * 0.28284 / 2**0.5, abs=1e-3),
        0,
    )


def test_another_exemplar_scores_as_high_as_said():
    """Of 7 exemplars the seventh scores below the lowest held-out one in about a seventh of all draws."""
    below = 0
    for run in range(25):
        rng = np.random.default_rng(run)
        cloud = rng.normal(size=(7, 5)).astype(np.float32) + 3
        usual = rng.normal(size=(200, 5)).astype(np.float32)
        scores, least = concept_scores(cloud[:6], np.concatenate([usual, cloud[6:]]), np.arange(201) < 200)
        below += scores[-1] < least
    assert below / 25 <= 1 / 7 + 0.2
