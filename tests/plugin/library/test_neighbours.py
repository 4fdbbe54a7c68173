"""Neighbours against comparing with everything, and an index that follows the library."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveal.errors import UsageError
from foveal.library import points as points_module
from foveal.library.lots import lot_of
from foveal.library.points import PointFiles
from foveal.library.spaces import picture, unit_length
from foveal.records import Observation


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def seen(observe):
    """An observation with one entry: a vector for a window, a crop for any other feature."""

    def make(name, feature="contribution", vector=(), crop=b"", **fields):
        observation = observe(name, features=(feature,), **fields)
        entry = replace(observation.entries[0], vector=np.asarray(vector, np.float32), crop=crop)
        return Observation(observation.sample, (entry,))

    return make


def id_of(observation):
    return observation.entries[0].id


def brute(points, names, at, k):
    scaled = points / np.linalg.norm(points, axis=1, keepdims=True)
    order = np.argsort(1 - scaled @ scaled[at], kind="stable")
    return [names[place] for place in order if place != at][:k]


def test_the_nearest_are_found(library, again, seen):
    """Of 3,000 vectors around 40 centres those that comparing with everything finds."""
    rng = np.random.default_rng(0)
    points = (
        rng.normal(size=(40, 32))[rng.integers(0, 40, 3000)] + 0.4 * rng.normal(size=(3000, 32))
    ).astype("f4")
    observations = [seen(str(n), vector=point) for n, point in enumerate(points)]
    library.add(observations[:2000], "one")
    names = [id_of(observation) for observation in observations]
    library.nearest(names[0])
    library.add(observations[2000:], "two")
    view, right = again(library), 0
    for at in range(0, 3000, 60):
        found = view.nearest(names[at], 10)
        assert [one.distance for one in found] == sorted(one.distance for one in found)
        right += len({one.id for one in found} & set(brute(points, names, at, 10)))
    assert right / 500 >= 0.99


@pytest.mark.parametrize("at_once", [1, 7, 1 << 16])
@given(
    count=st.integers(1, 40),
    k=st.integers(1, 50),
    seed=st.integers(0, 1000),
    share=st.sampled_from((0.1, 0.5, 1.0)),
)
def test_any_points_are_found_as_by_sorting_all(at_once, count, k, seed, share):
    """Few different numbers, so that many points are equally near: then the first ones count."""
    rng = np.random.default_rng(seed)
    points = unit_length(rng.integers(-1, 2, (count, 3)).astype(np.float32))
    allowed = rng.random(count) < share
    ids = [f"ü{number}" * (number % 3) for number in range(count)]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(points_module, "_AT_ONCE", at_once)
        files = PointFiles(Path(folder) / "x", 3)
        with files.growing():
            files.add(points[:5], np.arange(len(points[:5]), dtype="u8"), ids[:5])
        with files.growing():
            files.add(points[5:], np.arange(5, count, dtype="u8")[: len(points[5:])], ids[5:])
        found = PointFiles(Path(folder) / "x", 3).nearest(points[0], k, allowed)
        assert files.ids(np.arange(count)) == ids
    halves = points.astype("f2").astype("f8")
    distances = 1 - halves @ halves[0]
    order = [row for row in np.argsort(distances.round(9), kind="stable") if allowed[row]][:k]
    assert found.rows.tolist() == order
    np.testing.assert_allclose(found.distances, distances[order], atol=1e-6)


def test_the_lot_of_an_id_is_that_of_the_catalog():
    for id_ in ("", "abc", "ü/ç", "9" * 200):
        ((lot,),) = duckdb.execute("SELECT md5_number_lower(?)", [id_]).fetchall()
        assert lot_of(id_) == lot


def test_points_whose_writing_was_cut_off_are_written_again(library, again, seen, monkeypatch):
    made = [seen(str(n), vector=(1, n)) for n in range(6)]
    library.add(made[:3], "one")
    library.nearest(id_of(made[0]))
    library.add(made[3:], "two")
    add = PointFiles.add
    monkeypatch.setattr(
        PointFiles, "add", lambda *given_: add(*given_) or (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        again(library).nearest(id_of(made[0]))
    monkeypatch.undo()
    for view in (library, again(library)):
        assert len(view.nearest(id_of(made[0]), 10)) == 5


def test_entries_without_a_vector_are_compared_by_what_they_look_like(library, seen):
    ramp = np.tile(np.arange(0, 240, 10), (24, 1))
    crops = {"left": ramp, "also left": ramp + 9, "right": ramp[:, ::-1], "flat": ramp * 0 + 7}
    observations = {name: seen(name, "fc1:7", crop=png(crop)) for name, crop in crops.items()}
    observations["no picture"] = seen("no picture", "fc1:7", crop=b"\x00")
    library.add(observations.values(), "one")
    found = library.nearest(id_of(observations["left"]), 2)
    assert found[0].id == id_of(observations["also left"])
    assert found[0].distance == pytest.approx(0, abs=1e-3)
    assert found[1].distance == pytest.approx(1, abs=1e-3)
    assert library.nearest(png(ramp[:, ::-1]), 1)[0].id == id_of(observations["right"])
    assert not picture(b"\x00").any()


def test_neighbours_within_a_feature(library, seen):
    rng = np.random.default_rng(1)
    features = ("contribution", "fc1:2")
    made = [seen(str(n), features[n % 40 == 0], vector=rng.normal(size=8)) for n in range(2400)]
    library.add(made, "one")
    points = np.stack([observation.entries[0].vector for observation in made])[::40]
    names = [id_of(observation) for observation in made][::40]
    assert [one.id for one in library.nearest(names[0], 10, "fc1:2")] == brute(points, names, 0, 10)
    library.assign({id_of(made[1]): "contribution:5", id_of(made[2]): "contribution:5"}, "audit")
    assert {one.id for one in library.nearest(names[0], 10, "contribution:5")} == {
        id_of(made[1]),
        id_of(made[2]),
    }


def test_what_does_not_count_any_more_is_not_found(library, seen, observe):
    made = [seen(str(n), vector=(1, n)) for n in range(5)]
    library.add(made[:2], "one")
    library.add(made[2:], "two")
    assert len(library.nearest(id_of(made[4]), 10)) == 4
    library.add([observe("3", features=())], "three")
    library.store.replace(library.store.shards()[:1], made[:1], "less")
    assert {one.id for one in library.nearest(id_of(made[4]), 10)} == {id_of(made[0]), id_of(made[2])}
    for gone in (made[1], made[3]):
        with pytest.raises(UsageError):
            library.nearest(id_of(gone))


@pytest.mark.parametrize("kind", ["points", "lots", "ends", "ids", "json"])
@pytest.mark.parametrize("content", [None, b"", b"garbage" * 100])
def test_a_damaged_index_is_made_again(library, again, seen, cache, kind, content):
    made = [seen(str(n), vector=(1, n)) for n in range(4)]
    library.add(made, "one")
    expected = library.nearest(id_of(made[0]))
    (file,) = cache.rglob(f"neighbours-*.{kind}")
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert again(library).nearest(id_of(made[0])) == expected


def test_models_and_layers_are_not_compared_with_each_other(library, seen):
    library.add([seen("a", vector=(1, 2)), seen("b", vector=(1, 2, 3))], "one")
    library.add([seen("c", vector=(1, 2), model_sha256="n")], "two")
    assert library.nearest((1, 2, 3), 5)[0].distance == pytest.approx(0, abs=1e-3)
    assert library.nearest(id_of(seen("a")), 5) == []
    for vector, layers in (((1, 2), 2), ((1, 2, 3, 4), 0)):
        with pytest.raises(UsageError) as caught:
            library.nearest(vector)
        assert str(caught.value) == (
            f"A vector of {len(vector)} numbers belongs to {layers} layers of this library. "
            "Give an entry's id, or a vector as long as one kind has (known: 2, 3)."
        )


def test_an_entry_that_is_not_there_is_refused(library, seen):
    library.add([seen("a", vector=(1, 2))], "one")
    with pytest.raises(UsageError) as caught:
        library.nearest("nobody")
    assert str(caught.value) == "No entry 'nobody' in this library. Take an id that `query().ids()` lists."
    with pytest.raises(UsageError, match="0 neighbours cannot be found"):
        library.nearest("nobody", 0)
