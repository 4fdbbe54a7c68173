"""The preprocessing against Pillow's, there and back, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from foveal.errors import UsageError
from foveal.samples import ImageTransform

RANDOM = np.random.default_rng(0)


def noise(*shape, dtype=np.uint8):
    return RANDOM.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def test_scaling_and_normalising_by_hand():
    pixels = np.array([[[0, 51, 255]]], np.uint8)
    transform = ImageTransform(channels=3, mean=(0.5, 0.2, 0.0), std=(0.5, 0.1, 2.0))
    assert transform(pixels).shape == (3, 1, 1)
    assert transform(pixels).flatten().tolist() == pytest.approx([-1, 0, 0.5], abs=1e-6)
    wide = np.array([[[65535], [13107]]], np.uint16)
    assert ImageTransform()(wide).flatten().tolist() == pytest.approx([1, 0.2])


@pytest.mark.parametrize(
    ("size", "shape"), [((96, 96), (200, 150)), ((24, 60), (33, 33)), ((64, 64), (16, 40))]
)
def test_resizing_is_pillows(size, shape):
    pixels = noise(*shape, 3)
    ours = ImageTransform(size=size)(pixels)
    assert ours.shape == (3, *size)
    theirs = Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BILINEAR)
    # Pillow rounds to whole levels after each of its two passes.
    np.testing.assert_allclose(ours.permute(1, 2, 0).numpy(), np.asarray(theirs) / 255, atol=2 / 255)


def test_a_sample_of_the_right_size_is_not_resampled():
    pixels = noise(12, 9, 1)
    assert torch.equal(ImageTransform(size=(12, 9))(pixels), ImageTransform()(pixels))


def test_grey_and_colour_as_pillow_converts_them():
    colour, grey = noise(7, 5, 3), noise(7, 5, 1)
    converted = np.asarray(Image.fromarray(colour).convert("L"))
    np.testing.assert_array_equal(
        ImageTransform(channels=1)(colour)[0].numpy(), converted.astype(np.float32) / 255
    )
    assert torch.equal(ImageTransform(channels=3)(grey), ImageTransform()(grey).expand(3, 7, 5))
    wide = ImageTransform(channels=1)(colour.astype(np.uint16) * 257)[0].numpy()
    np.testing.assert_allclose(wide, converted / 255, atol=1 / 255)


def test_an_opaque_alpha_is_dropped():
    colour = noise(4, 4, 3)
    opaque = np.concatenate([colour, np.full((4, 4, 1), 255, np.uint8)], axis=2)
    for channels in (1, 3):
        transform = ImageTransform(channels=channels)
        assert torch.equal(transform(opaque), transform(colour))
    assert ImageTransform(channels=4)(opaque).shape == (4, 4, 4)


@pytest.mark.parametrize(("have", "want"), [(4, 3), (4, 1), (3, 4), (1, 4), (1, 2)])
def test_other_channels_are_refused(have, want):
    pixels = noise(4, 4, have)
    pixels[0, 0, -1] = 7
    with pytest.raises(UsageError) as caught:
        ImageTransform(channels=want)(pixels, "scan.png")
    assert str(caught.value) == (
        f"Sample 'scan.png' has {have} channels, the model takes {want}. "
        "Convert the sample, or pass the model's own --channels to `foveal pack`."
    )


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))))
@settings(deadline=None)
def test_inverse(pixels):
    transform = ImageTransform(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    back = transform.inverse(transform(pixels))
    assert back.shape == pixels.shape
    np.testing.assert_array_equal(np.rint(back * 255), pixels)


transforms = st.integers(1, 4).flatmap(
    lambda channels: st.builds(
        ImageTransform,
        size=st.none() | st.tuples(st.integers(1, 999), st.integers(1, 999)),
        channels=st.none() | st.just(channels),
        mean=st.lists(st.floats(-9, 9), min_size=channels, max_size=channels).map(tuple),
        std=st.lists(st.floats(0.01, 9), min_size=channels, max_size=channels).map(tuple),
    )
)


@given(transforms)
def test_a_written_section_reads_back(transform):
    text = yaml.safe_dump(transform.to_mapping())
    assert ImageTransform.from_mapping(yaml.safe_load(text)) == transform


def test_defaults_of_a_section():
    assert ImageTransform.from_mapping({}) == ImageTransform(None, None, (0.0,), (1.0,))
    assert ImageTransform.from_mapping({"size": None, "mean": 0.5}).mean == (0.5,)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"sise": [1, 1]}, "Unknown key 'preprocess.sise'. Did you mean 'size'."),
        ({"size": 96}, "preprocess.size is 96. Give [height, width] or null."),
        ({"size": "96x96"}, "preprocess.size is '96x96'. Give [height, width] or null."),
        ({"size": [96, 0]}, "preprocess.size is 0. Give a whole number above 0."),
        ({"channels": 1.5}, "preprocess.channels is 1.5. Give a whole number above 0."),
        ({"channels": True}, "preprocess.channels is True. Give a whole number above 0."),
        ({"mean": "0.5"}, "preprocess.mean is '0.5'. Give a list of numbers, one per channel."),
        ({"mean": []}, "preprocess.mean is []. Give a list of numbers, one per channel."),
        ({"std": [0.5, 0]}, "preprocess.std has the value 0.0. Give values above 0."),
        (
            {"channels": 3, "mean": [0.5, 0.5]},
            "preprocess.mean has 2 values for 3 channels. Give one value, or one per channel.",
        ),
    ],
)
def test_wrong_sections(section, message):
    with pytest.raises(UsageError) as caught:
        ImageTransform.from_mapping(section)
    assert str(caught.value) == message
