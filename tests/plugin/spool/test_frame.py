"""The bytes of a frame: round trips, and what damage does to them."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.records import Negative, Observation
from foveal.spool.frame import MAGIC, Damage, encode_frame, scan

NEGATIVE = Negative(b"as sent", "r1", (0, 0, 8, 8), (4, 4), 3)


def only(data: bytes) -> Observation:
    (item,) = scan(data)
    assert isinstance(item, Observation), item
    return item


@given(observation=st.from_type(Observation))
def test_any_observation_comes_back_as_it_was(observation, alike):
    assert alike(only(encode_frame(observation)), observation)


@given(observation=st.from_type(Observation))
def test_encoding_is_canonical(observation):
    assert encode_frame(only(encode_frame(observation))) == encode_frame(observation)


def test_the_layout_is_the_documented_one(observe):
    """Read a frame by hand, with nothing but the module's description."""
    observation = replace(observe("ä.png", features=("fc1:7", "fc1:8")), negative=NEGATIVE)
    frame = encode_frame(observation)
    magic, size, checksum, own = struct.unpack_from("<4sIII", frame)
    payload = frame[16:]
    assert (magic, size) == (b"\xf0VL2", len(payload))
    assert (checksum, own) == (zlib.crc32(payload), zlib.crc32(frame[:12]))
    text_size = int.from_bytes(payload[:4], "little")
    meta = json.loads(payload[4 : 4 + text_size].decode("ascii"))
    assert meta["sample"]["sample"] == "ä.png"
    entries, one = meta["entries"], observation.entries[0]
    assert entries["count"] == 2
    assert entries["each"]["feature"] == ["fc1:7", "fc1:8"]
    assert entries["same"]["method"] == one.method
    assert "sample" not in {**entries["same"], **entries["each"]}
    blobs = payload[4 + text_size :]
    assert np.frombuffer(blobs[:8], "<f4").tolist() == [0.5, 1.5]
    assert np.frombuffer(blobs[8:20], "<f4").tolist() == [0.0, 2.0, 4.0]
    assert blobs[20:148] == one.crop + observation.entries[1].crop
    assert blobs[148:] == one.map.tobytes() + observation.entries[1].map.tobytes() + b"as sent"


def _text(frame: bytes) -> dict:
    size = int.from_bytes(frame[16:20], "little")
    return json.loads(frame[20 : 20 + size])


def _again(frame: bytes, meta: dict) -> bytes:
    """Write a frame anew with another text."""
    size = int.from_bytes(frame[16:20], "little")
    text = json.dumps(meta, sort_keys=True, separators=(",", ":")).encode()
    payload = len(text).to_bytes(4, "little") + text + frame[20 + size :]
    head = struct.pack("<4sII", MAGIC, len(payload), zlib.crc32(payload))
    return head + struct.pack("<I", zlib.crc32(head)) + payload


def test_of_pictures_nothing_is_written_that_came_later(observe):
    """Their frames are the bytes that they were before there were spacings and bands."""
    frame = encode_frame(observe("a.png"))
    assert hashlib.sha256(frame).hexdigest() == (
        "02b88d8079d3690756c86110d0ac97d21703b03609c565ecf540b88256cf260e"
    )
    meta = _text(frame)
    assert "spacing" not in meta["sample"]
    assert "band" not in {**meta["entries"]["same"], **meta["entries"]["each"]}
    assert only(frame).sample.spacing is None


def test_what_came_later_is_written_where_it_is_known_and_may_be_missing(observe, alike):
    made = observe("a.wav", spacing=(1 / 360,))
    heard = replace(made.entries[0], band=(1900.5, 2300.25))
    heard = replace(made, entries=(heard, *made.entries[1:]))
    frame = encode_frame(heard)
    assert alike(only(frame), heard)
    meta = _text(frame)
    assert meta["sample"].pop("spacing") == [1 / 360]
    assert meta["entries"]["each"].pop("band") == [[1900.5, 2300.25], None]
    assert alike(only(_again(frame, meta)), observe("a.wav"))  # as an older worker wrote it


def test_a_sample_as_it_was_sent_comes_back(observe):
    whole = replace(observe("a.png"), negative=NEGATIVE)
    assert only(encode_frame(whole)).negative == NEGATIVE


