"""Move the entries of zips as they lie there: local records byte for byte, whatever their compression.

TorchServe reads a zip as a stream of local records; what is moved whole reads as it did before.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from foveal.archives.containers import opened_zip
from foveal.archives.mar import write_archive
from foveal.archives.pieces import Kept, copy_range

_LOCAL, _CENTRAL, _DESCRIPTOR = b"PK\3\4", b"PK\1\2", b"PK\7\x08"
#: A number that stands for "see the zip64 field".
_ELSEWHERE = 0xFFFFFFFF
_MANY = 0xFFFF


@dataclass(frozen=True)
class Record:
    """One entry of a zip.

    Attributes
    ----------
    name
        Its name as TorchServe reads it.
    start, end
        Where its local record lies: header, data and data descriptor.
    central
        Its record in the zip's directory.
    """

    name: str
    start: int
    end: int
    central: bytes


def read_records(file: IO[bytes]) -> list[Record]:
    """List the entries of a zip in the order of the file.

    Raises
    ------
    zipfile.BadZipFile
        When the zip is damaged, or a stream of it reads otherwise than its directory says.
    """
    with opened_zip(file) as archive:
        infos, at = archive.infolist(), archive.start_dir
    centrals = _directory(file, at, len(infos))
    records = [_record(file, info, central) for info, central in zip(infos, centrals, strict=True)]
    records.sort(key=lambda record: record.start)
    _require_one_reading(file, records)
    return records


def _directory(file: IO[bytes], at: int, count: int) -> list[bytes]:
    """Read the records of a zip's directory."""
    file.seek(at)
    records = []
    for _ in range(count):
        head = file.read(46)
        if not head.startswith(_CENTRAL):
            raise zipfile.BadZipFile("its directory is damaged")
        records.append(head + file.read(sum(struct.unpack_from("<3H", head, 28))))
    return records


def _record(file: IO[bytes], info: zipfile.ZipInfo, central: bytes) -> Record:
    """Find where an entry's local record begins and ends."""
    name = info.orig_filename
    file.seek(info.header_offset)
    head = file.read(30)
    if len(head) < 30 or not head.startswith(_LOCAL):
        raise zipfile.BadZipFile(f"{name!r} is not where its directory says")
    flags, (name_size, extra_size) = struct.unpack_from("<H", head, 6)[0], struct.unpack_from("<2H", head, 26)
    if file.read(name_size) != central[46 : 46 + struct.unpack_from("<H", central, 28)[0]]:
        raise zipfile.BadZipFile(f"{name!r} has another name where its content lies")
    end = info.header_offset + 30 + name_size + extra_size + info.compress_size
    return Record(
        name, info.header_offset, end + (_descriptor_size(file, end, info) if flags & 8 else 0), central
    )


def _descriptor_size(file: IO[bytes], at: int, info: zipfile.ZipInfo) -> int:
    """Measure the data descriptor after an entry: with or without signature, of short or long sizes."""
    file.seek(at)
    found = file.read(28)
    numbers = (info.CRC, info.compress_size, info.file_size)
    forms = [
        mark + struct.pack(layout, *numbers)
        for mark in (_DESCRIPTOR, b"")
        for layout, most in (("<3L", _ELSEWHERE), ("<L2Q", 2**64))
        if max(numbers) < most
    ]
    fitting = [len(form) for form in forms if found.startswith(form)]
    followed = [size for size in fitting if found[size:].startswith(b"PK")]
    return next(iter(followed or fitting), 0)


def _require_one_reading(file: IO[bytes], records: list[Record]) -> None:
    """Refuse a zip that holds other entries for who reads it as a stream than its directory lists."""
    for record, following in zip(records, [*records[1:], None], strict=True):
        file.seek(record.end)
        if following is not None and record.end > following.start:
            raise zipfile.BadZipFile(f"{record.name!r} and {following.name!r} lie over each other")
        if (following is None or record.end < following.start) and file.read(4) == _LOCAL:
            raise zipfile.BadZipFile(f"an entry after {record.name!r} is not in its directory")


class ZipWriter:
    """Writes a zip from the records of others.

    Parameters
    ----------
    out
        The file to write, at its beginning.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._directory: list[bytes] = []

    def move(self, source: IO[bytes], record: Record) -> Kept:
        """Add an entry of another zip as it is, and say where it lies now."""
        at = self._out.tell()
        copy_range(source, record.start, record.end - record.start, self._out)
        self._directory.append(_moved(record.central, at))
        return Kept(record.start, record.end - record.start, at)

    def add(self, files: Mapping[str, bytes]) -> None:
        """Add files in the canonical form."""
        packed = io.BytesIO()
        write_archive(files, packed)
        for record in read_records(packed):
            self.move(packed, record)

    def finish(self) -> None:
        """Write the directory."""
        at = self._out.tell()
        self._out.write(b"".join(self._directory))
        self._out.write(_end(len(self._directory), self._out.tell() - at, at))


def _moved(central: bytes, at: int) -> bytes:
    """Let a record of the directory say where its entry lies now."""
    (recorded,) = struct.unpack_from("<L", central, 42)
    if recorded == _ELSEWHERE:
        return _moved_far(central, at)
    if at < _ELSEWHERE:
        return central[:42] + struct.pack("<L", at) + central[46:]
    name_size, extra_size = struct.unpack_from("<2H", central, 28)
    split = 46 + name_size
    extra = struct.pack("<2HQ", 1, 8, at)
    sizes = struct.pack("<H", extra_size + len(extra))
    head = central[:30] + sizes + central[32:42] + struct.pack("<L", _ELSEWHERE)
    return head + central[46:split] + extra + central[split:]


def _moved_far(central: bytes, at: int) -> bytes:
    """Change the offset where it stands in the zip64 field: after the sizes that stand there too."""
    sizes = struct.unpack_from("<2L", central, 20)
    name_size, extra_size = struct.unpack_from("<2H", central, 28)
    position, end = 46 + name_size, 46 + name_size + extra_size
    while position + 4 <= end:
        kind, size = struct.unpack_from("<2H", central, position)
        if kind == 1:
            place = position + 4 + 8 * sizes.count(_ELSEWHERE)
            return central[:place] + struct.pack("<Q", at) + central[place + 8 :]
        position += 4 + size
    raise zipfile.BadZipFile("its directory is damaged")


def _end(count: int, size: int, at: int) -> bytes:
    """Write the end of a zip, for large ones in the long form as well."""
    capped = (min(count, _MANY), min(count, _MANY), min(size, _ELSEWHERE), min(at, _ELSEWHERE))
    short = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *capped, 0)
    if count < _MANY and size < _ELSEWHERE and at < _ELSEWHERE:
        return short
    long = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, at)
    return long + struct.pack("<4sLQL", b"PK\6\7", 0, at + size, 1) + short
