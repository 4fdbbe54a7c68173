"""How a file is made from another one: parts that are copied from it, and bytes that it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO, NamedTuple

_PIECE = 2**20


class Kept(NamedTuple):
    """A part of a file that lies in another one too: where it begins, its size, where it lies there."""

    start: int
    size: int
    at: int


class Piece(NamedTuple):
    """The next bytes of a file: their number, and where in the other file they lie (None: in no other)."""

    size: int
    at: int | None


def copy_range(source: IO[bytes], start: int, size: int, out: IO[bytes]) -> None:
    """Copy a part of one file to another, piece by piece."""
    source.seek(start)
    while size > 0:
        piece = source.read(min(size, _PIECE))
        if not piece:
            raise EOFError("it ends too early")
        out.write(piece)
        size -= len(piece)


def cut(file: IO[bytes], size: int, kept: Iterable[Kept]) -> tuple[tuple[Piece, ...], bytes]:
    """Describe a file by its parts that lie elsewhere too; gives what lies nowhere else along with it."""
    pieces: list[Piece] = []
    literals: list[bytes] = []
    position = 0
    for part in (*sorted(kept), Kept(size, 0, -1)):
        if part.start > position:
            file.seek(position)
            literals.append(file.read(part.start - position))
            pieces.append(Piece(part.start - position, None))
        _append(pieces, part)
        position = part.start + part.size
    return tuple(pieces), b"".join(literals)


def _append(pieces: list[Piece], part: Kept) -> None:
    """Add a part; one that follows the last one there too makes it longer."""
    last = pieces[-1] if pieces else None
    if part.size == 0:
        return
    if last is not None and last.at is not None and last.at + last.size == part.at:
        pieces[-1] = Piece(last.size + part.size, last.at)
    else:
        pieces.append(Piece(part.size, part.at))


def put_together(pieces: Sequence[Piece], literals: bytes, other: IO[bytes], out: IO[bytes]) -> None:
    """Write the file that the pieces describe.

    Raises
    ------
    EOFError
        When the other file is not what it was.
    """
    position = 0
    for piece in pieces:
        if piece.at is None:
            out.write(literals[position : position + piece.size])
            position += piece.size
        else:
            copy_range(other, piece.at, piece.size, out)
