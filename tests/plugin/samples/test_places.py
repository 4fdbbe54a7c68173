"""Places in words: seconds, millimetres and frequencies, and steps where nobody knows."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.samples.kinds import KINDS, read_transform
from foveal.samples.places import UNITS, hertz, known_spacing, place, size

_STEP = st.floats(1e-5, 10)


@pytest.mark.parametrize(
    ("window", "spacing", "band", "text"),
    [
        ((151, 220), None, None, "steps 151\u2013220"),
        ((1, 2, 33, 34), None, None, "rows 1\u201333, columns 2\u201334"),
        ((0, 1, 2, 3, 4, 5), (), None, "slices 0\u20133, rows 1\u20134, columns 2\u20135"),
        ((151, 220), (1 / 360,), None, "0.42\u20130.61 s"),
        ((151, 220), (1 / 360,), (1900.0, 2312.5), "0.42\u20130.61 s, 1.9\u20132.3 kHz"),
        ((36_000, 72_000), (1 / 360,), None, "100\u2013200 s"),
        ((80, 160), (1 / 8000,), (0.0, 500.0), "10\u201320 ms, 0\u2013500 Hz"),
        ((120, 136), (0.125,), (3.5, 7.25), "15.0\u201317.0 s, 3.5\u20137.2 Hz"),
        ((3, 10, 20, 7, 40, 50), (5.0, 0.5, 0.5), None, "z 15\u201335, y 5\u201320, x 10\u201325 mm"),
        ((0, 0, 0, 2, 8, 8), (0.7, 0.25, 0.25), None, "z 0.0\u20131.4, y 0.0\u20132.0, x 0.0\u20132.0 mm"),
    ],
)  # fmt: skip
def test_where_a_window_lies(window, spacing, band, text):
    assert place(window, spacing, band) == text


def test_how_large_a_window_is():
    assert size((151, 220), (1 / 360,)) == "0.19 s"
    assert size((0, 80), (1 / 8000,)) == "10 ms"
    assert size((3, 10, 20, 7, 40, 50), (5.0, 0.5, 0.5)) == "20 \u00d7 15 \u00d7 15 mm"


@given(start=st.integers(0, 10**6), long=st.integers(1, 10**5), step=_STEP)
def test_two_digits_of_a_length_are_told(start, long, step):
    """Both ends are right to a twentieth of the length, in whichever unit they are told."""
    first, last, unit = re.fullmatch(
        r"([\d,.]+)\u2013([\d,.]+) (s|ms)", place((start, start + long), (step,))
    ).groups()
    scale = {"s": 1.0, "ms": 1e-3}[unit]
    room = max(0.5 * long * step / 5, 0.6e-6 * scale)
    assert float(first.replace(",", "")) * scale == pytest.approx(start * step, abs=room)
    assert float(last.replace(",", "")) * scale == pytest.approx((start + long) * step, abs=room)


@given(low=st.floats(0, 20_000), wide=st.floats(0.01, 5000))
def test_a_band_is_told_in_the_unit_that_fits(low, wide):
    told = hertz((low, low + wide))
    assert told.endswith(" kHz" if low + wide >= 1000 else " Hz")
    scale = 1000 if told.endswith("kHz") else 1
    first, last = (float(one.replace(",", "")) * scale for one in told.split()[0].split("\u2013"))
    assert abs(first - low) <= wide / 2 + 1e-3  # half of the last digit, and one digit counts
    assert abs(last - low - wide) <= wide / 2 + 1e-3


@given(
    spacing=st.lists(st.floats(allow_nan=True) | _STEP, max_size=4).map(tuple),
    axes=st.sampled_from([1, 2, 3]),
)
def test_only_a_whole_spacing_is_known(spacing, axes):
    known = known_spacing(spacing, axes)
    if axes == 2 or len(spacing) != axes or not all(math.isfinite(one) and one > 0 for one in spacing):
        assert known is None
    else:
        assert known == spacing


def test_every_kind_has_the_unit_of_its_axes():
    units = {name: kind.unit for name, kind in KINDS.items()}
    assert units == {"image": "", "signal": "s", "audio": "s", "volume": "mm"}
    assert set(UNITS) == {1, 3}


@pytest.mark.parametrize(
    ("section", "stated", "told"),
    [
        ({"kind": "signal", "rate": 360}, (), (1 / 360,)),
        ({"kind": "signal", "rate": 360}, (1 / 250,), (1 / 250,)),
        ({"kind": "audio"}, (), ()),
        ({"kind": "volume", "size": [8, 8, 8]}, (5.0, 1.0, 1.0), (5.0, 1.0, 1.0)),
        ({"kind": "volume"}, (), ()),
        ({"kind": "image"}, (0.5, 0.5), ()),
    ],
)
def test_windows_count_in_the_files_own_steps(section, stated, told):
    """Whatever the network resamples or resizes; a trace that states no rate has the network's."""
    assert read_transform(section).spacing(stated) == told
