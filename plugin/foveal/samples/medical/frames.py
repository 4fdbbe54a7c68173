"""The pixels of a DICOM file, in the units that the file gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foveal.samples.medical.allowed import ALLOWED, allowed_tags
from foveal.samples.medical.dataset import discreet, open_dataset
from foveal.samples.medical.presentation import is_projection, presented
from foveal.samples.narrowing import check_count, narrowed, rescaled
from foveal.samples.values import Values

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PIXELS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "Rows",
    "Columns",
    "NumberOfFrames",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PixelData",
    "FloatPixelData",
    "DoubleFloatPixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)
_COLOURS = ("Red", "Green", "Blue")
_MEANING = (
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "DoseGridScaling",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    *(
        f"{part}{colour}Palette{end}"
        for part in ("",)
        for colour in ("Red", "Green", "Blue")
        for end in ("ColorLookupTableDescriptor", "ColorLookupTableData")
    ),
    *(f"Segmented{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue")),
)
_PLACE = (
    "SeriesInstanceUID",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "GridFrameOffsetVector",
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
)
#: Bytes of pixels of which one file has some.
_DATA = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


@dataclass(frozen=True)
class Place:
    """Where a frame lies in the body, as far as the file says.

    Attributes
    ----------
    position
        Of its first pixel, in millimetres.
    orientation
        Directions of its rows and columns, six numbers.
    """

    position: tuple[float, ...] = ()
    orientation: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Frames:
    """What one file holds.

    Attributes
    ----------
    values
        Its frames (n, y, x, C).
    places
        One per frame.
    number
        The file's number in its series.
    series
        What tells its series from others; not to be written anywhere.
    spacing
        Millimetres from row to row and column to column; empty where unknown.
    depth
        Millimetres from slice to slice as the file says; 0 where unknown.
    tags
        What may be said of it, see :mod:`foveal.samples.medical.allowed`.
    """

    values: Values
    places: tuple[Place, ...]
    number: int
    series: str
    spacing: tuple[float, ...]
    depth: float
    tags: dict[str, str]


def read_frames(data: bytes, name: str) -> Frames | None:
    """Read the frames of a DICOM file; None where it is a whole file without pixels.

    Values are in the modality's units (rescaled, or through the modality's table): Hounsfield units of a CT.
    Projection radiographs have none and are given as the file wants them shown,
    see :mod:`foveal.samples.medical.presentation`. Palettes and YBR become red, green and blue.

    Raises
    ------
    UsageError
        If the file cannot be read; the line quotes nothing of it.
    """
    dataset = open_dataset(data, name, (*_PIXELS, *_MEANING, *_PLACE, *ALLOWED))
    with discreet(name):
        if not any(keyword in dataset for keyword in _DATA):
            return None
        check_count(_promised(dataset), name)
        values = _values(dataset, name)
        return Frames(
            values=values,
            places=tuple(_place(dataset, frame) for frame in range(len(values))),
            number=int(dataset.get("InstanceNumber") or 0),
            series=str(dataset.get("SeriesInstanceUID") or ""),
            spacing=_plane_spacing(dataset),
            depth=_depth(dataset),
            tags=allowed_tags(dataset),
        )


def _promised(dataset: Dataset) -> int:
    """Count the values that the header promises."""
    frames = max(1, int(dataset.get("NumberOfFrames") or 1))
    return frames * int(dataset.Rows) * int(dataset.Columns) * int(dataset.get("SamplesPerPixel") or 1)


def _values(dataset: Dataset, name: str) -> Values:
    """Decode all frames to (n, y, x, C)."""
    stored = _stored(dataset)
    if stored.shape[-1] > 1:
        return narrowed(stored, name)
    if is_projection(dataset):
        return presented(stored, dataset)
    frames = [_in_units(stored[number], dataset, number, name) for number in range(len(stored))]
    if len({frame.dtype for frame in frames}) > 1:
        frames = [frame.astype(np.float32) for frame in frames]
    return np.stack(frames)


def _stored(dataset: Dataset) -> NDArray[Any]:
    """Decode the pixels as they are stored, colours in red, green and blue, to (n, y, x, C)."""
    from pydicom.pixels.processing import apply_color_lut  # noqa: PLC0415 - only those who read DICOM need it
    from pydicom.pixels.utils import pixel_array  # noqa: PLC0415

    array = pixel_array(dataset)
    if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
        array = _eight_bits(apply_color_lut(array, dataset))
    plane = (max(1, int(dataset.get("NumberOfFrames") or 1)), int(dataset.Rows), int(dataset.Columns))
    return array.reshape(*plane, -1)


def _eight_bits(colours: NDArray[Any]) -> NDArray[np.uint8]:
    wide = colours.dtype.itemsize > 1 and colours.max(initial=0) > 255
    return (colours >> 8 if wide else colours).astype(np.uint8)


def _in_units(frame: NDArray[Any], dataset: Dataset, number: int, name: str) -> Values:
    """Bring one frame to the modality's units."""
    if "ModalityLUTSequence" in dataset:
        from pydicom.pixels.processing import apply_modality_lut  # noqa: PLC0415 - see above

        return narrowed(apply_modality_lut(frame, dataset), name)
    owner = _group(dataset, number, "PixelValueTransformationSequence") or dataset
    slope = float(owner.get("RescaleSlope") or dataset.get("DoseGridScaling") or 1)
    return rescaled(frame, slope, float(owner.get("RescaleIntercept") or 0), name)


def _group(dataset: Dataset, number: int, keyword: str) -> Dataset | None:
    """Find what an enhanced file says about one frame, or about all."""
    for sequence, item in (
        ("PerFrameFunctionalGroupsSequence", number),
        ("SharedFunctionalGroupsSequence", 0),
    ):
        groups = dataset.get(sequence) or []
        found = groups[item].get(keyword) if item < len(groups) else None
        if found:
            one: Dataset = found[0]
            return one
    return None


def _place(dataset: Dataset, number: int) -> Place:
    """Find where a frame lies: what a file of several frames says once is true of the first alone."""
    position = _group(dataset, number, "PlanePositionSequence") or dataset
    orientation = _group(dataset, number, "PlaneOrientationSequence") or dataset
    place = Place(
        _numbers(position.get("ImagePositionPatient"), 3),
        _numbers(orientation.get("ImageOrientationPatient"), 6),
    )
    return place if position is not dataset or int(dataset.get("NumberOfFrames") or 1) == 1 else Place()


def _plane_spacing(dataset: Dataset) -> tuple[float, ...]:
    measures = _group(dataset, 0, "PixelMeasuresSequence") or dataset
    spacing = measures.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    found = _numbers(spacing, 2)
    return found if all(step > 0 for step in found) else ()


def _depth(dataset: Dataset) -> float:
    measures = _group(dataset, 0, "PixelMeasuresSequence") or dataset
    offsets = _numbers(dataset.get("GridFrameOffsetVector"), None)
    if len(offsets) > 1:
        return abs(offsets[1] - offsets[0])
    return abs(float(measures.get("SpacingBetweenSlices") or measures.get("SliceThickness") or 0))


def _numbers(value: Any, count: int | None) -> tuple[float, ...]:  # noqa: ANN401 - a DICOM value
    """Read numbers; none where there are not as many as there must be, or not all are finite."""
    try:
        numbers = tuple(float(one) for one in value or ())
    except (TypeError, ValueError):
        return ()
    whole = count is None or len(numbers) == count
    return numbers if whole and all(np.isfinite(numbers)) else ()
