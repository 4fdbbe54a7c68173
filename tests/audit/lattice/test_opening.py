"""Frames from a bundle's generator and a real library."""

import io

import numpy as np
import planted
import pytest
from PIL import Image

from foveal.errors import UsageError
from foveal.samples import decode_image
from foveal_audit.generators import fit_generator
from foveal_audit.generators.storage import WEIGHTS, weights_bytes
from foveal_audit.lattice.opening import open_frames
from foveal_audit.units.appearance import resize_crop

FEATURE = "fc1:2"  # fires on part of the samples, so that others are left to paste into


@pytest.fixture(scope="module")
def folder(planted_library, tmp_path_factory):
    found = planted_library.query(feature=FEATURE).sample(60)
    crops = np.stack([resize_crop(decode_image(one.crop, one.id)) for one in found])
    folder = tmp_path_factory.mktemp("generator")
    (folder / WEIGHTS).write_bytes(weights_bytes(fit_generator(crops, kind="pca-gmm")))
    return folder


@pytest.fixture(scope="module")
def frames(folder, planted_library):
    return open_frames(folder, FEATURE, planted_library, planted.model())


def test_nearest_crops_are_entries_of_the_library(frames, planted_library):
    near = frames.drawn(1).nearest
    known = {one.id: one for one in planted_library.query(feature=FEATURE).entries()}
    assert len(near) == 3
    for one in near:
        assert known[one.entry].sample == one.sample
        cut = resize_crop(decode_image(known[one.entry].crop, one.entry))
        shown = np.asarray(Image.open(io.BytesIO(frames.crop(one.row))).convert("L"))
        assert np.array_equal(shown, (cut[0] * 255).round().astype(np.uint8))


def test_the_audited_model_is_asked(frames, folder, planted_library):
    told = next(frame.activation for seed in range(50) if not (frame := frames.drawn(seed)).withheld)
    assert told.low <= told.high
    assert np.isfinite(told.value)
    alone = open_frames(folder, FEATURE, planted_library)
    assert alone.drawn(1).activation is None


def test_a_feature_without_entries_is_refused(folder, planted_library):
    with pytest.raises(UsageError) as caught:
        open_frames(folder, "fc1:99", planted_library)
    assert str(caught.value) == (
        "Library 'planted' holds 0 entries of fc1:99. "
        "Open the library that was audited, as the bundle's findings.json names it."
    )


def test_a_withheld_generator_is_refused(tmp_path, planted_library):
    with pytest.raises(UsageError, match=r"No generator in .*: weights.safetensors is missing"):
        open_frames(tmp_path, FEATURE, planted_library)