def test_a_torn_frame_hides_what_its_client_forged(observe):
    """A client may send whole frames inside an image; a writer killed in the middle must not let them in."""
    forged = encode_frame(observe("forged"))
    sent = replace(NEGATIVE, encoded=b"an image" + forged + b"more")
    frame = encode_frame(replace(observe("a.png"), negative=sent))
    for cut in range(1, len(frame)):
        (damage,) = scan(frame[:cut])
        assert damage == Damage(0, cut, torn=True)
    changed = bytearray(frame)
    changed[20] ^= 1
    assert list(scan(bytes(changed))) == [Damage(0, len(frame), torn=False)]


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b'{"sample":{"scores":1180591620717411303424}}', b"null", b"\xff"]
)
def test_a_foreign_payload_with_a_right_checksum_is_damage(text):
    payload = len(text).to_bytes(4, "little") + text
    head = struct.pack("<4sII", MAGIC, len(payload), zlib.crc32(payload))
    frame = head + zlib.crc32(head).to_bytes(4, "little") + payload
    assert list(scan(frame)) == [Damage(0, len(frame), torn=False)]


def test_zeros_of_both_signs_stay_apart(observe):
    first, second = observe("a.png", features=("fc1:7", "fc1:8")).entries
    pair = (replace(first, activation=0.0), replace(second, activation=-0.0))
    back = only(encode_frame(replace(observe("a.png"), entries=pair))).entries
    assert [str(entry.activation) for entry in back] == ["0.0", "-0.0"]


def test_numpy_scalars_in_a_record_are_written_as_numbers(observe, alike):
    frame = encode_frame(observe(row=np.int64(3), predicted=np.int32(1), features=()))
    assert alike(only(frame), observe(row=3, features=()))


def test_not_a_number_and_infinity_survive(observe):
    sample = only(encode_frame(observe(scores=(float("nan"), float("-inf")), features=()))).sample
    assert np.isnan(sample.scores[0])
    assert sample.scores[1] == float("-inf")


def test_a_file_name_that_is_no_utf8_survives(observe, alike):
    observation = observe("scan-\udcff.png")
    assert alike(only(encode_frame(observation)), observation)


def test_what_cannot_be_written_raises(observe):
    with pytest.raises((TypeError, AttributeError)):
        encode_frame(observe(metadata={"site": object()}))


def test_truncation_at_every_offset_loses_the_last_frame_only(observe, alike):
    first, second = observe("a", features=()), observe("b", features=("fc1:7",))
    whole = encode_frame(first) + encode_frame(second)
    cut = len(encode_frame(first))
    for length in range(len(whole)):
        items = list(scan(whole[:length]))
        frames = [item for item in items if isinstance(item, Observation)]
        damage = [item for item in items if isinstance(item, Damage)]
        assert len(frames) == (length >= cut)
        assert all(alike(frame, first) for frame in frames)
        start = cut if length >= cut else 0
        assert damage == ([] if length == start else [Damage(start, length, torn=True)])


def test_a_flipped_byte_anywhere_costs_its_own_frame_only(observe, alike):
    first, second, third = (observe(name, features=()) for name in "abc")
    frames = [encode_frame(o) for o in (first, second, third)]
    start, stop = len(frames[0]), len(frames[0]) + len(frames[1])
    for at in range(start, stop):
        data = bytearray(b"".join(frames))
        data[at] ^= 0xFF
        items = list(scan(bytes(data)))
        assert [item for item in items if isinstance(item, Damage)] == [Damage(start, stop, torn=False)]
        assert alike(items[0], first)
        assert alike(items[-1], third)


@given(start=st.integers(0, 200), noise=st.binary(max_size=30))
def test_noise_never_raises_and_never_invents_a_frame(start, noise, observe, alike):
    observation = observe("a", features=())
    frame = encode_frame(observation)
    for data in (
        frame[:start] + noise,
        noise + frame,
        frame + noise,
        MAGIC + noise,
        MAGIC * 3 + noise + frame,
    ):
        frames = [item for item in scan(data) if isinstance(item, Observation)]
        assert all(alike(found, observation) for found in frames)


def test_a_frame_inside_damaged_bytes_is_found_again(observe, alike):
    observation = observe("a", features=())
    items = list(scan(b"\0" * 100 + encode_frame(observation)))
    assert items[0] == Damage(0, 100, torn=False)
    assert alike(items[1], observation)


def test_a_right_checksum_over_foreign_content_counts_as_damage():
    for text in (
        b"[]",
        b"{}",
        b'{"sample": 3, "entries": []}',
        b"\xff\xfe",
        b'{"sample": {}, "entries": [{}]}',
    ):
        payload = struct.pack("<I", len(text)) + text
        size = struct.pack("<I", len(payload))
        frame = MAGIC + size + struct.pack("<I", zlib.crc32(size + payload)) + payload
        assert list(scan(frame)) == [Damage(0, len(frame), torn=False)]


def test_metadata_cannot_imitate_a_frame(observe):
    inner = encode_frame(observe("forged", features=()))
    outer = encode_frame(observe("real", features=(), metadata={"site": inner.decode("latin-1")}))
    assert MAGIC not in outer[4:]
