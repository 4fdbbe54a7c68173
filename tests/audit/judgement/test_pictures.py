"""Whole pictures cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from planted import TriggerNet, audited
from synthetic_library import make_samples

from foveal.samples import encode_png
from foveal_audit.bench import ModelBench
from foveal_audit.judgement.cells import GRIDS
from foveal_audit.judgement.pictures import Pictures


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Noise with a bright square of 8 x 8 at (16, 40), and one picture without a file."""
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    origins = []
    for number in range(9):
        pixels = rng.integers(90, 110, (64, 64, 1), dtype=np.uint8)
        pixels[16:24, 40:48] = 220
        origins.append(str(folder / f"{number}.png"))
        (folder / f"{number}.png").write_bytes(encode_png(pixels))
    sources = ["training"] * 8 + ["production", "training"]
    samples = make_samples(sources, origins=[*origins, None])
    return Pictures(ModelBench(audited(TriggerNet()), samples), samples)


def test_readable_training_samples_are_looked_at(pictures):
    assert pictures.rows.tolist() == list(range(8))
    assert pictures.places(np.array([3, 8, 9])).tolist() == [3, -1, -1]
    assert pictures.cells.shape == (8, GRIDS[2].cells, GRIDS[2].cells, 9)


def test_the_square_stands_out(pictures):
    for salience in pictures.salience:
        y, x = np.unravel_index(salience.argmax(), salience.shape)
        assert 4 <= y <= 5
        assert 10 <= x <= 11


def test_the_square_is_another_kind_of_cell(pictures):
    inside = pictures.words[:, 4:6, 10:12]
    assert not set(inside.ravel()) & set(pictures.words[:, 8:].ravel())


def test_masks_cover_the_cells_that_a_box_touches(pictures):
    boxes = np.array([[0.25, 0.625, 0.375, 0.75], [0.0, 0.0, 0.01, 0.01]])
    masks = pictures.masks(boxes)
    assert np.argwhere(masks[0]).tolist() == [[4, 10], [4, 11], [5, 10], [5, 11]]
    assert np.argwhere(masks[1]).tolist() == [[0, 0]]
    assert pictures.masks(boxes, 1 / 16)[0].sum() == 16
