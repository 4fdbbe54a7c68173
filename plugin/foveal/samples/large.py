"""Images too large to decode whole: tiles of TIFF files (pathology, microscopy), read where asked for.

Of a tiled TIFF only the tiles under a window are unpacked; every other image that is not too large is decoded
once. Tiles may be plain, deflated or JPEG, as scanners of slides write them.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from foveal.errors import UsageError
from foveal.records import Window
from foveal.samples.formats import reading
from foveal.samples.images import read_file
from foveal.samples.pictures import decode_picture
from foveal.samples.values import Values

if TYPE_CHECKING:
    from tifffile import TiffPage

_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NONE, _JPEG, _DEFLATE = 1, 7, (8, 32946)
_RGB = 2
#: Photometric interpretations that are pixels as they are: grey (black is 0), RGB; in JPEG tiles YCbCr too.
#: Palettes, CMYK and inverted grey are decoded whole.
_COLOURS = {False: (1, _RGB), True: (1, _RGB, 6)}
#: Adobe's marker: three components are colours as they are, no YCbCr.
_AS_THEY_ARE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
#: Pixels of one window, and of one tile of the file.
MAX_WINDOW = 2**26


class LargeImage(Protocol):
    """An image (H, W, C) of which parts are read."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""

    def read(self, window: Window) -> Values:
        """Read a part (h, w, C)."""


class _Whole:
    """An image that was decoded whole."""

    def __init__(self, values: Values) -> None:
        self._values = values

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width, channels = self._values.shape
        return height, width, channels

    def read(self, window: Window) -> Values:
        y0, x0, y1, x1 = window
        return self._values[y0:y1, x0:x1]


class _Tiled:
    """A tiled TIFF."""

    def __init__(self, page: TiffPage, name: str) -> None:
        self._page, self._name = page, name
        self._rows, self._columns = page.tilelength, page.tilewidth

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._page.imagelength, self._page.imagewidth, self._page.samplesperpixel

    def read(self, window: Window) -> Values:
        y0, x0, y1, x1 = window
        if (y1 - y0) * (x1 - x0) > MAX_WINDOW:
            raise UsageError(
                f"A window of {y1 - y0} x {x1 - x0} pixels of {self._name!r} is too large",
                "Give smaller tiles",
            )
        part = np.zeros((y1 - y0, x1 - x0, self.shape[2]), self._page.dtype)
        with reading(self._name, "TIFF", "medical"):
            for top, left, number in self._below(window):
                tile = self._tile(number)[: self.shape[0] - top, : self.shape[1] - left]
                rows, columns = _shared(top, len(tile), y0, y1), _shared(left, tile.shape[1], x0, x1)
                part[rows[0], columns[0]] = tile[rows[1], columns[1]]
        return part

    def _below(self, window: Window) -> Iterator[tuple[int, int, int]]:
        """Give the file's tiles under a window: first row, first column, number."""
        y0, x0, y1, x1 = window
        across = -(-self.shape[1] // self._columns)
        for row in range(y0 // self._rows, -(-y1 // self._rows)):
            for column in range(x0 // self._columns, -(-x1 // self._columns)):
                yield row * self._rows, column * self._columns, row * across + column

    def _tile(self, number: int) -> Values:
        """Unpack one tile of the file."""
        stream = self._page.parent.filehandle
        stream.seek(self._page.dataoffsets[number])
        data = stream.read(self._page.databytecounts[number])
        shape = (self._rows, self._columns, self.shape[2])
        if not data:
            return np.zeros(shape, self._page.dtype)
        if int(self._page.compression) == _JPEG:
            return self._from_jpeg(data, shape)
        kind = np.dtype(self._page.dtype).newbyteorder(self._page.parent.byteorder)
        size = int(np.prod(shape)) * kind.itemsize
        if int(self._page.compression) in _DEFLATE:
            data = zlib.decompressobj().decompress(data, size)
        tile = np.frombuffer(data, kind, int(np.prod(shape))).reshape(shape).astype(self._page.dtype)
        return np.cumsum(tile, axis=1, dtype=tile.dtype) if int(self._page.predictor) == 2 else tile

    def _from_jpeg(self, data: bytes, shape: tuple[int, int, int]) -> Values:
        """Put the tables that all tiles share before a tile, and decode it as a JPEG file."""
        tables = (self._page.jpegtables or b"\xff\xd8\xff\xd9")[2:-2]
        colours = _AS_THEY_ARE if int(self._page.photometric) == _RGB else b""
        with Image.open(io.BytesIO(data[:2] + colours + tables + data[2:]), formats=("JPEG",)) as image:
            if (image.height, image.width) != shape[:2]:
                raise ValueError("a tile has another size than the file says")
            values = np.asarray(image)
        return values.reshape(shape)


def _shared(start: int, length: int, low: int, high: int) -> tuple[slice, slice]:
    """Give where a tile's stretch lies in a window's, and the same in the tile."""
    first, last = max(start, low), min(start + length, high)
    return slice(first - low, last - low), slice(first - start, last - start)


class OpenImage:
    """A large image, open; a context manager.

    Parameters
    ----------
    path
        Its file.
    name
        What to call it in an error; by default the file's name.

    Raises
    ------
    UsageError
        If it cannot be read, or is neither a tiled TIFF nor an image small enough to be decoded whole.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        self._stack = ExitStack()
        self.image = _opened(path, name or path.name, self._stack)

    def __enter__(self) -> LargeImage:
        return self.image

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def _opened(path: Path, name: str, stack: ExitStack) -> LargeImage:
    page = _tiled_page(path, name, stack)
    if page is not None:
        return _Tiled(page, name)
    about = path.stat()
    return _decoded(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=1)
def _decoded(path: Path, _changed: int, _size: int) -> LargeImage:
    """Decode an image whole, once for all tiles that are read in turn; a file that changed is another one."""
    return _Whole(decode_picture(read_file(path), path.name).values)


def _tiled_page(path: Path, name: str, stack: ExitStack) -> TiffPage | None:
    """Open the first picture of a tiled TIFF that can be read by tiles; None for everything else."""
    try:
        with path.open("rb") as stream:
            if not stream.read(4).startswith(_MAGICS):
                return None
    except OSError as error:
        raise UsageError(f"Sample '{path}' cannot be read: {error.strerror}", "Check the path") from None
    with reading(name, "TIFF", "medical"):
        from tifffile import TiffFile, TiffPage  # noqa: PLC0415 - only those who read such files need it

        page = stack.enter_context(TiffFile(path)).pages.first
        fits = (
            isinstance(page, TiffPage)
            and page.is_tiled
            and int(page.compression) in (_NONE, _JPEG, *_DEFLATE)
            and int(page.photometric) in _COLOURS[int(page.compression) == _JPEG]
        )
        plain = fits and int(page.planarconfig) == 1 and page.bitspersample in (8, 16)
        return page if plain and page.tilelength * page.tilewidth <= MAX_WINDOW else None
