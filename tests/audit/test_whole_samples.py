"""Whole samples behind crops: the file as it was, or what was kept of it in its place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from synthetic_library import make_samples, make_windows

from foveal.samples import encode_png
from foveal_audit.bundle.schema import EntryRef
from foveal_audit.whole_samples import LONGEST, whole_samples

BOX = (8, 16, 24, 32)


def crops(*values):
    return [np.full((16, 16, 1), value, np.uint8) for value in values]


def written(folder, pixels, name="0.png"):
    (folder / name).write_bytes(encode_png(pixels))
    return str(folder / name)


def whole(samples, windows, kept=None, rows=(0,)):
    return whole_samples(rows, windows, samples, kept or windows)


def test_the_file_is_shown_with_the_place_of_the_window(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 128, 1), np.uint8)
    samples = make_samples(["training"], origins=[written(tmp_path, pixels)], shape=(64, 128, 1))
    (one,) = whole(samples, make_windows(crops(9), boxes=[BOX]))
    np.testing.assert_array_equal(one.picture, np.repeat(pixels, 3, axis=2))
    assert one.frame == (8 / 64, 16 / 128, 24 / 64, 32 / 128)
    assert one.ref == EntryRef(sample="s0000", window=BOX, activation=1, source="training", id="e0000")
    assert not one.kept_only


@pytest.mark.parametrize("shape", [(64, 448, 3), (500, 224, 3)])
def test_a_large_file_is_made_small(tmp_path, shape):
    rows = np.linspace(0, 255, shape[0])[:, None, None]
    pixels = np.broadcast_to(rows, shape).astype(np.uint8)
    samples = make_samples(["training"], origins=[written(tmp_path, pixels)], shape=shape)
    (one,) = whole(samples, make_windows(crops(9), boxes=[BOX]))
    assert max(one.picture.shape[:2]) == LONGEST
    assert one.frame[0] == 8 / shape[0]
    assert one.picture[0].max() < 20 < 235 < one.picture[-1].min()


def changed(folder, samples):
    (folder / "0.png").write_bytes(b"another file")
    return samples


def gone(folder, samples):
    (folder / "0.png").unlink()
    return samples


def never(_folder, samples):
    return replace(samples, origins=(None,))


@pytest.mark.parametrize("become", [changed, gone, never])
def test_without_the_file_what_was_kept_is_laid_out(tmp_path, become):
    origin = written(tmp_path, np.zeros((64, 64, 1), np.uint8))
    samples = become(tmp_path, make_samples(["production"], origins=[origin]))
    kept = make_windows(
        crops(50, 90, 200), owner=[0, 0, 1], boxes=[(0, 0, 16, 16), (12, 28, 28, 44), (40, 40, 56, 56)]
    )
    (one,) = whole(samples, make_windows(crops(9), boxes=[BOX]), kept)
    expected = np.full((64, 64), 118, np.uint8)
    expected[:16, :16] = 50
    expected[12:28, 28:44] = 90
    expected[8:24, 16:32] = 9  # the crop itself lies on top
    np.testing.assert_array_equal(one.picture, np.repeat(expected[..., None], 3, axis=2))
    assert one.kept_only


def test_the_strongest_evidence_lies_above_the_weaker():
    kept = replace(
        make_windows(crops(50, 90), owner=[0, 0], boxes=[(30, 30, 46, 46)] * 2), share=np.array([2.0, 1])
    )
    (one,) = whole(make_samples(["production"]), make_windows(crops(9), boxes=[BOX]), kept)
    assert one.picture[40, 40].tolist() == [50] * 3


def test_a_large_sample_without_a_file_takes_little_memory():
    samples = make_samples(["production"], shape=(1 << 20, 1 << 19, 1))
    (one,) = whole(samples, make_windows(crops(9), boxes=[(0, 0, 1 << 18, 1 << 18)]))
    assert one.picture.shape == (LONGEST, LONGEST // 2, 3)
    assert (one.picture[:56, :56] == 9).all()
    assert (one.picture[56:] == 118).all()


@pytest.mark.parametrize("box", [(-8, -4, 8, 12), (56, 60, 72, 76), (70, 70, 86, 86)])
def test_what_sticks_out_is_cut_off(box):
    (one,) = whole(make_samples(["production"]), make_windows(crops(9), boxes=[box]))
    inside = np.zeros((64, 64), bool)
    inside[max(0, box[0]) : box[2], max(0, box[1]) : box[3]] = True
    assert ((one.picture == 9).all(axis=2) == inside).all()


def test_training_comes_first_and_two_are_enough():
    samples = make_samples(["production", "training", "production", "training", "training"])
    windows = make_windows(crops(1, 2, 3, 4, 5), boxes=[BOX] * 5)
    names = [one.ref.sample for one in whole(samples, windows, rows=[2, 4, 0, 1, 3])]
    assert names == ["s0004", "s0001"]
    assert [one.ref.sample for one in whole(samples, windows, rows=[2, 0])] == ["s0002", "s0000"]


@pytest.mark.parametrize("shape", [(64, 1), (8, 64, 64, 1), (0, 4, 1)])
def test_what_is_no_picture_has_no_whole_one(shape):
    assert whole(make_samples(["production"], shape=shape), make_windows(crops(9), boxes=[BOX])) == []


def test_deep_and_transparent_pictures_are_eight_bits_without_transparency(tmp_path):
    deep = np.linspace(0, 65535, 64 * 64).reshape(64, 64, 1).astype(np.uint16)
    samples = make_samples(["training"], origins=[written(tmp_path, deep)])
    (one,) = whole(samples, make_windows(crops(9), boxes=[BOX]))
    assert (one.picture.dtype, one.picture.shape) == (np.uint8, (64, 64, 3))
    assert (one.picture[0, 0, 0], one.picture[-1, -1, 0]) == (0, 255)
    path = tmp_path / "clear.png"
    Image.new("RGBA", (64, 64), (10, 20, 30, 0)).save(path)
    (one,) = whole(
        make_samples(["training"], origins=[str(path)], shape=(64, 64, 4)),
        make_windows(crops(9), boxes=[BOX]),
    )
    assert one.picture[5, 5].tolist() == [10, 20, 30]
