"""What a wrapped archive carries to become the original again: ``MAR-INF/FOVEAL.recipe``."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from foveal.archives.pieces import Piece
from foveal.archives.tars import Compression
from foveal.errors import UsageError

RECIPE = "MAR-INF/FOVEAL.recipe"
#: The original itself, where its compression cannot be made again.
ORIGINAL = "MAR-INF/FOVEAL.original"
_MAGIC = b"FOVEAL recipe 1\n"
#: No recipe is larger: it holds no more than small files and a directory.
_LARGEST = 2**28


@dataclass(frozen=True)
class Recipe:
    """How an original is made from its wrapped archive.

    Attributes
    ----------
    container
        The form of both: ``zip``, ``tgz`` or ``folder``.
    sha256
        Of the original: of the file, or of a folder's content (`foveal.archives.mar.archive_sha256`).
    files
        SHA-256 of every file of the wrapped archive but the recipe itself, by name.
    pieces, literals
        The original (of a tar.gz: its tar) in parts; see `foveal.archives.pieces`.
    compression
        What makes a tar.gz of the tar; none where the pieces give the file itself.
    replaced
        Of a folder: what wrapping has changed, by name; None for what it has added.
    """

    container: str
    sha256: str
    files: Mapping[str, str]
    pieces: tuple[Piece, ...] = ()
    literals: bytes = b""
    compression: Compression | None = None
    replaced: Mapping[str, str | None] | None = None

    def to_bytes(self) -> bytes:
        """Write the recipe; equal ones have equal bytes."""
        plain = asdict(self) | {"literals": None, "compression": _to_json(self.compression)}
        head = json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
        return _MAGIC + zlib.compress(struct.pack("<Q", len(head)) + head + self.literals, 9)

    @classmethod
    def from_bytes(cls, data: bytes, location: Path) -> Recipe:
        """Read what :meth:`to_bytes` wrote.

        Raises
        ------
        UsageError
            When it is damaged or of another version; names the archive.
        """
        try:
            content = _inflated(data)
            (size,) = struct.unpack_from("<Q", content)
            plain = json.loads(content[8 : 8 + size])
            plain["pieces"] = tuple(Piece(int(count), at) for count, at in plain["pieces"])
            plain["compression"] = _from_json(plain["compression"])
            return cls(**plain | {"literals": content[8 + size :]})
        except (ValueError, TypeError, KeyError, struct.error, zlib.error) as error:
            raise UsageError(
                f"{location} cannot be unwrapped: its {RECIPE} is damaged ({error})",
                "Keep the original archive, or unwrap an undamaged copy with the Foveal that wrapped it",
            ) from error


def _inflated(data: bytes) -> bytes:
    """Unpack a recipe, no further than one can be large."""
    if not data.startswith(_MAGIC):
        raise ValueError("it begins with other bytes")
    inflate = zlib.decompressobj()
    content = inflate.decompress(data[len(_MAGIC) :], _LARGEST)
    if not inflate.eof:
        raise ValueError("it is cut short or too large")
    return content


def _to_json(compression: Compression | None) -> dict[str, object] | None:
    if compression is None:
        return None
    ends = {"header": compression.header.hex(), "trailer": compression.trailer.hex()}
    return {**compression._asdict(), **ends}


def _from_json(plain: Mapping[str, object] | None) -> Compression | None:
    if plain is None:
        return None
    ends = {name: bytes.fromhex(str(plain[name])) for name in ("header", "trailer")}
    return Compression(**{**plain, **ends})  # type: ignore[arg-type] # sha256 of the result is checked
