"""Every byte of a segment flipped, every length cut: all other records are read, the lost ones counted."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest
from small_records import observation

from foveal.library.tombstones import Tombstones
from foveal.library.wanted import Wanted
from foveal.records import Negative, Observation
from foveal.shipper import ship
from foveal.spool import read_segment
from foveal.spool.frame import encode_frame
from foveal.thresholds import ThresholdFile

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def frames():
    sent = Negative(b"sent " * 4, "key", (0, 0, 1, 1), (1, 1), 1)
    return [encode_frame(replace(observation(name, size=20), negative=sent)) for name in NAMES]


@pytest.fixture(scope="module")
def ends(frames):
    return [0, *accumulate(map(len, frames))]


#: Bytes before a frame's payload.
HEADER = 16
BITS = (0x01, 0x80, 0xFF)


def flipped(data, ends):
    """Flip every byte, those of headers in every way."""
    for at in range(len(data)):
        in_header = any(0 <= at - start < HEADER for start in ends)
        for bits in BITS if in_header else BITS[at % 3 :][:1]:
            yield at, data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


def test_a_flipped_byte_costs_its_own_record_alone(tmp_path, frames, ends):
    file = tmp_path / "x.seg"
    for at, data in flipped(b"".join(frames), ends):
        file.write_bytes(data)
        reader = read_segment(file)
        hit = sum(at >= end for end in ends) - 1
        assert [seen.sample.sample for seen in reader] == [n for n in NAMES if n != NAMES[hit]]
        assert (reader.torn + reader.damaged, reader.lost_bytes) == (1, len(frames[hit]))


def test_a_cut_costs_the_records_behind_it_alone(tmp_path, frames, ends):
    data, file = b"".join(frames), tmp_path / "x.seg"
    for length in range(len(data) + 1):
        file.write_bytes(data[:length])
        reader = read_segment(file)
        whole = sum(length >= end for end in ends[1:])
        assert [seen.sample.sample for seen in reader] == list(NAMES[:whole])
        assert (reader.torn, reader.damaged) == (length not in ends, 0)
        assert reader.lost_bytes == length - ends[whole]


def test_the_shipper_puts_damaged_segments_aside_and_goes_on(spool_folder, frames, notes):
    """One folder of every damage there is, each between two whole segments."""
    spool_folder.mkdir(parents=True)
    data = b"".join(frames[:2])
    damages = [bytes([*data[:at], data[at] ^ 0xFF, *data[at + 1 :]]) for at in range(len(data))]
    cuts = [data[:length] for length in range(len(data))]
    for number, content in enumerate([*damages, *cuts]):
        (spool_folder / f"w-{number:06d}.seg").write_bytes(content)
    (spool_folder / "w-999999.seg").write_bytes(frames[2])
    shipped = ship(spool_folder, notes)
    torn = len(cuts) - 2  # neither nothing nor a whole frame
    assert shipped.segments == len(damages) + len(cuts) + 1
    assert shipped.torn >= torn
    assert shipped.quarantined + shipped.torn == len(damages) + torn
    assert sum(count["damaged"] for count in notes.losses.values()) == shipped.quarantined
    assert len(list((spool_folder / "quarantine").iterdir())) == shipped.quarantined
    assert sorted(map(tuple, notes.added.values()))[-1] == ("c",)
    assert sum(map(len, notes.added.values())) == len(damages) + len(cuts) - len(frames[0]) + 1
    assert not list(spool_folder.glob("*.seg"))
    assert ship(spool_folder, notes).segments == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"time": 5},
        {"predicted": 2**70},
        {"source": "\ud800"},
        {"model_sha256": 7},
        {"metadata": {"site": ["a", {"b": "c"}]}},
        {"row": "first"},
    ],
)
def test_a_whole_frame_that_no_library_takes_costs_its_own_record_alone(
    spool_folder, library, kept, caplog, changes
):
    """Not of our writer's making, but a poisoned segment must not end the shipper, now or at each start."""
    spool_folder.mkdir(parents=True)
    poison = encode_frame(observation("poison", **changes))
    content = encode_frame(observation("a")) + poison + encode_frame(observation("b"))
    (spool_folder / "w-0.seg").write_bytes(content)
    (spool_folder / "w-1.seg").write_bytes(encode_frame(observation("c")))
    shipped = ship(spool_folder, library)
    found = kept(library) - {"poison"}  # a library may also make sense of it
    assert found == {"a", "b", "c"}
    if shipped.quarantined:
        assert library.losses() == {"damaged": 1}
        assert (spool_folder / "quarantine" / "w-0.seg").read_bytes() == content
        assert "holds records that cannot be kept; it is kept as" in caplog.text
    assert not list(spool_folder.glob("*.seg"))


def test_a_poisoned_record_beside_erased_ones_costs_itself_alone(spool_folder, library, kept):
    """Where something was erased, the shipper also looks at names and times, whatever those are."""
    library.add([observation("first")], "first")
    Tombstones(library.tracking).add(Wanted("sample", "gone"))
    spool_folder.mkdir(parents=True)
    names = ("a", 5, "gone", "b")
    (spool_folder / "w-0.seg").write_bytes(b"".join(encode_frame(observation(name)) for name in names))
    assert ship(spool_folder, library).quarantined == 1
    assert kept(library) == {"first", "a", "b"}


def test_a_segment_of_another_version_is_named_as_such(spool_folder, notes, caplog):
    spool_folder.mkdir(parents=True)
    frame = encode_frame(Observation(observation("a").sample))
    (spool_folder / "w-0.seg").write_bytes(frame[:3] + b"\x09" + frame[4:])
    (spool_folder / "w-1.seg").write_bytes(frame)
    shipped = ship(spool_folder, notes)
    assert (shipped.samples, shipped.quarantined) == (1, 1)
    folder = spool_folder / "quarantine"
    (message,) = caplog.messages
    assert message == (
        f"{spool_folder / 'w-0.seg'} was written by another version of Foveal; ship it with that version; "
        f"it is kept as {folder / 'w-0.seg'}"
    )


class Learnt:
    """Stands in for rules: all that a file of thresholds asks of them."""

    def state(self):
        return {"fc1.values": np.arange(6, dtype=np.float32), "count": np.array(3)}

    def restore(self, state):
        assert all(isinstance(array, np.ndarray) for array in state.values())


def test_every_damage_of_the_thresholds_that_workers_share_lets_them_start(tmp_path):
    file, rules = ThresholdFile(tmp_path, "model"), Learnt()
    file.write(rules)
    assert file.restore(rules)
    whole = file.path.read_bytes()
    cuts = [whole[:length] for length in range(len(whole))]
    for content in [*(data for _, data in flipped(whole, [0])), *cuts]:
        file.path.write_bytes(content)
        assert file.restore(rules) in {True, False}


def test_a_pipe_where_the_thresholds_should_be_does_not_hold_up_a_worker(tmp_path):
    file = ThresholdFile(tmp_path, "model")
    os.mkfifo(file.path)
    assert file.restore(Learnt()) is False
