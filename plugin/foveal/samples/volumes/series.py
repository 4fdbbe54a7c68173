"""DICOM series: many files, one volume. They come as one zip; a folder is packed into one."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from foveal.errors import UsageError
from foveal.samples.images import read_file
from foveal.samples.kinds import Decoded
from foveal.samples.medical.dataset import is_dicom
from foveal.samples.medical.frames import Frames, Place, read_frames
from foveal.samples.narrowing import check_count
from foveal.samples.values import Values

_ZIP = b"PK\x03\x04"
#: Files, and bytes in them, that are read of one zip or folder.
MAX_FILES, MAX_BYTES = 4096, 2**31
#: Bytes that any zip may unfold to, and to how many times its own; scans are packed to a third or so.
_FREE, _TIMES = 2**28, 100
#: Bytes in which DICOM is told, and in which what is passed over is read.
_HEAD, _STEP = 132, 2**20
#: Places nearer than this are one, in millimetres.
_SAME = 1e-3


def is_zip(data: bytes) -> bool:
    """Tell whether bytes are a zip."""
    return data.startswith(_ZIP)


def read_folder(path: Path) -> bytes:
    """Read a file's bytes; the files of a folder become a zip, numbered, without their names and dates.

    Raises
    ------
    UsageError
        If there is no such file or folder, or the folder holds too much.
    """
    if not path.is_dir():
        return read_file(path)
    files = sorted(one for one in path.rglob("*") if one.is_file() and not _hidden(one.relative_to(path)))
    if len(files) > MAX_FILES or sum(one.stat().st_size for one in files) > MAX_BYTES:
        raise _too_much(str(path))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for number, one in enumerate(files):
            packed.writestr(zipfile.ZipInfo(f"{number:05d}"), read_file(one))
    return out.getvalue()


def decode_series(data: bytes, name: str) -> Decoded:
    """Read a zip of one DICOM series to a volume (z, y, x, C).

    Slices are put in the order of their places along the normal of the first; without places, of their
    numbers. Several pictures of each place, as over time, become channels. Files that are no DICOM image are
    passed over.

    Raises
    ------
    UsageError
        If the zip is damaged, locked or too large, or holds no image, several series, slices of several sizes
        or directions, or places with different numbers of pictures; names the sample.
    """
    found: list[Frames] = []
    for one in _members(data, name):
        frames = read_frames(one, name)
        if frames is not None:
            found.append(frames)
            check_count(sum(frames.values.size for frames in found), name)
    if not found:
        raise no_image(name)
    _check_alike(found, name)
    return stacked(found, name)


def slices_of(data: bytes, name: str) -> list[bytes]:
    """Give the files of a series in the order of its volume's slices, one file for each.

    Raises
    ------
    UsageError
        As :func:`decode_series`, and where files and slices are not one to one.
    """
    pairs = [(one, frames) for one in _members(data, name) if (frames := read_frames(one, name)) is not None]
    found = [frames for _, frames in pairs]
    if not found:
        raise no_image(name)
    _check_alike(found, name)
    heights = _heights([place for frames in found for place in frames.places])
    if any(len(frames.values) > 1 for frames in found) or heights is None:
        raise UsageError(f"Sample {name!r} has no file for each slice", "Give a series of single frames")
    ordered = np.argsort(heights)
    if len(ordered) > 1 and np.diff(heights[ordered]).min() < _SAME:
        raise UsageError(f"Sample {name!r} has several files of one slice", "Give one picture of every place")
    return [pairs[number][0] for number in ordered]


def decode_file(data: bytes, name: str) -> Decoded:
    """Read one DICOM file to a volume (z, y, x, C); a single image is one slice of it."""
    frames = read_frames(data, name)
    if frames is None:
        raise no_image(name)
    return stacked([frames], name)


def no_image(name: str) -> UsageError:
    """Say that a file or series holds no picture."""
    return UsageError(f"Sample {name!r} holds no DICOM image", "Send files that hold pixels")


def stacked(files: Sequence[Frames], name: str) -> Decoded:
    """Put the frames of one series in order, (z, y, x, C)."""
    values = _one_type([frames.values for frames in files])
    places = [place for frames in files for place in frames.places]
    heights = _heights(places)
    if heights is None:
        numbers = [frames.number for frames in files for _ in frames.places]
        ordered, depth = values[np.argsort(numbers, kind="stable")], 0.0
    else:
        ordered, depth = _by_height(values, heights, [frames.number for frames in files], name)
    depth = depth or files[0].depth
    spacing = (depth, *files[0].spacing) if depth and files[0].spacing else ()
    return Decoded(np.ascontiguousarray(ordered), _common(files), spacing)


def _members(data: bytes, name: str) -> Iterator[bytes]:
    """Give the DICOM files of a zip, in the order of their names; others are never held whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            members = sorted(
                (one for one in packed.infolist() if not one.is_dir() and not _hidden(Path(one.filename))),
                key=lambda one: one.filename,
            )
            if len(members) > MAX_FILES or sum(one.file_size for one in members) > MAX_BYTES:
                raise _too_much(name)
            _check_unfolded(sum(one.file_size for one in members), len(data), name)
            yield from (packed.read(one) for one in members if _is_dicom(packed, one))
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError, ValueError) as error:
        locked = isinstance(error, RuntimeError) and "password" in str(error)
        raise UsageError(
            f"Sample {name!r} cannot be read as a zip: it is {'locked' if locked else 'damaged'}",
            "Send a whole zip of DICOM files, without password",
        ) from None


