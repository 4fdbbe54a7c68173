"""Masks as plain values: runs that give the mask back, shares that add up."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from foveal.segmenting.masks import classes_of, describe_masks, mask_of, runs_of


def test_runs_by_hand():
    assert runs_of(np.array([[False, True], [True, False]])) == [1, 2, 1]
    assert runs_of(np.array([True, True, False])) == [0, 2, 1]
    assert runs_of(np.array([False, False])) == [2]
    assert runs_of(np.array([True])) == [0, 1]


@given(hnp.arrays(bool, hnp.array_shapes(min_dims=1, max_dims=3, max_side=7)))
def test_runs_give_the_mask_back(mask):
    runs = runs_of(mask)
    assert sum(runs) == mask.size
    assert np.array_equal(np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(mask.shape), mask)
    assert all(run > 0 for run in runs[1:])
    assert np.array_equal(mask_of(runs, mask.shape), mask)


def test_classes_are_the_networks_own_choice():
    output = torch.tensor([[[[1.0, -1.0]], [[0.0, 0.0]]]])
    assert classes_of(output).tolist() == [[[0, 1]]]
    assert classes_of(output[:, :1]).tolist() == [[[1, 0]]]  # one channel: above 0


def test_what_was_found_is_described():
    classes = np.array([[0, 0, 2], [0, 2, 2]])
    found = describe_masks(classes, 3, {"0": "nothing", "1": "cyst", "2": "lesion"}, 0)
    assert json.loads(json.dumps(found)) == {
        "shape": [2, 3],
        "classes": {
            "nothing": {"index": 0, "share": 0.5},
            "lesion": {"index": 2, "share": 0.5, "runs": [2, 1, 1, 2]},
        },
    }


@given(hnp.arrays(np.int64, (4, 5), elements=st.integers(0, 3)))
def test_shares_and_masks_cover_everything_once(classes):
    found = describe_masks(classes, 4, None, None)["classes"]
    assert sum(one["share"] for one in found.values()) == pytest.approx(1)
    masks = [one["index"] * mask_of(one["runs"], (4, 5)) for one in found.values()]
    assert np.array_equal(sum(masks), classes)
