"""Change tar.gz archives so that the bytes of the original can be made again.

Members are moved as they lie in the tar. The compression around it is found out by trying: a tar.gz of
Python's (torch-model-archiver's too) or of zlib is made again from the tar, of any other the original is
kept whole.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NamedTuple

from foveal.archives.containers import Gunzipped, require_plain, tar_name
from foveal.archives.mar import MANIFEST
from foveal.archives.pieces import Kept, copy_range

_BLOCK = 512
_PIECE = 2**20
#: Levels and amounts of memory in the order of how common they are.
_LEVELS = (9, 6, 1, 2, 3, 4, 5, 7, 8, 0)
_MEMORIES = (8, 9)


class Member(NamedTuple):
    """One file or folder of a tar: the name TorchServe unpacks it under, and where all of it lies."""

    name: str
    start: int
    end: int


class Compression(NamedTuple):
    """How a tar was compressed: the file's first and last bytes, and what zlib was told."""

    header: bytes
    level: int
    memory: int
    trailer: bytes
    zlib: str


@contextmanager
def unpacked_tar(location: Path) -> Iterator[tuple[IO[bytes], bool]]:
    """Give the tar inside a tar.gz as a file, and whether the tar.gz ends with it."""
    with location.open("rb") as file, TemporaryFile() as tar:
        content = Gunzipped(file, location)
        while piece := content.read(_PIECE):
            tar.write(piece)
        yield tar, not content.rest()


def read_members(tar: IO[bytes], location: Path) -> tuple[list[Member], str]:
    """List what a tar holds, in its order, and what its names have before the first slash."""
    tar.seek(0)
    members, prefix = [], ""
    with tarfile.open(fileobj=tar, mode="r:") as archive:
        for info in archive:
            require_plain(info, location)
            name = tar_name(info.name, location)
            blocks = -(-info.size // _BLOCK) if info.isreg() else 0
            members.append(Member(name, info.offset, info.offset_data + blocks * _BLOCK))
            prefix = info.name[: info.name.find("/") + 1] if name == MANIFEST else prefix
    return members, prefix


class TarWriter:
    """Writes a tar from parts of others.

    Parameters
    ----------
    out
        The file to write, at its beginning.
    prefix
        What added names get before them.
    """

    def __init__(self, out: IO[bytes], prefix: str) -> None:
        self._out = out
        self._prefix = prefix

    def move(self, source: IO[bytes], start: int, end: int) -> Kept:
        """Add a part of another tar as it is, and say where it lies now."""
        at = self._out.tell()
        copy_range(source, start, end - start, self._out)
        return Kept(start, end - start, at)

    def add(self, name: str, content: IO[bytes], size: int) -> int:
        """Add a file whose header depends on nothing but its name and size; say where its content lies."""
        info = tarfile.TarInfo(self._prefix + name)
        info.size = size
        self._out.write(info.tobuf(tarfile.GNU_FORMAT))
        at = self._out.tell()
        copy_range(content, 0, size, self._out)
        self._out.write(bytes(-size % _BLOCK))
        return at

    def add_bytes(self, name: str, content: bytes) -> None:
        """Add a file."""
        self.add(name, io.BytesIO(content), len(content))

    def finish(self) -> None:
        """Write the end of the tar."""
        self._out.write(bytes(2 * _BLOCK))


def compress(tar: IO[bytes], out: IO[bytes]) -> None:
    """Compress a tar without a clock and without a name."""
    tar.seek(0)
    with gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=6, mtime=0) as packed:
        while piece := tar.read(_PIECE):
            packed.write(piece)


def find_compression(tar: IO[bytes], location: Path) -> Compression | None:
    """Find out how to make a tar.gz from its tar, or that zlib did not make it."""
    with location.open("rb") as file:
        header = _header(file)
        size = location.stat().st_size - len(header) - 8
        for memory, level in product(_MEMORIES, _LEVELS):
            file.seek(len(header))
            if _fits(_deflated(tar, level, memory), file, size):
                return Compression(header, level, memory, file.read(8), zlib.ZLIB_RUNTIME_VERSION)
    return None


def compress_again(tar: IO[bytes], compression: Compression, out: IO[bytes]) -> None:
    """Make a tar.gz as it once was."""
    out.write(compression.header)
    for piece in _deflated(tar, compression.level, compression.memory):
        out.write(piece)
    out.write(compression.trailer)


def _deflated(tar: IO[bytes], level: int, memory: int) -> Iterator[bytes]:
    """Compress a tar piece by piece."""
    tar.seek(0)
    deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, memory)
    while piece := tar.read(_PIECE):
        yield deflate.compress(piece)
    yield deflate.flush()


def _fits(pieces: Iterator[bytes], file: IO[bytes], size: int) -> bool:
    """Tell whether a file goes on with these pieces for so many bytes, up to its last eight."""
    given = 0
    for piece in pieces:
        given += len(piece)
        if file.read(len(piece)) != piece:
            return False
    return given == size


def _header(file: IO[bytes]) -> bytes:
    """Read the header of a gzip file, which zlib has found to be sound."""
    head = file.read(10)
    flags = head[3]
    if flags & 4:
        head += file.read(2)
        head += file.read(struct.unpack("<H", head[10:12])[0])
    for flag in (8, 16):  # the name, the comment
        while flags & flag and (byte := file.read(1)) != b"\0":
            head += byte
        head += b"\0" if flags & flag else b""
    return head + (file.read(2) if flags & 2 else b"")
