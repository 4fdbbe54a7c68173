"""Lists of entries: what is looked up once serves every question about it, and never outlives the library."""

from __future__ import annotations

import threading
import time

import numpy as np
import pyarrow as pa
import pytest
from hostile_audit import FEATURES, observation
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from foveal.library import Library
from foveal_audit.explorer import keeping, tiles
from foveal_audit.explorer.browsing import ORDERS, Browser, Wanted


@pytest.fixture
def library(exhibits):
    return exhibits.library


def warmed(library):
    browser = Browser()
    browser.warm(library, threading.RLock())
    return browser


@pytest.mark.parametrize("feature", FEATURES)
def test_a_features_list_out_of_all_entries_is_the_librarys_own(library, feature):
    own = Browser().listed(library, Wanted(feature=feature))
    part = warmed(library).listed(library, Wanted(feature=feature))
    assert part.equals(own)
    assert len(own) == 80


def test_only_the_same_question_is_answered_from_the_list_of_all(library):
    browser = warmed(library)
    for wanted in (
        Wanted(feature=FEATURES[1], order="newest"),
        Wanted(feature=FEATURES[1], source="training"),
        Wanted(feature="nothing"),
        Wanted(source="production"),
    ):
        assert browser.listed(library, wanted).equals(Browser().listed(library, wanted))
    assert {order: len(browser.listed(library, Wanted(order=order))) for order in ORDERS} == dict.fromkeys(
        ORDERS, 240
    )


def kept(browser, count):
    """Wait until so many entries are in memory."""
    until = time.monotonic() + 20
    while len(browser.keeper._kept.where) < count:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_what_is_in_memory_is_what_the_library_says(library):
    browser = warmed(library)
    kept(browser, 240)
    ids = library.query(feature=FEATURES[1]).ids()[:30]
    ours = {row["id"]: row for row in browser.rows(library, ids)}
    theirs = {row["id"]: row for row in Browser().rows(library, ids)}
    assert ours == theirs
    assert sorted(ours) == ids
    assert browser.entries(library, ids) == Browser().entries(library, ids)


@pytest.mark.parametrize("ahead", [0.0, 20.0])
def test_pieces_put_together_say_the_same(library, monkeypatch, ahead):
    monkeypatch.setattr("foveal_audit.explorer.keeping._AT_ONCE", 7)
    monkeypatch.setattr("foveal_audit.explorer.browsing._AHEAD", ahead)
    browser = Browser()
    browser.warm(library, threading.RLock())
    if not ahead:  # else all was read before the call came back
        kept(browser, 240)
    ids = library.query(feature=FEATURES[1]).ids()
    asked = [ids[at] for at in np.random.default_rng(0).permutation(len(ids))]
    until = time.monotonic() + 20
    while len(browser.keeper._kept.pieces) > 1:  # 240 entries are few bytes
        assert not ahead
        assert time.monotonic() < until
        time.sleep(0.01)
    assert browser.entries(library, asked) == Browser().entries(library, asked)


def test_pieces_are_grouped_by_their_bytes(monkeypatch):
    monkeypatch.setattr(keeping, "_GROUP", 100)
    pieces = [pa.table({"id": np.arange(size)}) for size in (5, 5, 9, 1, 2, 20, 1)]  # eight bytes each
    assert [[len(one) for one in group] for group in keeping._grouped(pieces)] == [
        [5, 5], [9, 1, 2], [20], [1],
    ]  # fmt: skip


def test_what_a_browser_asks_for_first_is_ready(library, monkeypatch):
    browser = warmed(library)
    monkeypatch.setattr(browser, "rows", lambda _, ids: [pytest.fail("read anew") for _ in ids])
    assert len(browser.window(library, Wanted(), 0, 96)["entries"]) == 96


def test_what_was_added_since_is_seen(store, monkeypatch):
    library = Library("grows", store)
    library.add([observation(1, "training")], "first")
    browser = warmed(library)
    kept(browser, 3)
    library.add([observation(2, "training")], "second")
    monkeypatch.setattr("foveal_audit.explorer.browsing._FRESH", -1.0)
    browser.follow(library, threading.RLock())
    assert len(browser.listed(library, Wanted())) == 6
    assert len(browser.listed(library, Wanted(feature=FEATURES[0]))) == 2
    kept(browser, 6)


def naive(inside):
    """Give the places of a region that have a neighbour, above, below, left or right, out of it."""
    found = np.zeros(inside.shape, bool)
    for y, x in np.argwhere(inside):
        for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            if 0 <= y + dy < len(inside) and 0 <= x + dx < inside.shape[1]:
                found[y, x] |= not inside[y + dy, x + dx]
    return found


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=6))
def test_the_line_is_white_within_and_dark_without(rows):
    inside = np.array(rows)
    line = tiles._line(inside)
    assert ((line == 1) == naive(inside)).all()
    assert ((line == 2) == naive(~inside)).all()


def test_colour_and_line_of_a_map_are_two_layers():
    colours, line = (
        np.asarray(one.convert("RGBA")) for one in tiles.map_layers([1, -1, 0, -1], [2, 2], (8, 8))
    )
    assert colours.shape == (tiles.LAYER // 2, tiles.LAYER // 2, 4)
    assert line.shape == (tiles.LAYER, tiles.LAYER, 4)
    assert colours[0, 0].tolist() == [254, 232, 56, 225]
    assert colours[-1, -1, 3] == 0
    assert {tuple(one) for one in line.reshape(-1, 4).tolist()} == {
        (0, 0, 0, 0), (255, 255, 255, 255), (20, 20, 20, 255),
    }  # fmt: skip
    both = np.asarray(tiles.map_layer([1, -1, 0, -1], [2, 2], (8, 8)))
    drawn = line[..., 3] > 0
    assert (both[drawn] == line[drawn]).all()
    assert both[0, 0].tolist() == pytest.approx(
        [254, 232, 56, 225], abs=1
    )  # opacity is multiplied in, and out


@pytest.mark.parametrize(("count", "wanted"), [(6, 64), (64, 6), (1, 5), (7, 7)])
def test_maps_are_scaled_as_pillow_scales_them(count, wanted):
    field = np.random.default_rng(0).normal(size=(count, 5)).astype(np.float32)
    scaled = Image.fromarray(field).resize((5, wanted), Image.Resampling.BILINEAR)
    assert np.allclose(tiles._spreading(count, wanted) @ field, np.asarray(scaled), atol=1e-5)
