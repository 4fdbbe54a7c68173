"""The pictures of a facet: its strongest crops, one a sample, as eight bits."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
from planted import ShapesNet, audited
from synthetic_library import make_samples, make_windows, stripes_crop

from foveal.samples import encode_png
from foveal_audit.depicting import Drawn, _activation, _typical, draw_generator, facet_evidence
from foveal_audit.judgement.assessing import assess
from foveal_audit.judgement.facet import Facet, Judged
from foveal_audit.lattice import make_lattice
from foveal_audit.settings import AuditSettings
from foveal_audit.units.unit import Unit


def crops(number):
    rng = np.random.default_rng(0)
    return [stripes_crop(rng, True) for _ in range(number)]


def test_the_strongest_window_of_the_strongest_samples_comes_first():
    windows = make_windows(crops(6), owner=[3, 3, 1, 2, 1, 0], activation=[1, 5, 9, 2, 8, 9])
    assert _typical(windows, make_samples(["training"] * 4)) == [2, 5, 1, 3]


def test_no_more_than_twelve_are_shown():
    assert len(_typical(make_windows(crops(30)), make_samples(["production"] * 30))) == 12


def test_half_of_the_crops_are_of_training_however_much_production_excites_the_unit():
    samples = make_samples(["production"] * 20 + ["training"] * 8)
    windows = make_windows(crops(28), owner=range(28), activation=range(28, 0, -1))
    assert _typical(windows, samples) == [*range(6), *range(20, 26)]


def test_where_training_has_few_production_fills_up():
    samples = make_samples(["production"] * 20 + ["training"] * 2)
    windows = make_windows(crops(22), owner=range(22), activation=range(22, 0, -1))
    assert _typical(windows, samples) == [*range(10), 20, 21]


def test_sixteen_bits_are_shown_as_eight():
    deep = [crop.astype(np.uint16) * 257 for crop in crops(3)]
    windows, samples = make_windows(deep), make_samples(["training"] * 3)
    one = one_assessment(windows, samples)
    shown = facet_evidence(one, windows, samples, None)
    for crop, original in zip(shown.crops, crops(3), strict=True):
        np.testing.assert_array_equal(crop, original)
    assert [ref.sample for ref in shown.refs] == ["s0000", "s0001", "s0002"]
    assert shown.generated == ()


def one_assessment(windows, samples):
    facet = Facet(Unit("fc1:0", "fc1", (0,), local=False), 0, windows)
    (one,) = assess([Judged(facet, 0, {}, None, None, None)], samples, "f" * 64, (), 0)
    return one


def draw(number, settings):
    samples = make_samples(["training"] * number, shape=(24, 24, 1))
    return draw_generator(make_windows(crops(number)), samples, audited(ShapesNet()), settings)


def test_too_few_crops_teach_no_generator():
    assert draw(5, AuditSettings(generator_steps=2)) is None


def test_a_generator_is_the_same_every_time(monkeypatch):
    monkeypatch.setattr("foveal_audit.depicting._MOST_CROPS", 30)
    settings = AuditSettings(generator_steps=2, seed=3)
    first, second = (draw(40, settings).learned for _ in range(2))
    np.testing.assert_array_equal(first.generator.sample(4, 0), second.generator.sample(4, 0))
    assert len(first.crops) == 30


def test_where_no_file_is_left_the_unit_is_not_asked():
    card = draw(40, AuditSettings(generator_steps=2)).learned.card
    assert card["activation"] is None
    assert card["guidance"] is None


def readable(folder, number):
    """Samples of which the first ``number`` show stripes, and as many plain ones that do not, all on disk."""
    samples = make_samples(["training"] * 2 * number, shape=(24, 24, 1))
    rng, origins, hashes = np.random.default_rng(1), [], []
    for row in range(2 * number):
        data = encode_png(np.full((24, 24, 1), 20 + int(rng.integers(20)), np.uint8))
        path = folder / f"{row}.png"
        path.write_bytes(data)
        origins.append(str(path))
        hashes.append(hashlib.sha256(data).hexdigest())
    predicted = np.repeat([0, 1], number)
    return replace(samples, origins=tuple(origins), sha256=tuple(hashes), predicted=predicted)


def test_crops_are_pasted_into_unchanged_training_samples_that_do_not_show_the_facet(tmp_path):
    samples, windows = readable(tmp_path, 20), make_windows(crops(20))
    (tmp_path / "25.png").write_bytes(b"another file")
    pasting = _activation(windows, samples, audited(ShapesNet()), None, 0)
    assert len(pasting.hosts) == 19  # 20 to 39, less the one that changed
    assert len(pasting.places) == 20
    assert all(0 <= y0 < y1 <= 1 and 0 <= x0 < x1 <= 1 for y0, x0, y1, x1 in pasting.places)


def test_with_hosts_the_card_says_how_crops_excite_the_unit(tmp_path):
    samples, windows = readable(tmp_path, 40), make_windows(crops(40))
    drawn = draw_generator(windows, samples, audited(ShapesNet()), AuditSettings(generator_steps=2))
    shares = drawn.learned.card["activation"]
    assert 0 <= shares["generated_share"] <= 1
    assert shares["relative_interval"][0] <= shares["relative"] <= shares["relative_interval"][1]
    assert set(drawn.learned.card["guidance"]) == {"moved", "share_before", "share_after"}
    shown = facet_evidence(one_assessment(windows, samples), windows, samples, drawn)
    assert len(shown.generated) == len(shown.nearest) == 8
    guard, words = drawn.learned.guard, [axis["words"] for axis in drawn.learned.card["axes"]]
    expected = make_lattice(drawn.learned.generator, labels=words, guard=guard).as_json("fc1:0")
    assert shown.lattice == expected


def test_pictures_of_a_generator_that_memorised_are_not_shown():
    samples, windows = make_samples(["training"] * 40, shape=(24, 24, 1)), make_windows(crops(40))
    drawn = draw(40, AuditSettings(generator_steps=2))
    learned = replace(drawn.learned, card={**drawn.learned.card, "memorised": True})
    shown = facet_evidence(one_assessment(windows, samples), windows, samples, Drawn(learned, drawn.write))
    assert (shown.generated, shown.nearest, shown.lattice) == ((), (), None)
    assert shown.generator_dir == "generators/fc1:0"  # where the card lies
    assert shown.card["memorised"] is True
