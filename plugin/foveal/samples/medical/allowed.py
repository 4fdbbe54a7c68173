"""What a DICOM file may say of itself: how the picture was made, by what; nothing of whom, when or where.

An element that is not named here is not even parsed (:func:`foveal.samples.medical.dataset.open_dataset`).
Named are elements whose values come from closed lists or are numbers, and the names of machines; free text,
dates, identifiers and private elements are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

#: One word of a closed list (code strings): its form, and how long it may be.
_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")
#: A machine's or its software part's name.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/()+-]{0,63}")

_CODES = (
    "Modality",
    "BodyPartExamined",
    "Laterality",
    "ImageLaterality",
    "ViewPosition",
    "PatientPosition",
    "PhotometricInterpretation",
    "BurnedInAnnotation",
    "LossyImageCompression",
    "PresentationIntentType",
    "ScanningSequence",
    "SequenceVariant",
    "MRAcquisitionType",
    "ConversionType",
    "PixelIntensityRelationship",
    "RescaleType",
)
_NUMBERS = (
    "KVP",
    "ExposureTime",
    "XRayTubeCurrent",
    "Exposure",
    "SliceThickness",
    "SpacingBetweenSlices",
    "MagneticFieldStrength",
    "RepetitionTime",
    "EchoTime",
    "InversionTime",
    "FlipAngle",
    "GantryDetectorTilt",
    "BitsStored",
    "SamplingFrequency",
)
_MACHINES = ("Manufacturer", "ManufacturerModelName", "ConvolutionKernel")


def _code(value: object) -> str | None:
    text = str(value).strip()
    return text if _CODE.fullmatch(text) else None


def _number(value: object) -> str | None:
    try:
        return f"{float(str(value)):g}"
    except ValueError:
        return None


def _machine(value: object) -> str | None:
    text = str(value).strip()
    return text if _NAME.fullmatch(text) else None


#: How the value of each element becomes text; None of a value means that it has not the element's form.
ALLOWED: dict[str, Callable[[object], str | None]] = {
    **dict.fromkeys(_CODES, _code),
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(_MACHINES, _machine),
}


def allowed_tags(dataset: Any) -> dict[str, str]:  # noqa: ANN401 - pydicom is not imported here
    """Give what a data set says of itself, as far as :data:`ALLOWED` lets it, by keyword."""
    found = ((keyword, _text(dataset, keyword, read)) for keyword, read in ALLOWED.items())
    return {keyword: text for keyword, text in found if text}


def _text(dataset: Any, keyword: str, read: Callable[[object], str | None]) -> str | None:  # noqa: ANN401
    try:
        value = dataset.get(keyword)
    except Exception:  # noqa: BLE001 - a value that cannot be parsed says nothing, and must not be quoted
        return None
    return None if value is None else read(value)
