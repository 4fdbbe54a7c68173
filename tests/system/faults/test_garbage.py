"""A spool full of what is none of its business: it is left alone, and everything else goes on."""

from __future__ import annotations

import os
import random
import socket
import time
from pathlib import Path

import pytest
from small_records import observation

from foveal.errors import EnvironmentFault, UsageError
from foveal.shipper import ship
from foveal.spool import Spool, loss_counters, read_segment, seal_abandoned, sealed_segments
from foveal.spool.frame import encode_frame
from foveal.spool.segments import model_folder

#: What losses files of foreign making may hold.
LIES = (
    b"",
    b"\0" * 512,
    b"[" * 60_000,
    b'{"quota": -5}',
    b'{"quota": 1e999}',
    b'{"quota": "9"}',
    b'{"quota": 10000000000000000000000000}',
    b'{"../../x": 1}',
    b'{"Quota <b>": 1}',
    b"[1, 2]",
    b"null",
    b"{" + b'"a":' * 50_000,
)


def strew(folder, outside):
    """Lay down every kind of file under every kind of name."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(5)
    for suffix in (".seg", ".open", ".done", ".losses", ".lock", "", ".tmp"):
        (folder / f"a folder{suffix}").mkdir()
        (folder / f"a folder{suffix}" / "x.seg").write_bytes(encode_frame(observation("in a folder")))
        os.mkfifo(folder / f"a pipe{suffix}")
        (folder / f"a link{suffix}").symlink_to(outside)
        (folder / f"endless{suffix}").symlink_to("/dev/zero")
        (folder / f"nowhere{suffix}").symlink_to(folder / "not there")
        (folder / f"itself{suffix}").symlink_to(folder / f"itself{suffix}")
        (folder / f"empty{suffix}").touch()
        (folder / f"noise{suffix}").write_bytes(chance.randbytes(3000))
        Path(os.fsdecode(bytes(folder) + b"/\xff\xfe\n%s \x1b[31m" + suffix.encode())).write_bytes(b"?")
        (folder / ("n" * (255 - len(suffix)) + suffix)).write_bytes(b"?")
        listener = socket.socket(socket.AF_UNIX)
        here = os.open(folder, os.O_RDONLY)  # the address must be short
        listener.bind(f"/proc/self/fd/{here}/a socket{suffix}")
        os.close(here)
        listener.close()
    with (folder / "huge.seg").open("wb") as file:
        file.truncate(2**40)
    for number, lie in enumerate(LIES):
        (folder / f"lie {number}.losses").write_bytes(lie)


def told_to_go_on(folder, library):
    """Write and ship into all that."""
    with Spool(folder, max_bytes=2**50, roll_bytes=1) as spool:
        assert [spool.append(observation(name)) for name in ("a", "b")] == [True, True]
    began = time.monotonic()
    shipped = ship(folder, library)
    assert time.monotonic() - began < 60
    return shipped


def test_garbage_of_every_kind_and_name(spool_folder, tmp_path, library, kept):
    outside = tmp_path / "outside"
    outside.write_bytes(encode_frame(observation("outside")))
    strew(spool_folder, outside)
    shipped = told_to_go_on(spool_folder, library)
    assert kept(library) == {"a", "b"}
    assert outside.read_bytes() == encode_frame(observation("outside"))
    assert shipped.quarantined == len(list((spool_folder / "quarantine").iterdir())) == 7
    assert library.losses() == {"damaged": 7}
    assert loss_counters(spool_folder) == {}
    assert sealed_segments(spool_folder) == []
    assert seal_abandoned(spool_folder) == []
    assert ship(spool_folder, library).segments == 0


def test_a_huge_file_is_not_read_into_memory(tmp_path):
    with (tmp_path / "huge.seg").open("wb") as file:
        file.truncate(2**40)
    reader = read_segment(tmp_path / "huge.seg")
    assert list(reader) == []
    assert (reader.damaged, reader.lost_bytes) == (1, 2**40)


def test_a_file_where_the_quarantine_should_be(spool_folder, library, kept):
    spool_folder.mkdir(parents=True)
    (spool_folder / "quarantine").write_text("in the way")
    (spool_folder / "w-0.seg").write_bytes(encode_frame(observation("c")) + b"damage")
    assert told_to_go_on(spool_folder, library).quarantined == 1
    assert kept(library) == {"a", "b", "c"}
    assert (spool_folder / "w-0.seg.quarantine").is_file()


def test_a_folder_that_cannot_be_worked_on_does_not_hold_up_the_others(tmp_path, library, kept):
    spool = tmp_path / "spool"
    (spool / "broken" / "shipper.lock").mkdir(parents=True)
    (spool / "broken" / "w-0.seg").write_bytes(encode_frame(observation("hidden")))
    with Spool(spool / "whole") as writer:
        writer.append(observation("a"))
    with pytest.raises(EnvironmentFault) as caught:
        ship(spool, library)
    assert str(caught.value) == (
        f"Spool '{spool}' cannot be worked on: Is a directory ({spool / 'broken' / 'shipper.lock'}). "
        "Check its disk and permissions."
    )
    assert kept(library) == {"a"}


def test_a_folder_whose_name_cannot_be_a_librarys_does_not_hold_up_the_others(
    tmp_path, database, kept, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    spool = tmp_path / "spool"
    for name in (" ", "beyond garbage"):
        with Spool(spool / name) as writer:
            writer.append(observation("a"))
    with pytest.raises(UsageError, match="' ' cannot name a library"):
        ship(spool)
    assert not sealed_segments(spool / "beyond garbage")
    assert len(sealed_segments(spool / " ")) == 1


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "..", ".", "", "a/b", "a\0b", "\ud800", "quarantine", ".x"]
)
def test_a_models_name_does_not_lead_out_of_the_spool(tmp_path, name):
    folder = model_folder(tmp_path / "spool", name)
    assert folder.parent == tmp_path / "spool"
    with Spool(folder) as spool:
        assert spool.append(observation("a"))
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]
    assert folder.resolve().parent == (tmp_path / "spool").resolve()
    assert folder.name not in {"quarantine", ".", ".."}


def test_names_that_torchserve_takes_stay_as_they_are(tmp_path):
    names = ["resnet-18", "nodules_v1.2", "A", "0"]
    assert [model_folder(tmp_path, name).name for name in names] == names
    others = ["a/b", "a%2Fb", "a b", "a%20b"]
    assert len({model_folder(tmp_path, name) for name in others}) == len(others)
