"""Frames from a bundle's generator and a real library."""

import io

import numpy as np
import planted
import pyarrow as pa
import pytest
from opened_frames import open_frames
from PIL import Image

from foveal.errors import UsageError
from foveal.samples import decode_image
from foveal_audit.generators import fit_generator
from foveal_audit.generators.storage import WEIGHTS, weights_bytes
from foveal_audit.lattice.opening import _channels
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


class Spoilt:
    """A library some of whose crops are no pictures."""

    name = "spoilt"

    def __init__(self, library, numbers):
        self.library, self.numbers = library, numbers
        self.samples = library.samples

    def query(self, **wanted):
        whole = self.library.query(**wanted)

        class Query:
            def drawn(query, *given):  # noqa: N805 - self is the library
                table = whole.drawn(*given)
                crops = table["crop"].to_pylist()
                for number in self.numbers(len(crops)):
                    crops[number] = b"<svg onload=alert(1)>"
                return table.set_column(table.column_names.index("crop"), "crop", pa.array(crops))

        return Query()


def test_a_crop_that_is_no_picture_is_left_out_and_every_frame_says_so(folder, planted_library, frames):
    told = open_frames(folder, FEATURE, Spoilt(planted_library, lambda count: (0, 3)))
    whole = len(frames.real.entries)
    assert len(told.real.entries) == len(told.real.originals) == whole - 2
    assert told.real.entries == [one for at, one in enumerate(frames.real.entries) if at not in (0, 3)]
    assert told.drawn(1).warnings[-1] == f"2 of {whole} real crops cannot be read and are left out."
    assert not any("cannot be read" in warning for warning in frames.drawn(1).warnings)


def test_a_feature_of_which_no_crop_can_be_read_is_refused(folder, planted_library, frames):
    whole = len(frames.real.entries)
    with pytest.raises(UsageError) as caught:
        open_frames(folder, FEATURE, Spoilt(planted_library, lambda count: range(1, count)))
    assert str(caught.value) == (
        f"Library 'spoilt' holds 1 entries of fc1:2 whose crops can be read, and {whole - 1} others. "
        "Open the library that was audited, as the bundle's findings.json names it."
    )


@pytest.mark.parametrize(("given", "wanted", "row"), [
    (1, 3, [[0, 0, 0]]), (3, 1, [[1]]), (4, 3, [[0, 1, 2]]), (4, 1, [[1]]), (3, 3, [[0, 1, 2]]),
])  # fmt: skip
def test_crops_are_brought_to_the_generators_channels(given, wanted, row):
    crop = np.arange(given, dtype=np.float32)[:, None, None]
    assert _channels(crop, wanted)[:, 0, 0].tolist() == row[0]


def test_a_withheld_generator_is_refused(tmp_path, planted_library):
    with pytest.raises(UsageError, match=r"No generator in .*: weights.safetensors is missing"):
        open_frames(tmp_path, FEATURE, planted_library)
