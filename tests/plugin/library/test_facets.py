"""Facets of a feature: groups made on purpose are found again, whatever way the entries came."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from foveal.errors import UsageError
from foveal.library import Library, facets
from foveal.records import Observation


@pytest.fixture
def seen(observe):
    """An observation with one entry of a vector, or of a crop."""

    def make(name, vector=(), crop=b"", **fields):
        observation = observe(name, features=("fc1:7",), **fields)
        entry = replace(observation.entries[0], vector=np.asarray(vector, np.float32), crop=crop)
        return Observation(observation.sample, (entry,))

    return make


def planted(seen, sizes, spread=0.1):
    """Points around as many axes, of any length, with what group each is of."""
    rng = np.random.default_rng(0)
    for group, size in enumerate(sizes):
        for number in range(size):
            point = rng.uniform(0.5, 3) * (np.eye(8)[group] + spread * rng.normal(size=8))
            yield group, seen(f"{group}-{number}", point)


def groups(found, made):
    """The planted group of each facet's members."""
    known = {one.entries[0].id: group for group, one in made}
    return [{known[id_] for id_ in facet.ids} for facet in found]


def test_planted_groups_are_found_the_largest_first(library, seen):
    made = list(planted(seen, (30, 60, 10)))
    library.add([one for _, one in made], "one")
    found = library["fc1:7"].facets(3)
    assert [len(facet) for facet in found] == [60, 30, 10]
    assert groups(found, made) == [{1}, {0}, {2}]
    assert [facet.number for facet in found] == [0, 1, 2]
    assert repr(found[2]) == "Facet(2 of 'fc1:7': 10 entries)"
    np.testing.assert_allclose(found[0].centre, np.eye(8)[1], atol=0.1)
    points = {one.entries[0].id: one.entries[0].vector for _, one in made}
    away = [np.linalg.norm(points[i] / np.linalg.norm(points[i]) - found[0].centre) for i in found[0].ids]
    assert away == sorted(away)


@pytest.mark.parametrize("learned_from", [25, 20_000])
def test_facets_do_not_depend_on_how_the_entries_came(library, seen, monkeypatch, learned_from):
    monkeypatch.setattr(facets, "_LEARNED_FROM", learned_from)
    monkeypatch.setattr(facets, "_AT_ONCE", 7)
    made = list(planted(seen, (20, 15, 12)))
    library.add([one for _, one in made[:40]], "one")
    library.add([one for _, one in made[40:]], "two")
    other = Library(f"{library.name} otherwise", library.tracking_uri)
    other.add([one for _, one in made[::-1]], "all")
    found = [[facet.ids for facet in view["fc1:7"].facets(3, seed=5)] for view in (library, other)]
    assert found[0] == found[1]
    assert sorted(id_ for ids in found[0] for id_ in ids) == library.query().ids()
    assert groups(library["fc1:7"].facets(3, seed=5), made) == [{0}, {1}, {2}]


def test_entries_without_vectors_are_split_by_what_they_look_like(library, seen):
    def png(pixels):
        file = io.BytesIO()
        Image.fromarray(np.asarray(pixels, np.uint8)).save(file, "PNG")
        return file.getvalue()

    ramp = np.tile(np.arange(0, 240, 10), (24, 1))
    made = [(0, seen(f"right {n}", crop=png(ramp + n))) for n in range(6)]
    made += [(1, seen(f"down {n}", crop=png(ramp.T + n))) for n in range(5)]
    library.add([one for _, one in made], "one")
    assert groups(library["fc1:7"].facets(2), made) == [{0}, {1}]


def test_what_cannot_be_compared_is_left_out(library, seen):
    library.add([seen("a", (1, 2)), seen("b", (2, 1)), seen("c", (1, 2, 3)), seen("d")], "one")
    library.add([seen("e", (1, 1), model_sha256="n")], "two")
    (facet,) = library["fc1:7"].facets(1)
    assert sorted(facet.ids) == sorted(library.query(sample=name).ids()[0] for name in "ab")


def test_there_are_no_more_facets_than_different_entries(library, seen):
    library.add([seen(str(n), (1, n % 2)) for n in range(6)], "one")
    assert [len(facet) for facet in library["fc1:7"].facets(4)] == [3, 3]
    with pytest.raises(UsageError) as caught:
        library["fc1:7"].facets(0)
    assert str(caught.value) == "Entries cannot be split into 0 facets. Ask for 1 or more."
