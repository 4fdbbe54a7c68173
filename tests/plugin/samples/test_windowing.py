"""Window and level by hand."""

import numpy as np
import pytest

from foveal.errors import UsageError
from foveal.samples import ImageTransform
from foveal.samples.windowing import ends, read_window, to_unit


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((-100.0, 100.0), [0, 0.5, 0.75, 1]),
        ("range", [0, 0.5, 0.525, 1]),
        ("lung", [0.9, 0.9 - 0.9 + 1350 / 1500, 1400 / 1500, 1]),
        ("brain", [0, 0, 50 / 80, 1]),
    ],
)
def test_windows(window, expected):
    values = np.array([-1000, 0, 50, 1000], np.int16)
    if window == "lung":
        expected = [350 / 1500, *expected[1:]]
    np.testing.assert_allclose(to_unit(values, window), expected, atol=1e-6)


def test_without_a_window_the_type_decides():
    assert to_unit(np.array([51], np.uint8), None).tolist() == pytest.approx([0.2])
    assert to_unit(np.array([-16384], np.int16), None).tolist() == [-0.5]
    assert to_unit(np.array([3.5], np.float32), None).tolist() == [3.5]


def test_percentiles_leave_out_the_extremes():
    values = np.arange(101, dtype=np.float32)
    assert ends(values, "percentiles") == (1, 99)
    large = np.tile(values, 50_000)
    assert ends(large, "percentiles") == pytest.approx((1, 99), abs=1)


def test_a_sample_all_of_one_value_is_nothing():
    assert to_unit(np.full(4, 7, np.int16), "percentiles").tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "value", [[1, 1], [2, 1], [1], [1, float("nan")], [float("-inf"), 1], 5, True, [True, 3]]
)
def test_what_is_no_window(value):
    with pytest.raises(UsageError) as refused:
        read_window(value)
    assert str(refused.value) == (
        f"preprocess.window is {value!r}. Give [low, high] with low < high, or one of percentiles, range, "
        "brain, subdural, lung, mediastinum, soft-tissue, liver, bone."
    )


def test_an_image_model_may_take_a_window():
    transform = ImageTransform.from_mapping({"window": [-100, 300]})
    values = np.array([[[-1000], [100], [2000]]], np.int16)
    assert transform(values).flatten().tolist() == pytest.approx([0, 0.5, 1])
    assert ImageTransform.from_mapping(transform.to_mapping()) == transform
    assert "window" not in ImageTransform().to_mapping()
    colours = np.array([[[0, 100, 300]]], np.int16)
    grey = ImageTransform(channels=1, window=(0, 300))(colours)
    assert grey.item() == pytest.approx((0.587 * 100 + 0.114 * 300) / 300, abs=0.01)
