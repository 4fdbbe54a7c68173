"""Whole traces and volumes behind crops, and what can be heard of sounds."""

import io
import wave

import numpy as np
import pytest
from synthetic_library import make_samples, make_windows

from foveal.samples.kinds import KINDS
from foveal.samples.traces.playing import encode_wav
from foveal_audit.bench import Spaced
from foveal_audit.bundle.evidence import WholeSample
from foveal_audit.bundle.schema import EntryRef
from foveal_audit.hearing_samples import MOST_BYTES, sounds_of
from foveal_audit.report import wholes
from foveal_audit.report.page import content_security_policy
from foveal_audit.whole_samples import Reader, whole_samples


def heard(data):
    with wave.open(io.BytesIO(data)) as file:
        values = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return file.getframerate(), values


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[-1.0], [0.5], [3.0]], np.float32), [-32767, 16384, 32767]),
        (np.array([[-32768], [16384], [0]], np.int16), [-32767, 16384, 0]),
        (np.array([[0], [255]], np.uint8), [-32767, 32767]),
    ],
)
def test_a_sound_is_written_as_sixteen_bits(values, expected):
    rate, found = heard(encode_wav(values, (1 / 8000,)))
    assert rate == 8000
    np.testing.assert_allclose(found[:, 0], expected, atol=1)


def test_only_two_channels_are_written():
    assert heard(encode_wav(np.zeros((10, 5), np.float32), (0.001,)))[1].shape == (10, 2)


def test_only_sounds_are_heard():
    assert {name for name in KINDS if KINDS[name].sound is not None} == {"audio"}


def steps(count, channels=1):
    ramp = np.arange(count, dtype=np.float32)[:, None] / count
    return Spaced.of(np.repeat(ramp, channels, axis=1), (1 / 8000,))


def spans(values, box):
    found = []
    sounds_of(values, box, lambda part, _spacing: found.append((float(part[0, 0]), len(part))) or b"")
    return [(round(first * len(values)), first_len) for first, first_len in found]


def test_the_window_is_heard_alone_and_with_as_much_around_it_as_may_be_held():
    room = MOST_BYTES // 2
    assert spans(steps(200_000), (100_000, 101_000)) == [
        (100_000, 1000),
        (100_000 - (room - 1000) // 2, room),
    ]
    assert spans(steps(200_000), (0, 1000)) == [(0, 1000), (0, room)]
    assert spans(steps(200_000), (199_000, 200_000)) == [(199_000, 1000), (200_000 - room, room)]
    assert spans(steps(3000), (1000, 2000)) == [(1000, 1000), (0, 3000)]
    assert spans(steps(3000), (0, 3000)) == [(0, 3000)]


def test_nothing_is_heard_of_a_window_that_is_too_long_or_of_an_unknown_rate():
    assert sounds_of(steps(100_000), (0, 90_000), encode_wav) == []
    assert sounds_of(np.zeros((100, 1), np.float32), (0, 10), encode_wav) == []


@pytest.mark.parametrize(("shape", "box"), [((400, 2), (40, 80)), ((6, 20, 30, 1), (1, 2, 3, 5, 8, 9))])
def test_a_whole_trace_or_volume_is_shown_while_its_file_is_there(tmp_path, shape, box):
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.save(tmp_path / "0.npy", values)
    samples = make_samples(["training"], origins=[str(tmp_path / "0.npy")], shape=shape)
    reader = Reader(
        lambda origin: Spaced.of(np.load(origin), (0.01,)), encode_wav if len(shape) == 2 else None
    )
    windows = make_windows([values], boxes=[box])
    (one,) = whole_samples([0], windows, samples, windows, reader)
    assert one.ref.window == box
    assert one.picture.dtype == np.uint8
    assert max(one.picture.shape[:2]) <= 224
    assert len(one.sounds) == (2 if len(shape) == 2 else 0)
    (tmp_path / "0.npy").unlink()
    assert whole_samples([0], windows, samples, windows, reader) == []


def test_players_stand_below_the_whole_picture_with_the_number_of_its_crop():
    ref = EntryRef(sample="s0", window=(0, 8), activation=1.0, source="training", id="0")
    wav = encode_wav(np.zeros((8, 1), np.float32), (0.001,))
    one = WholeSample(np.full((64, 96, 3), 99, np.uint8), (0.0, 0.5, 1.0, 0.75), ref, sounds=(wav, wav))
    shown = wholes.drawn([one], [ref], "x")
    assert [(player.number, player.what) for player in shown.players] == [
        (1, "the window"),
        (1, "with what is around it"),
    ]
    assert shown.players[0].uri.startswith("data:audio/wav;base64,UklGR")


def test_a_page_may_play_sounds_only_where_it_holds_some():
    assert "media-src data:;" in content_security_policy("a", sounds=True)
    assert "media-src" not in content_security_policy("a")
