"""The rectangle in which a detail can be masked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.bundle.masking import mask_of


def test_nearly_all_windows_lie_in_it_and_the_rest_is_told():
    near = [(row, 60, row + 32, 92) for row in range(4)] * 10
    mask = mask_of([*near, (60, 0, 92, 32)])
    assert mask.window == (0, 60, 35, 92)
    assert mask.share == 40 / 41


def test_what_keeps_to_no_place_has_none():
    assert mask_of([(0, 0, 8, 8), (50, 50, 58, 58)] * 10) is None
    assert mask_of([]) is None
    assert mask_of([(0, 8), (0, 0, 8, 8)]) is None


def test_signals_have_a_stretch_and_volumes_a_block():
    assert mask_of([(3, 9), (4, 10)]).window == (3, 10)
    assert mask_of([(0, 1, 2, 4, 5, 6)]).window == (0, 1, 2, 4, 5, 6)


boxes = st.tuples(*[st.integers(0, 9)] * 2, *[st.integers(1, 9)] * 2).map(
    lambda c: (c[0], c[1], c[0] + c[2], c[1] + c[3])
)


@given(st.lists(boxes, min_size=1, max_size=40))
def test_at_most_a_twentieth_sticks_out_on_each_side(windows):
    mask = mask_of(windows)
    if mask is None:
        return
    for axis in (0, 1):
        assert sum(one[axis] < mask.window[axis] for one in windows) <= len(windows) / 20
        assert sum(one[axis + 2] > mask.window[axis + 2] for one in windows) <= len(windows) / 20
    inside = sum(
        one[0] >= mask.window[0] and one[1] >= mask.window[1]
        and one[2] <= mask.window[2] and one[3] <= mask.window[3]
        for one in windows
    )  # fmt: skip
    assert mask.share == inside / len(windows)
