"""Traces that lie about their rate or their length, and tables whose cells nobody is to read in an error."""

from __future__ import annotations

import io
import struct
from contextlib import suppress

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal.samples.kinds import get_kind
from foveal.samples.traces import sounds
from foveal.samples.traces.resampling import check_rates, resample
from foveal.samples.traces.transform import AudioTransform, TraceTransform

SIGNAL, AUDIO = get_kind("signal"), get_kind("audio")
WHOLE = ". Give a whole file of that format."
SHORT = "Sample 's' cannot be read as sound: it is shorter than its header says" + WHOLE


def refusal(call, *args):
    with pytest.raises(UsageError) as caught:
        call(*args)
    return str(caught.value)


@pytest.mark.parametrize(
    ("spacing", "stated"),
    [
        (1.0, "1"),  # 8,000 steps for each one
        (1e-9, "1e+09"),  # the ratio would be 0
        (1 / 8_000_800, "8.0008e+06"),
        (1 / 44.1234567, "44.1235"),  # a filter of two hundred million values
        (1e-320, "inf"),
        (0.0, "inf"),
        (1e300, "1e-300"),
    ],
)
def test_rates_that_no_trace_is_brought_from(spacing, stated):
    transform = AudioTransform(rate=8000.0, size=(40,))
    said = refusal(transform, np.zeros((50, 1), np.int16), "s", (spacing,))
    assert said == (
        f"Sample 's' has {stated} steps a second, the model takes 8000. "
        "Correct the rate that the sample states, or send it at the model's."
    )


def test_a_thousandth_is_the_last_rate_that_is_taken():
    assert TraceTransform(rate=8.0)(np.ones((9000, 1), np.float32), "s", (1 / 8000,)).shape == (1, 9)
    assert TraceTransform(rate=8000.0)(np.ones((2, 1), np.float32), "s", (1 / 8,)).shape == (1, 2000)


def test_a_trace_that_would_be_too_long_at_its_new_rate(monkeypatch):
    monkeypatch.setattr(sounds, "MAX_TRACE", 2**10)
    transform = TraceTransform(rate=200.0, size=(10,))
    assert transform(np.ones((256, 2), np.float32), "s", (1 / 100,)).shape == (2, 10)
    said = refusal(transform, np.ones((257, 2), np.float32), "s", (1 / 100,))
    assert said == "Sample 's' has more than 0 Mi values. Cut it before sending it."


@given(st.floats(0.01, 1e6), st.floats(0.01, 1e6), st.integers(1, 20))
@settings(deadline=None, max_examples=12)
def test_any_rate_is_refused_or_gives_a_trace(old, new, steps):
    with suppress(UsageError):
        check_rates((1, steps), old, new, "s")
        again = resample(torch.ones(1, steps), old, new)
        assert abs(again.shape[1] - steps * new / old) <= 1 + steps / 1000
        torch.testing.assert_close(again, torch.ones_like(again))


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (b"time,I\n0,1\n1,PLANTED\n2,3\n", "row 3, column 2 holds no number"),
        (b"0;1\n1;O'PLANTED\n", "row 2, column 2 holds no number"),
        (b"1\t0\n2\tat row 0, column 9. PLANTED\n", "row 2, column 2 holds no number"),
        (b"# PLANTED\na,PLANTED\n1,2\n", "row 2, column 1 holds no number"),
        (b"PLANTED,1,2\n3,4\n5\n", "the number of columns changed from 2 to 1 at row 3"),
        (b"1,2\n3,PLANTED\xff\n", "it is no text in UTF-8"),
    ],
)
def test_no_cell_is_in_an_error(table, reason):
    assert refusal(SIGNAL.decode, table, "s") == f"Sample 's' cannot be read as CSV table: {reason}{WHOLE}"


@given(st.text(st.characters(codec="utf-8"), max_size=20))
@settings(deadline=None, max_examples=60)
def test_no_cell_is_quoted_whatever_it_holds(cell):
    table = f"time,a\n0,1\n1,ZQ{cell}QZ\n2,3\n".encode()
    said = refusal(SIGNAL.decode, table, "s")
    assert "ZQ" not in said
    assert "QZ" not in said
    assert "\n" not in said


def written(form, subtype="PCM_16"):
    out = io.BytesIO()
    soundfile.write(out, np.arange(200, dtype=np.int16), 8000, format=form, subtype=subtype)
    return out.getvalue()


@pytest.mark.parametrize(
    ("form", "subtype"), [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("RF64", "PCM_16")]
)
def test_a_sound_cut_anywhere_is_refused(form, subtype):
    whole = written(form, subtype)
    assert AUDIO.decode(whole, "s").values.shape == (200, 1)
    values = whole.index(b"data") + 8
    for end in range(values, values + 200, 7):
        assert refusal(AUDIO.decode, whole[:end], "s") == SHORT


def test_a_sound_of_the_other_byte_order_and_a_chunk_of_odd_size():
    out = io.BytesIO()
    soundfile.write(out, np.arange(200, dtype=np.int16), 8000, format="WAV", endian="BIG")
    big = out.getvalue()
    assert big.startswith(b"RIFX")
    assert len(AUDIO.decode(big, "s").values) == 200
    assert refusal(AUDIO.decode, big[:-2], "s") == SHORT
    whole = written("WAV")
    odd = whole[:12] + b"note" + struct.pack("<I", 3) + b"abc\0" + whole[12:]
    assert len(AUDIO.decode(odd, "s").values) == 200
    assert refusal(AUDIO.decode, odd[:-2], "s") == SHORT


@pytest.mark.parametrize(
    ("size", "read"), [(0, "holds no values"), (0x7FFFF000, range(200)), (0xFFFFFFFF, range(200))]
)
def test_streams_do_not_know_their_length(size, read):
    whole = written("WAV")
    at = whole.index(b"data") + 4
    stream = whole[:at] + struct.pack("<I", size) + whole[at + 4 :]
    if isinstance(read, str):  # so libsndfile takes it
        said = refusal(AUDIO.decode, stream, "s")
        assert said == f"Sample 's' {read}. Give a recording of at least one step."
        return
    np.testing.assert_array_equal(AUDIO.decode(stream, "s").values[:, 0], read)
