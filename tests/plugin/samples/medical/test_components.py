"""Connected parts: as SciPy finds them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from foveal.samples.medical.components import find_components


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24), elements=st.booleans()))
def test_parts_are_those_of_scipy(mask):
    found = find_components(mask)
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    own = np.zeros(mask.shape, int)
    own[found.rows, found.columns] = found.owner + 1
    assert len(found) == count
    pairs = set(zip(own[mask].tolist(), labels[mask].tolist(), strict=True))
    assert len(pairs) == count
    boxes = {(y.start, x.start, y.stop, x.stop) for y, x in ndimage.find_objects(labels)}
    assert boxes == set(map(tuple, found.boxes.tolist()))
    assert sorted(found.area.tolist()) == sorted(np.bincount(labels[mask])[1:].tolist() if count else [])


def test_means_leave_out_what_is_no_number():
    mask = np.array([[1, 1, 0, 1]], bool)
    values = np.array([[1, np.nan, 7, 5]], np.float32)
    np.testing.assert_allclose(find_components(mask).mean(values), [1, 5])
