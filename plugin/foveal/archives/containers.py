"""The forms an archive comes in - zip, tar.gz, folder - and how TorchServe unpacks each.

Standard library only: the serving worker imports this.
"""

from __future__ import annotations

import errno
import shutil
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from foveal.errors import EnvironmentFault, UsageError

#: An archive may unpack to this size whatever its own is; beyond it to so many times its own.
_ALWAYS_FINE = 2**30
_SANE_RATIO = 200
_PIECE = 2**16
#: What the readers below raise for a file that is damaged or of another kind.
_UNREADABLE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    FileExistsError,  # one name for a file and a folder
    IsADirectoryError,
    NotADirectoryError,
)
#: What the system says to a place before the file's beginning and to an endless name: damage too.
_ODD_REQUESTS = (errno.EINVAL, errno.ENAMETOOLONG)


def container_of(location: Path) -> str:
    """Tell the form of an archive that exists, by what it is and not by its name: a key of :data:`UNPACK`."""
    if location.is_dir():
        return "folder"
    with location.open("rb") as file:
        return "tgz" if file.read(2) == b"\x1f\x8b" else "zip"


@contextmanager
def reading(location: Path) -> Iterator[None]:
    """Turn what the readers raise for a damaged archive into an error that names it."""
    try:
        yield
    except _UNREADABLE as error:
        raise _damaged(location, error) from error
    except OSError as error:
        if error.errno in _ODD_REQUESTS:
            raise _damaged(location, error) from error
        raise EnvironmentFault(
            f"{location} cannot be unpacked ({error.strerror})",
            "Check its permissions and the space in the folder for temporary files",
        ) from error


def _damaged(location: Path, error: Exception) -> UsageError:
    why = error.strerror if isinstance(error, OSError) else error  # without the path in our scratch folder
    return UsageError(
        f"{location} is not a readable model archive ({why})", "Build it again, or copy it again in full"
    )


def safe_name(name: str, location: Path) -> str:
    """Give a name inside an archive in its plain form; refuse one that leads outside."""
    name.encode()  # what is no text at all can be neither written nor hashed
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise UsageError(
            f"{location} holds the name {name!r}, which leads outside of it",
            "Do not use this archive; build it again from files that you trust",
        )
    return "/".join(part for part in parts if part not in {"", "."})


def require_sane_size(unpacked: int, packed: int, location: Path) -> None:
    """Refuse an archive that unpacks to absurdly more than it is."""
    if unpacked > max(_ALWAYS_FINE, packed * _SANE_RATIO):
        raise UsageError(
            f"{location} unpacks to more than {_SANE_RATIO} times its size",
            "Do not use this archive; build it again from files that you trust",
        )


def opened_zip(file: Path | IO[bytes]) -> zipfile.ZipFile:
    """Open a zip; names are UTF-8 as TorchServe reads them, or else what zipfile makes of them."""
    if sys.version_info >= (3, 11):
        try:
            return zipfile.ZipFile(file, metadata_encoding="utf-8")
        except UnicodeDecodeError:
            pass
    return zipfile.ZipFile(file)


def _unpack_zip(location: Path, folder: Path) -> None:
    """Extract a zip; zipfile itself keeps every name inside the folder."""
    with opened_zip(location) as archive:
        total = sum(info.file_size for info in archive.infolist())
        require_sane_size(total, location.stat().st_size, location)
        archive.extractall(folder)  # noqa: S202 - of zipfile, which cleans the names


def _read_zip(location: Path, name: str) -> bytes:
    with opened_zip(location) as archive:
        return archive.read(name)


class Gunzipped:
    """What a gzip file holds: its first member, as TorchServe reads it.

    Parameters
    ----------
    file
        The file, at its beginning.
    location
        Its path, for errors.
    """

    def __init__(self, file: IO[bytes], location: Path) -> None:
        self._file = file
        self._location = location
        self._packed = location.stat().st_size
        self._inflate = zlib.decompressobj(31)
        self._ready = b""
        self._given = 0

    def read(self, size: int) -> bytes:
        """Give the next bytes, fewer than asked for only at the end.

        Raises
        ------
        EOFError
            When the file ends before its content does.
        """
        pieces = [self._ready]
        missing = size - len(self._ready)
        while missing > 0 and not self._inflate.eof:
            pieces.append(self._next())
            missing -= len(pieces[-1])
        joined = b"".join(pieces)
        self._ready = joined[size:]
        return joined[:size]

    def drain(self) -> None:
        """Read to the end, where the checksum is."""
        while self.read(_PIECE):
            pass

    def rest(self) -> bytes:
        """Give a few of the bytes that follow the first member; none in an ordinary file."""
        return self._inflate.unused_data or self._file.read(1)

    def _next(self) -> bytes:
        packed = self._file.read(_PIECE)
        if not packed:
            raise EOFError("it ends too early")
        piece = self._inflate.decompress(packed)
        self._given += len(piece)
        require_sane_size(self._given, self._packed, self._location)
        return piece


def tar_name(name: str, location: Path) -> str:
    """Give the name that TorchServe unpacks a file of a tar under: what follows the first slash."""
    return safe_name(name[name.find("/") + 1 :], location)


def require_plain(member: tarfile.TarInfo, location: Path) -> None:
    """Refuse links, devices and sparse files: an archive has no use for them."""
    if not (member.isdir() or (member.isreg() and not member.issparse())):
        raise UsageError(
            f"{location} holds {member.name!r}, which is neither a file nor a folder",
            "Build the archive again with the files that its links point to",
        )


@contextmanager
def _tar_stream(location: Path) -> Iterator[tarfile.TarFile]:
    """Read a tar.gz from its beginning to its end."""
    with location.open("rb") as file:
        unpacked = Gunzipped(file, location)
        with tarfile.open(fileobj=unpacked, mode="r|") as archive:  # type: ignore[call-overload] # read() is all it needs
            yield archive
        unpacked.drain()


def _unpack_tgz(location: Path, folder: Path) -> None:
    with _tar_stream(location) as archive:
        for member in archive:
            require_plain(member, location)
            target = folder / tar_name(member.name, location)
            content = archive.extractfile(member)
            if content is None:
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with content, target.open("wb") as out:
                shutil.copyfileobj(content, out)


def _read_tgz(location: Path, name: str) -> bytes:
    found: bytes | None = None
    with _tar_stream(location) as archive:
        for member in archive:  # to the end: of two files of one name the later counts
            if member.isreg() and tar_name(member.name, location) == name:
                content = archive.extractfile(member)
                found = content.read() if content else found
    if found is None:
        raise KeyError(name)
    return found


#: By the form of a file: writes its content into an empty folder, under the names that TorchServe uses.
UNPACK: dict[str, Callable[[Path, Path], None]] = {"zip": _unpack_zip, "tgz": _unpack_tgz}
#: By the form of a file: gives one file of its content; KeyError where there is none.
READ: dict[str, Callable[[Path, str], bytes]] = {"zip": _read_zip, "tgz": _read_tgz}
