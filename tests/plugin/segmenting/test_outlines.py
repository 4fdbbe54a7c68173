"""Masks on the sample: laid where they belong, outlined in every kind of picture, said in words."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from planted_segments import audited
from small_segmenters import UNet
from torch import nn

from foveal.explaining.files import write_explanation
from foveal.explaining.samples import SampleExplainer
from foveal.samples import encode_png
from foveal.segmenting.network import Segmenter
from foveal.segmenting.outlines import COLOURS, Masks, draw_masks, in_words, masks_of, painted
from foveal_audit.studies.spots import draw_spot


class Bright(nn.Module):
    """Class 1 where the input is above one half, class 2 above two: one position per two steps."""

    def forward(self, x):
        coarse = x[(slice(None), slice(None), *[slice(None, None, 2)] * (x.ndim - 2))]
        return torch.cat([torch.full_like(coarse, 0.5), coarse, 2 * coarse - 2], 1)


def masks(x, frame, shape, labels=("nothing", "cyst", "lesion")):
    return masks_of(
        Segmenter(Bright().eval()), torch.tensor(x, dtype=torch.float32)[None, None], frame, shape, labels
    )


def test_masks_lie_where_the_network_looked():
    # Eight steps, of which the network saw 2 to 6, four of its own; each position stands for two of these.
    found = masks([0.0, 0.0, 1.0, 1.0], (2, 6), (8, 1))
    assert found.classes.tolist() == [-1, -1, 0, 0, 1, 1, -1, -1]
    assert found.found == ((1, "cyst", 0.5),)


def test_every_step_has_the_class_of_the_nearest_position():
    found = masks([[3.0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]], (0, 0, 6, 4), (6, 4, 3))
    assert found.classes.tolist() == [[2, 2, 1, 1]] * 3 + [[0, 0, 0, 0]] * 3
    assert found.found == ((1, "cyst", 0.25), (2, "lesion", 0.25))


def test_in_words():
    assert (
        in_words(Masks(np.zeros(1, int), ((1, "cyst", 0.125), (2, "lesion", 0.25))))
        == "lesion (25.0%), cyst (12.5%)"
    )
    assert in_words(Masks(np.zeros(1, int), ())) == "nothing"


def test_classes_without_names_have_numbers():
    assert masks([1.0, 1.0], (0, 2), (2, 1), labels=()).found == ((1, "class 1", 1.0),)


def test_classifiers_have_no_masks():
    assert masks_of(UNet(), torch.zeros(1, 1, 8, 8), (0, 0, 8, 8), (8, 8, 1)) is None


def test_an_outline_is_the_edge_of_its_mask():
    classes = np.zeros((6, 7), int)
    classes[1:5, 2:7] = 2
    drawn = painted(np.full((6, 7, 1), 100, np.uint8), Masks(classes, ((2, "lesion", 0.5),)))
    edge = np.zeros((6, 7), bool)
    edge[1:5, 2:7] = True
    edge[2:4, 3:7] = False  # the picture's own border is no edge
    assert (drawn[edge] == COLOURS[2]).all()
    assert (drawn[~edge] == 100).all()


def test_enlarged_outlines_have_two_pixels_and_a_dark_one():
    classes = np.zeros((8, 8), int)
    classes[:, 4:] = 1
    drawn = painted(np.full((8, 8, 1), 100, np.uint8), Masks(classes, ((1, "x", 0.5),)), zoom=4)
    assert drawn.shape == (32, 32, 3)
    row = drawn[10].tolist()
    assert row[14:19] == [[100] * 3, [0] * 3, list(COLOURS[1]), list(COLOURS[1]), [100] * 3]


@pytest.mark.parametrize("shape", [(64, 2), (24, 30, 1), (12, 14, 16, 1)])
def test_every_kind_is_drawn(shape):
    classes = np.zeros(shape[:-1], int)
    classes[tuple(slice(3, 9) for _ in shape[:-1])] = 1
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with_masks = draw_masks(values, Masks(classes, ((1, "cyst", 0.1),)))
    without = draw_masks(values, Masks(np.zeros_like(classes), ()))
    assert with_masks.size == without.size
    assert np.asarray(with_masks).shape[2] == 3
    top = slice(0, with_masks.height - 40)  # what is drawn, not only what is written below
    assert (np.asarray(with_masks)[top] != np.asarray(without)[top]).any()


def test_explanations_show_masks(tmp_path):
    torch.manual_seed(0)
    net = UNet()
    with torch.no_grad():
        net.out.bias[1] = 5  # finds something everywhere
    pixels, *_ = draw_spot(np.random.default_rng(0), spot=True, ruler=True)
    (tmp_path / "spot.png").write_bytes(encode_png(pixels))
    with SampleExplainer(audited(net.eval())) as explainer:
        explained = explainer.explain(tmp_path / "spot.png")
        report = write_explanation(explained, explainer, tmp_path / "out", "spot")
    assert (explained.masks.classes == 1).all()
    assert report["masks"] == [{"class": 1, "label": "lesion", "share": 1.0}]
    assert json.loads((tmp_path / "out" / "spot.json").read_text())["masks"] == report["masks"]
    drawn = Image.open(tmp_path / "out" / "spot.png")
    assert drawn.width > 2 * 448