def _is_dicom(packed: zipfile.ZipFile, one: zipfile.ZipInfo) -> bool:
    """Tell a member by its first bytes; others are read on in steps, as they may be damaged slices."""
    with packed.open(one) as file:
        if is_dicom(file.read(_HEAD)):
            return True
        while file.read(_STEP):  # raises at its end where the checksum is wrong
            pass
    return False


def _check_unfolded(unfolded: int, packed: int, name: str) -> None:
    if unfolded > max(_FREE, _TIMES * packed):
        raise UsageError(
            f"Sample {name!r} unfolds to more than {_FREE // 2**20} MiB and {_TIMES} times its size",
            "Send it as a zip without compression",
        )


def _hidden(path: Path) -> bool:
    return path.name == "DICOMDIR" or any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _too_much(name: str) -> UsageError:
    return UsageError(
        f"Sample {name!r} holds more than {MAX_FILES} files or {MAX_BYTES // 2**30} GiB",
        "Send one series at a time",
    )


def _check_alike(files: Sequence[Frames], name: str) -> None:
    """Refuse what cannot be one volume; a series' identifiers are counted, never shown."""
    mend = "Send one series at a time"
    for what, number in (
        ("series", len({frames.series for frames in files})),
        ("sizes of slices", len({frames.values.shape[1:] for frames in files})),
        ("directions of slices", len({_direction(place) for frames in files for place in frames.places})),
    ):
        if number > 1:
            raise UsageError(f"Sample {name!r} holds {number} {what}", mend)


def _direction(place: Place) -> tuple[float, ...]:
    return tuple(round(one, 2) + 0.0 for one in place.orientation)


def _one_type(parts: Sequence[Values]) -> Values:
    """Join slices; int16 and float32 among them become float32, as everything of two types."""
    if len({part.dtype for part in parts}) > 1:
        return np.concatenate([part.astype(np.float32) for part in parts])
    return np.concatenate(parts)


def _heights(places: Sequence[Place]) -> NDArray[np.float64] | None:
    """Give each slice's height along the normal, in millimetres; None where that cannot be told."""
    if not all(place.position and place.orientation for place in places):
        return None
    first = np.array(places[0].orientation)
    normal = np.cross(first[:3], first[3:])
    if not np.linalg.norm(normal) > 0:
        return None
    heights: NDArray[np.float64] = (
        np.array([place.position for place in places]) @ normal / np.linalg.norm(normal)
    )
    return heights


def _by_height(
    values: Values, heights: NDArray[np.float64], numbers: Sequence[int], name: str
) -> tuple[Values, float]:
    """Order slices by height; m pictures of every place become m times the channels. Gives the step too."""
    level = np.rint(heights / _SAME).astype(np.int64)
    levels = sorted(set(level.tolist()))
    times = Counter(level.tolist())
    if len(set(times.values())) > 1:
        raise UsageError(
            f"Sample {name!r} has {len(level)} slices at {len(levels)} places",
            "Send as many pictures of every place",
        )
    number = numbers if len(numbers) == len(level) else range(len(level))
    order = np.lexsort((np.array(number), level))
    grid = values[order].reshape(len(levels), times[levels[0]], *values.shape[1:])
    volume = np.moveaxis(grid, 1, 3).reshape(len(levels), *values.shape[1:3], -1)
    step = float(np.median(np.diff(levels))) * _SAME if len(levels) > 1 else 0.0
    return volume, step


def _common(files: Sequence[Frames]) -> dict[str, str]:
    """Keep what all files of the series say alike."""
    first = files[0].tags
    return {key: text for key, text in first.items() if all(one.tags.get(key) == text for one in files)}
