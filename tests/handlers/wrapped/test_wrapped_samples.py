"""What is noted of pictures that are no photographs: other channels, more bits, formats that Pillow lacks."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from foveal.config import FovealConfig
from foveal.samples.arrays import decode_sample
from foveal.samples.geometry import FrameFinder
from foveal_handlers.requests import Origin
from foveal_handlers.wrapped import samples


class Request:
    """One request of one row, as the watch holds it."""

    def __init__(self, data):
        self.rows, self.request_ids = [{"body": data}], {0: "id-0"}

    def headers(self, _request):
        return {}


def npy(values):
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def noted(data, x, **config):
    settings = FovealConfig.from_mapping(config, environ={})
    seen = samples.seen_row(Request(data), 0, Origin(0, 0), x, settings, FrameFinder())
    kept = decode_sample(seen.encoded, "")
    assert seen.size == kept.shape
    assert seen.frame is None
    return kept


def drawn(seed, *shape, kind=np.uint16):
    return np.random.default_rng(seed).integers(0, np.iinfo(kind).max, shape, dtype=kind)


def given(values):
    """Preprocess as own handlers do: channels first, from 0 to 1."""
    return torch.from_numpy(values.astype(np.float32) / np.iinfo(values.dtype).max).permute(2, 0, 1)


@pytest.mark.parametrize("shape", [(33, 47, 2), (33, 47, 1), (33, 47, 7), (33, 47, 3)])
def test_an_array_that_the_network_was_given_whole_is_the_sample(shape):
    values = drawn(0, *shape)
    kept = noted(npy(values), given(values))
    assert kept.dtype == np.uint16
    np.testing.assert_array_equal(kept, values)


def test_a_tiff_of_many_channels():
    tifffile = pytest.importorskip("tifffile")
    values, out = drawn(1, 12, 10, 6), io.BytesIO()
    tifffile.imwrite(out, values, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(noted(out.getvalue(), given(values)), values)


@pytest.mark.parametrize("channels", [2, 5])
def test_channels_that_no_picture_has_are_kept_as_given(channels):
    """Also where the handler resized the array, or normalised it."""
    values = drawn(2, 40, 40, channels)
    x = given(values)[:, ::2, ::2] * 3 - 1
    for data in (npy(values), b"", b"no sample at all"):
        kept = noted(data, x)
        assert kept.dtype == np.float32
        np.testing.assert_array_equal(kept, x.permute(1, 2, 0).numpy())


def test_other_pictures_are_drawn_as_before():
    x = torch.linspace(0, 1, 3 * 8 * 6).reshape(3, 8, 6)
    for data in (b"", npy(drawn(3, 9, 9, 3)), npy(drawn(3, 8, 6, 3)[..., 0])):
        kept = noted(data, x)
        np.testing.assert_array_equal(kept, np.rint(x.permute(1, 2, 0).numpy() * 255).astype(np.uint8))


def test_burnt_in_text_of_an_array_is_hidden(monkeypatch):
    asked = []
    monkeypatch.setattr(samples, "kept_values", lambda values, hide_text: asked.append(hide_text) or values)
    values = drawn(4, 8, 6, 2)
    noted(npy(values), given(values))
    noted(npy(values), given(values), keep={"burnt_in_text": "mask"})
    assert asked == [False, True]
