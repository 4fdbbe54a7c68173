import numpy as np
import pytest

from foveal_audit.charts import MOST_LANES, WIDTH, lane_height, slices, strips


def line_of(picture):
    """Mean row of the ink in every column, from the top; NaN where there is none."""
    ink = 255.0 - picture[..., 0]
    ink[ink < 40] = 0  # the rule between lanes
    rows = np.arange(len(ink))[:, None]
    total = ink.sum(0)
    return np.where(total > 0, (ink * rows).sum(0) / np.maximum(total, 1), np.nan)


def test_a_flat_line_lies_where_its_value_is():
    heights = [line_of(strips(np.full((1, 1, 64), level, np.float32))[0]) for level in (0.0, 0.5, 1.0)]
    lane = lane_height(1)
    for line, share in zip(heights, (0.0, 0.5, 1.0), strict=True):
        np.testing.assert_allclose(line, 3 + (1 - share) * (lane - 7), atol=1e-3)


def test_a_rising_line_rises_evenly():
    line = line_of(strips(np.linspace(0, 1, 64, dtype=np.float32)[None, None])[0])
    steps = np.diff(line)
    assert (steps <= 0.01).all()
    assert steps[4:-4].std() < 0.15
    assert line[0] - line[-1] == pytest.approx(lane_height(1) - 7, abs=1)


@pytest.mark.parametrize("steps", [2, 9, 64, 128, 300, 512, 513, 5000])
def test_a_spike_of_one_step_reaches_its_height(steps):
    trace = np.zeros((1, 1, steps), np.float32)
    trace[0, 0, steps // 2] = 1
    dark = strips(trace)[0, ..., 0] < 128
    assert dark[3].any()
    assert dark.any(1)[3:60].all()  # a steep flank has no gaps


def test_every_channel_has_its_lane_and_no_more_than_twelve_are_drawn():
    traces = np.zeros((2, 3, 32), np.float32)
    traces[1, 2] = 1
    lane = lane_height(3)
    pictures = strips(traces)
    assert pictures.shape == (2, 3 * lane, WIDTH, 3)
    differs = (pictures[0] != pictures[1]).any((1, 2))
    assert differs[2 * lane :].any()
    assert not differs[: 2 * lane].any()
    assert strips(np.zeros((1, 20, 32), np.float32)).shape[1] == MOST_LANES * lane_height(20)


@pytest.mark.parametrize("channels", range(1, 16))
def test_charts_have_even_sides(channels):
    assert lane_height(channels) % 2 == 0


def test_slices_go_through_the_middle_of_a_volume():
    volume = np.zeros((1, 1, 8, 10, 12), np.float32)
    volume[0, 0, 4, 2, 3], volume[0, 0, 1, 5, 7], volume[0, 0, 6, 8, 6] = 0.2, 0.4, 1.0
    (sheet,) = slices(volume)
    assert sheet.shape == (10 + 2 + 8, 12 + 2 + 8, 3)
    across, beside, below = sheet[:10, :12, 0], sheet[:10, 14:, 0], sheet[12:, :12, 0]
    assert {tuple(place) for place in np.argwhere(across)} == {(2, 3)}
    assert {tuple(place) for place in np.argwhere(below)} == {(1, 7)}
    assert {tuple(place) for place in np.argwhere(beside)} == {(8, 6)}
    assert (across[2, 3], below[1, 7], beside[8, 6]) == (51, 102, 255)
    assert (sheet[10:12] == 160).all()
    assert (sheet[12:, 14:] == 160).all()  # where no slice is


def test_three_channels_of_a_volume_are_colours_and_two_are_grey():
    assert slices(np.stack([np.ones((8, 8, 8)), *np.zeros((2, 8, 8, 8))])[None])[0, 0, 0].tolist() == [
        255,
        0,
        0,
    ]
    assert slices(np.stack([np.ones((8, 8, 8)), np.zeros((8, 8, 8))])[None])[0, 0, 0].tolist() == [128] * 3
