"""Zips of every make come back byte for byte, and what was not changed reads as it did."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_archives import files

from foveal.archives.containers import opened_zip
from foveal.archives.mar import MANIFEST
from foveal.archives.pieces import Kept, Piece, cut, put_together
from foveal.archives.unwrapping import unwrap
from foveal.archives.wrapping import wrap
from foveal.archives.zips import ZipWriter, _end, _moved, read_records

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class Unseekable(io.RawIOBase):
    """A file that zipfile writes data descriptors to."""

    def __init__(self):
        self.bytes = io.BytesIO()

    def writable(self):
        return True

    def write(self, data):
        return self.bytes.write(data)


_NAMES = st.text("abcäß日 ._-", min_size=1, max_size=6).filter(lambda name: name.strip(".") == name)
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join).filter(lambda name: "//" not in name)
_EXTRAS = st.lists(st.binary(max_size=6), max_size=2).map(
    lambda bodies: b"".join(struct.pack("<2H", 0xCAFE, len(body)) + body for body in bodies)
)
_ENTRIES = st.tuples(
    _PATHS.map(lambda name: f"d/{name}.f"),  # so that nothing is a file and a folder at once
    st.binary(max_size=300) | st.just(b"run " * 900),
    st.sampled_from(METHODS),
    _EXTRAS,
    st.binary(max_size=9),
    st.booleans(),
)


@st.composite
def zips(draw):
    """Any zip that is a TorchServe archive: in one go or as a stream, with a stub, gaps and comments."""
    required = [
        (name, data, draw(st.sampled_from(METHODS)), b"", b"", False) for name, data in files().items()
    ]
    entries = draw(st.permutations([*required, *draw(st.lists(_ENTRIES, max_size=4))]))
    out = Unseekable() if draw(st.booleans()) else io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data, method, extra, comment, is_folder in entries:
            info = zipfile.ZipInfo(f"{name}older/" if is_folder else name, (1990, 5, 6, 7, 8, 10))
            info.compress_type, info.extra, info.comment = method, extra, comment
            info.external_attr = 0o100755 << 16
            with archive.open(info, "w", force_zip64=draw(st.booleans())) as entry:
                entry.write(b"" if is_folder else data)
        archive.comment = draw(st.binary(max_size=30).filter(lambda text: b"PK" not in text))
    made = out.bytes.getvalue() if isinstance(out, Unseekable) else out.getvalue()
    return draw(st.sampled_from([b"", b"#!/bin/sh\n", b"\0" * 700])) + made


_UNHURRIED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=60, suppress_health_check=_UNHURRIED)
@given(made=zips())
def test_any_zip_comes_back(tmp_path, made):
    there_and_back(tmp_path, made)


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:Duplicate name")
@settings(max_examples=3000, suppress_health_check=_UNHURRIED)
@given(made=zips())
def test_three_thousand_zips_come_back(tmp_path, made):
    there_and_back(tmp_path, made)


def there_and_back(tmp_path, made):
    source, wrapped, again = (tmp_path / name for name in ("a.mar", "w.mar", "again.mar"))
    source.write_bytes(made)
    wrap(source, wrapped)
    unwrap(wrapped, again)
    assert again.read_bytes() == made
    with opened_zip(source) as before, opened_zip(wrapped) as after:
        assert after.testzip() is None
        kept = [info for info in before.infolist() if info.filename != MANIFEST]
        for one, other in zip(kept, after.infolist()[3:-1], strict=True):
            assert one.filename == other.filename
            assert before.read(one) == after.read(other)
            assert (one.comment, one.external_attr, one.flag_bits) == (
                other.comment,
                other.external_attr,
                other.flag_bits,
            )


@pytest.mark.parametrize("flags", [0, 0x800])
def test_names_in_utf8_with_and_without_saying_so(tmp_path, flags):
    source = tmp_path / "a.mar"
    with zipfile.ZipFile(source, "w") as archive:
        for name, data in {**files(), "ähre.txt": b"corn"}.items():
            archive.writestr(name, data)
    made = source.read_bytes()
    if not flags:
        made = made.replace(b"PK\3\4\x14\0\0\x08", b"PK\3\4\x14\0\0\0")
        made = made.replace(b"PK\1\2\x14\3\x14\0\0\x08", b"PK\1\2\x14\3\x14\0\0\0")
    assert made.count(b"\x14\0\0\x08") == (2 if flags else 0)
    source.write_bytes(made)
    wrap(source, tmp_path / "w.mar")
    unwrap(tmp_path / "w.mar", tmp_path / "again.mar")
    assert (tmp_path / "again.mar").read_bytes() == made
    with opened_zip(tmp_path / "w.mar") as archive:
        assert archive.read("ähre.txt") == b"corn"


def test_names_in_no_encoding_torchserve_knows(tmp_path):
    source = tmp_path / "a.mar"
    with zipfile.ZipFile(source, "w") as archive:
        for name, data in {**files(), "aehre.txt": b"corn"}.items():
            archive.writestr(name, data)
    source.write_bytes(source.read_bytes().replace(b"aehre", b"\x84hre!"))
    wrap(source, tmp_path / "w.mar")
    unwrap(tmp_path / "w.mar", tmp_path / "again.mar")
    assert (tmp_path / "again.mar").read_bytes() == source.read_bytes()


def test_padding_between_entries(tmp_path):
    """What lies between the entries, as zipalign and older tools leave it, comes back too."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files().items():
            out.write(b"padding")
            archive.start_dir = out.tell()
            archive.writestr(name, data)
    source = tmp_path / "a.mar"
    source.write_bytes(out.getvalue())
    wrap(source, tmp_path / "w.mar")
    unwrap(tmp_path / "w.mar", tmp_path / "again.mar")
    assert (tmp_path / "again.mar").read_bytes() == out.getvalue()


