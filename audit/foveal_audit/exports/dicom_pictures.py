"""Crops and their maps as DICOM Secondary Capture: the crop, and beside it the crop with its map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.crops import enlarge
from foveal.records import Entry
from foveal.samples.arrays import decode_crop
from foveal.samples.depicting import draw_small, tile
from foveal.samples.values import Values
from foveal_audit.exports.dicom_case import MANUFACTURER, Case

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Longer side of each of the two pictures: viewers show captures pixel by pixel.
_SIDE, _BETWEEN = 256, 8


def secondary_capture(case: Case, entry: Entry, finding: str, number: int) -> Dataset:
    """Make the capture of one entry.

    Parameters
    ----------
    case
        What all objects share.
    entry
        With its crop and map.
    finding
        Id of the finding that it belongs to.
    number
        Its number in the series, from 1.
    """
    from highdicom.sc import SCImage  # noqa: PLC0415 - only this export needs it

    capture = SCImage(
        pixel_array=side_by_side(decode_crop(entry.crop, entry.id), entry.map),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        series_instance_uid=case.uid("captures"),
        series_number=1,
        sop_instance_uid=case.uid(f"capture/{finding}/{entry.id}"),
        instance_number=number,
        manufacturer=MANUFACTURER,
        patient_orientation=("L", "P"),
        study_instance_uid=case.uid("study"),
        **case.nobody,
    )
    capture["PatientOrientation"].value = None  # asked for above; a crop has none that we know
    capture.SeriesDescription = "Foveal: crops, and their maps"
    capture.ImageComments = f"Finding {finding}"
    return case.dated(capture)


def side_by_side(crop: Values, map_: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw a crop, and beside it the same with its map, as RGB (h, w, 3)."""
    plain = np.asarray(tile(crop, _SIDE).convert("RGB"))
    drawn = draw_small(crop, enlarge(map_, crop.shape[:-1]), (), _SIDE).convert("RGB")
    mapped = np.asarray(drawn.resize(plain.shape[1::-1], Image.Resampling.NEAREST))
    between = np.zeros((len(plain), _BETWEEN, 3), np.uint8)
    return np.ascontiguousarray(np.concatenate([plain, between, mapped], axis=1))
