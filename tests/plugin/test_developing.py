"""From what the worker wrote down to entries with windows and crops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_nets import PatentNet, seeded

from foveal.config import FovealConfig, Rule
from foveal.developing import develop
from foveal.errors import UsageError
from foveal.observer import Observer, Seen
from foveal.records import Negative, Observation
from foveal.samples import decode_image, encode_png
from foveal.samples.arrays import decode_sample, encode_array
from foveal.spool import Spool, read_segment, sealed_segments


def pixels(height=120, width=90, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 1), dtype=np.uint8)


@pytest.fixture
def recorded():
    image = pixels()
    x = torch.from_numpy(image[12:108, :90].copy()).permute(2, 0, 1)[None] / 255
    x = torch.nn.functional.interpolate(x, (96, 96))

    def record(**changes):
        seen = Seen(
            "r1",
            0,
            None,
            "production",
            "2026-03-01T12:00:00Z",
            "r1",
            encoded=encode_png(image),
            size=(120, 90, 1),
            **changes,
        )
        with Observer(
            seeded(PatentNet), None, FovealConfig(features=("fc1",), rule=Rule("nonzero")), "m" * 64, x
        ) as watch:
            for _ in range(3):
                (observation,) = watch.record([seen], watch.forward(x))
        return observation

    return record


def test_through_the_spool_it_is_what_cutting_at_once_gives(recorded, tmp_path):
    observation = recorded()
    with Spool(tmp_path) as spool:
        assert spool.append(observation)
    (segment,) = sealed_segments(tmp_path)
    (read,) = read_segment(segment)
    late, at_once = develop(read), develop(observation, pixels())
    assert [entry.id for entry in late.entries] == [entry.id for entry in at_once.entries]
    assert len({entry.id for entry in late.entries}) == len(late.entries) > 3
    for entry in late.entries:
        y0, x0, y1, x1 = entry.window
        np.testing.assert_array_equal(decode_image(entry.crop, ""), pixels()[y0:y1, x0:x1])
        assert 0 < entry.share <= 1
        assert entry.map.size
    assert late.negative is None
    assert observation.sample == late.sample


def test_windows_lie_in_the_part_that_the_network_saw(recorded):
    whole, part = develop(recorded()), develop(recorded(frame=(12, 0, 108, 90)))
    assert all(entry.window[0] >= 12 and entry.window[2] <= 108 for entry in part.entries)
    assert {entry.feature for entry in whole.entries} == {entry.feature for entry in part.entries}


def test_what_is_developed_stays_as_it_is(recorded):
    once = develop(recorded())
    assert develop(once) is once


def test_a_sample_that_is_no_image_keeps_its_record(recorded, caplog):
    observation = recorded()
    broken = Observation(
        observation.sample, observation.entries, Negative(b"?", "r1", (0, 0, 120, 90), (30, 30), 3)
    )
    assert develop(broken) == Observation(observation.sample)
    assert "Sample 'r1' cannot be read as an image" in caplog.text


def test_arrays_come_back_and_hostile_headers_take_no_memory():
    image = pixels()
    np.testing.assert_array_equal(decode_sample(encode_array(image), ""), image)
    wide = image.astype(np.uint16) * 200
    np.testing.assert_array_equal(decode_sample(encode_array(wide), ""), wide)
    data = encode_array(image).replace(b"(120, 90, 1)", b"(9**9,90,1) "[:12])
    for bad in (data, encode_array(image)[:-1], encode_array(image)[:20], b"\x93NUMPY", b"\x93NUMPY\x07\x00"):
        with pytest.raises(UsageError, match="array"):
            decode_sample(bad, "r1")
