"""Pictures: what must be in them, where, and what must not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foveal.crops import enlarge
from foveal.regions import find_regions
from foveal.samples.legend import Scale, nice_length
from foveal.samples.render import OPACITY, display, overlay, scale_of
from foveal.samples.sheets import Bar, Row, contact_sheet, encode_movie, shrink, side_by_side, strip

GOLDEN = Path(__file__).parent / "golden"


def blob_map(*places, value=1):
    map_ = np.zeros((16, 16), np.float32)
    for y, x in places:
        map_[y, x] = value
    return map_


def drawn(pixels, map_, caption="caption", **options):
    regions = find_regions(map_, pixels.shape)
    heat = np.kron(map_, np.ones((pixels.shape[0] // 16, pixels.shape[1] // 16)))
    return np.asarray(overlay(pixels, heat, regions, caption, **options)), regions


def grey(value=90, side=64):
    return np.full((side, side, 1), value, np.uint8)


def test_far_from_the_evidence_the_sample_shows_unchanged():
    picture, _ = drawn(grey(), blob_map((12, 12)))
    assert (picture[:200, :200] == 90).all()
    assert (picture[12 * 28 + 14, 12 * 28 + 14] != 90).any()


def test_every_object_is_boxed_in_light_on_dark():
    picture, regions = drawn(grey(), blob_map((3, 3), (12, 10)))
    assert len(regions) == 2
    for region in regions:
        y0, x0, y1, x1 = (7 * side for side in region.window)
        middle = (x0 + x1) // 2
        assert (picture[y1 + 1, middle] == 255).all()
        assert (picture[y1 + 3, middle] == 0).all()
        assert (picture[(y0 + y1) // 2, x1 + 1] == 255).all()


def test_evidence_against_is_blue_evidence_for_is_orange():
    picture, regions = drawn(grey(), blob_map((3, 3)) + blob_map((12, 12), value=-1))
    assert len(regions) == 1
    red, _, blue = picture[12 * 28 + 14, 12 * 28 + 14].astype(int)
    assert blue > red + 40
    red, _, blue = picture[3 * 28 + 14, 3 * 28 + 14].astype(int)
    assert red > blue + 40


def test_weak_evidence_of_either_sign_is_not_stretched():
    """Noise of a hundredth beside real evidence must be no more than a tint."""
    map_ = blob_map((3, 3)) + blob_map((12, 12), value=-0.01)
    picture, _ = drawn(grey(), map_)
    tint = np.abs(picture[12 * 28 + 14, 12 * 28 + 14].astype(int) - 90).max()
    assert 0 < tint <= 0.1 * OPACITY * 90 + 1


def test_lines_against_are_dashed_lines_for_are_whole():
    y, x = np.mgrid[:64, :64]
    bump = 10 * np.exp(-((y - 32) ** 2 + (x - 32) ** 2) / 200)
    plus, minus = (np.asarray(overlay(grey(), sign * bump, []))[:448, :448] for sign in (1, -1))

    def line(picture):
        """Count the pixels of the line round the outer contour."""
        return (picture.astype(int).min(-1) > 180).sum()

    assert 0.35 < line(minus) / line(plus) < 0.65


@pytest.mark.parametrize(
    ("shape", "size"), [((64, 64, 1), (448, 448)), ((32, 96, 3), (448, 1344)), ((480, 640, 4), (480, 640))]
)
def test_small_samples_are_enlarged_by_a_whole_factor(shape, size):
    pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    picture = overlay(pixels, np.zeros(shape[:2]), [])
    assert picture.mode == "RGB"
    assert picture.width == size[1]
    assert picture.height > size[0]
    zoom = size[0] // shape[0]
    assert np.array_equal(np.asarray(picture)[: size[0] : zoom, ::zoom], display(pixels))


@pytest.mark.parametrize("value", [0, 0.3, -5])
def test_a_flat_map_stays_flat(value):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 1), dtype=np.uint8)
    noise = np.float32(value) * (1 + 1e-7 * np.random.default_rng(1).normal(size=(16, 16)))
    picture, regions = drawn(pixels, noise.astype(np.float32))
    assert regions == []
    assert np.array_equal(picture[:448:7, :448:7], display(pixels))


def test_the_legend_says_what_a_reader_would_not_expect():
    assert scale_of(np.full((2, 2), 0.3)).note() == "flat map: 0.3 everywhere"
    assert scale_of(np.full((2, 2), -0.3)).note() == "flat map: -0.3 everywhere"
    assert scale_of(np.zeros((2, 2))).note() == "flat map: 0 everywhere"
    assert scale_of(np.array([[-1.0, 0]])).note() == "no positive evidence, all of it is negative"
    assert scale_of(np.array([[-1.0, 0.1]])).note() is None
    assert Scale(-4.0, 1.0).end == 4


def test_a_stamp_stands_above_the_picture():
    plain, _ = drawn(grey(), blob_map((12, 12)))
    stamped, _ = drawn(grey(), blob_map((12, 12)), stamp="FOR VIEWING ONLY")
    above = len(stamped) - len(plain)
    assert above > 15
    assert np.array_equal(stamped[above:], plain)
    assert stamped[0].max() < 40
    assert stamped[:above].max() > 200


@pytest.mark.parametrize(("most", "length"), [(0.3, 1), (1, 1), (4.9, 2), (5, 5), (73, 50), (210, 200)])
def test_length_bars_are_round(most, length):
    assert nice_length(most) == length


def test_objects_at_every_border_and_long_captions_fit():
    pixels = np.zeros((64, 64, 3), np.uint8)
    for place in ((0, 0), (0, 15), (15, 0), (15, 15)):
        picture, regions = drawn(pixels, blob_map(place), "a long caption " * 20)
        assert len(regions) == 1
        assert picture.shape[1] == 448


def tile(value, size=(60, 40)):
    return Image.new("RGB", size, (value, value, value))


def test_a_strip_has_every_tile_in_its_row_and_column():
    tiles = [[tile(10 * row + column) for column in range(3)] for row in range(2)]
    picture = np.asarray(strip(tiles, ["one", "two"], ["a", "b", "c"], ["a note"]))
    for row in range(2):
        for column in range(3):
            found = np.argwhere((picture == 10 * row + column).all(-1))
            assert len(found) >= 60 * 40
            top, left = found.min(0)
            assert (picture[top : top + 40, left : left + 60] == 10 * row + column).all()


def test_a_sheet_holds_every_picture_and_marks_chance():
    rows = [Row(tile(100 + number), f"method {number}") for number in range(5)]
    rows.append(Row(tile(105), "last", ["text " * 20], [Bar("insertion", 0.5, 0.25)]))
    picture = np.asarray(contact_sheet(rows, "heading", ["a note"]))
    for number in range(6):
        assert (picture == 100 + number).all(-1).sum() >= 60 * 40
    assert (picture == (207, 100, 8)).all(-1).sum() == 3 * 17


def test_a_movie_holds_its_frames():
    for suffix in (".gif", ".png", ".webp"):
        movie = Image.open(io.BytesIO(encode_movie([tile(0), tile(120), tile(250)], suffix, 0.2)))
        assert movie.n_frames == 3
        movie.seek(1)
        movie.load()
        assert movie.info["duration"] == pytest.approx(200, abs=1)


def test_sides_and_sizes():
    assert side_by_side([tile(0), tile(1, (20, 80))]).size == (90, 80)
    assert shrink(np.zeros((100, 50, 3), np.uint8), 20).shape == (20, 10, 3)
    assert shrink(np.zeros((10, 5, 3), np.uint8), 20).shape == (20, 10, 3)


def montage():
    """Two lesions that touch, one apart, evidence against; coarse, negative, flat, stamped."""
    y, x = np.mgrid[:48, :64]

    def bump(row, column, spread):
        return np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * spread**2))

    pixels = (70 + 150 * (bump(15, 15, 3) + bump(18, 26, 3) + bump(35, 48, 4))).clip(0, 255)
    pixels = pixels.astype(np.uint8)[..., None]
    signed = bump(15, 15, 3) + 0.8 * bump(18, 26, 3) + 0.5 * bump(35, 48, 4) - 0.6 * bump(38, 12, 5)
    maps = {
        "signed": signed,
        "coarse": signed[::8, ::8],
        "against": -np.abs(signed),
        "flat": np.full((6, 8), 0.25),
    }
    pictures = [
        overlay(
            pixels,
            enlarge(map_, pixels.shape[:2]),
            find_regions(map_, pixels.shape),
            f"a nodule (0.93); {name} map",
            notes=["a note"] if name == "coarse" else [],
            stamp="FOR VIEWING ONLY" if name == "coarse" else "",
        )
        for name, map_ in maps.items()
    ]
    rows = [
        Row(one.resize((320, 280)), name, ["12 ms"], [Bar("insertion, high is good", 0.7, 0.4)])
        for name, one in zip(maps, pictures, strict=True)
    ]
    return side_by_side([*pictures, contact_sheet(rows, "a heading", ["orange tick: random maps"])])


def test_the_montage_is_the_one_that_was_looked_at():
    """After a wanted change, delete the golden picture, run this, and look at the new one."""
    picture, golden = montage(), GOLDEN / "montage.png"
    if not golden.exists():
        golden.parent.mkdir(exist_ok=True)
        picture.quantize(128).save(golden, optimize=True)
        pytest.fail(f"{golden} was missing and is drawn anew: look at it, then run this again")
    expected = Image.open(golden).convert("RGB")
    assert picture.size == expected.size
    difference = np.abs(np.asarray(picture).astype(int) - np.asarray(expected)).max(-1)
    # Every version of FreeType sets fonts a little differently; the golden picture has fewer colours.
    assert (difference > 48).mean() < 0.01
    assert difference.mean() < 4
