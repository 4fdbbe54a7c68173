"""A volume's preprocessing: by hand, there and back, and every refusal."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal.samples.kinds import get_kind, read_transform
from foveal.samples.volumes import VolumeTransform


def test_by_hand():
    values = np.arange(8, dtype=np.int16).reshape(2, 2, 2, 1) * 100
    tensor = VolumeTransform(window=(0, 400), mean=(0.5,), std=(0.25,))(values)
    assert tensor.shape == (1, 2, 2, 2)
    assert tensor.flatten().tolist() == pytest.approx([-2, -1, 0, 1, 2, 2, 2, 2])


def test_shrinking_averages_and_growing_interpolates():
    values = np.array([0, 10, 20, 30], np.float32).reshape(4, 1, 1, 1)
    assert VolumeTransform(size=(2, 1, 1))(values).flatten().tolist() == [5, 25]
    assert VolumeTransform(size=(8, 1, 1))(values).flatten().tolist()[2:5] == [7.5, 12.5, 17.5]
    mixed = VolumeTransform(size=(2, 3, 3))(values)
    assert mixed.shape == (1, 2, 3, 3)
    assert mixed[0, :, 1, 1].tolist() == [5, 25]


@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
def test_a_constant_volume_stays_constant(depth, height, width):
    values = np.full((3, 4, 2, 2), 7, np.float32)
    assert torch.allclose(VolumeTransform(size=(depth, height, width))(values), torch.tensor(7.0))


def test_there_and_back():
    values = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 2), dtype=np.uint8)
    transform = VolumeTransform(mean=(0.4, 0.6), std=(0.2, 0.3), channels=2)
    np.testing.assert_allclose(transform.inverse(transform(values)), values / 255, atol=1e-6)
    assert read_transform(transform.to_mapping()) == transform
    full = VolumeTransform((4, 5, 6), 1, "lung")
    assert read_transform(full.to_mapping()) == full
    assert full.blank().shape == (1, 1, 4, 5, 6)
    assert transform.blank() is None
    assert transform.frame((3, 4, 5, 2)) == (0, 0, 0, 3, 4, 5)


def test_one_channel_fills_three():
    values = np.ones((2, 2, 2, 1), np.uint8)
    assert VolumeTransform(channels=3)(values).shape == (3, 2, 2, 2)
    with pytest.raises(UsageError) as refused:
        VolumeTransform(channels=3)(np.ones((2, 2, 2, 2), np.uint8), "x")
    assert str(refused.value) == (
        "Sample 'x' has 2 channels, the model takes 3. "
        "Convert the sample, or pass the model's own --channels to `foveal pack`."
    )


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ({"sise": 3}, "Unknown key 'preprocess.sise'. Did you mean 'size'."),
        ({"size": [3, 4]}, "preprocess.size is [3, 4]. Give [depth, height, width] or null."),
        ({"size": [3, 4, 0]}, "preprocess.size is 0. Give a whole number above 0."),
        ({"channels": True}, "preprocess.channels is True. Give a whole number above 0."),
        ({"mean": "x"}, "preprocess.mean is 'x'. Give a list of numbers, one per channel."),
        ({"std": [0.0]}, "preprocess.std has the value 0.0. Give values above 0."),
        (
            {"channels": 1, "mean": [1, 2]},
            "preprocess.mean has 2 values for 1 channels. Give one value, or one per channel.",
        ),
        ({"window": "lungs"}, "preprocess.window is 'lungs'. Did you mean 'lung'."),
    ],
)
def test_refusals(section, line):
    with pytest.raises(UsageError) as refused:
        read_transform({"kind": "volume", **section})
    assert str(refused.value).replace(" or 'range'", "") == line


def test_arrays_of_three_and_four_axes_are_volumes():
    for shape, expected in (((2, 3, 4), (2, 3, 4, 1)), ((2, 3, 4, 5), (2, 3, 4, 5))):
        out = io.BytesIO()
        np.save(out, np.zeros(shape))
        assert get_kind("volume").decode(out.getvalue(), "x").values.shape == expected


def test_what_is_no_volume():
    with pytest.raises(UsageError) as refused:
        get_kind("volume").decode(b"no volume", "x")
    assert str(refused.value) == (
        "Sample 'x' cannot be read as a volume: unknown or damaged format. Give a whole file of one of these "
        "formats: npy, DICOM, DICOM series (zip or folder), NIfTI."
    )