@pytest.mark.parametrize("at", [0, 77, 2**32 - 2, 2**32 - 1, 2**33])
@pytest.mark.parametrize("was_far", [False, True])
def test_entries_beyond_four_gigabytes(at, was_far):
    """The directory says where an entry lies, in the long form where it must."""
    extra = struct.pack("<2H2Q", 1, 16, 5, 2**33 + 1) if was_far else b"\xfe\xca\0\0"
    sizes = (7, 0xFFFFFFFF) if was_far else (7, 5)
    head = struct.pack("<4s6H3L5H2L", b"PK\1\2", 45, 45, 0, 0, 0, 0, 1, *sizes, 1, len(extra), 2, 0, 0, 0, 0)
    record = bytearray(head + b"n" + extra + b"co")
    if was_far:
        record[42:46] = b"\xff" * 4
    directory = _moved(bytes(record), at)
    moved = zipfile.ZipInfo()
    (offset,) = struct.unpack_from("<L", directory, 42)
    (size,) = struct.unpack_from("<H", directory, 30)
    moved.extra, moved.header_offset = directory[47 : 47 + size], offset
    moved.compress_size, moved.file_size = sizes
    moved._decodeExtra(*(() if zipfile.ZipInfo._decodeExtra.__code__.co_argcount == 1 else (0,)))
    assert (moved.header_offset, moved.file_size, directory[-2:]) == (at, 5, b"co")
    assert len(directory) == 46 + 1 + size + 2


@pytest.mark.parametrize(("count", "long"), [(3, False), (65_534, False), (65_535, True), (200_000, True)])
def test_many_entries(count, long):
    assert (b"PK\6\6" in _end(count, 1000, 10)) is long
    assert (b"PK\6\6" in _end(3, 1000, 2**32)) is True


def test_seventy_thousand_entries_of_two_zips():
    first, joined = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(first, "w") as archive:
        for number in range(70_000):
            archive.writestr(str(number), b"")
    writer = ZipWriter(joined)
    for record in read_records(first):
        writer.move(first, record)
    writer.add({"more": b"x"})
    writer.finish()
    with zipfile.ZipFile(joined) as archive:
        assert len(archive.namelist()) == 70_001
        assert archive.read("more") == b"x"


@given(st.binary(max_size=60), st.data())
def test_a_file_is_its_pieces(content, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    other, kept = io.BytesIO(b"*" * 5), []
    other.seek(0, 2)
    for start, end in data.draw(st.permutations(spans)):
        kept.append(Kept(start, end - start, other.tell()))
        other.write(content[start:end])
    pieces, literals = cut(io.BytesIO(content), len(content), kept)
    again = io.BytesIO()
    put_together(pieces, literals, other, again)
    assert again.getvalue() == content
    assert len(literals) == len(content) - sum(size for _, size, _ in kept)


def test_neighbours_that_stay_neighbours_are_one_piece():
    kept = [Kept(0, 4, 10), Kept(4, 4, 14), Kept(8, 2, 30)]
    assert cut(io.BytesIO(b"0123456789"), 10, kept) == ((Piece(8, 10), Piece(2, 30)), b"")


def test_a_copy_from_a_file_that_is_too_short():
    with pytest.raises(EOFError, match="it ends too early"):
        put_together([Piece(4, 0)], b"", io.BytesIO(b"abc"), io.BytesIO())
