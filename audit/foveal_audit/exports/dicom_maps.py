"""Maps as DICOM Segmentation over the image or series that they explain, filed in its own study.

The pixels are the positive part of the map in the entry's window, as a share of its largest value.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from foveal.crops import enlarge, inside
from foveal.records import Entry
from foveal_audit.exports.dicom_case import Case

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Elements of patient and study that must be there and may be empty (type 2).
_NAMED = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
    "ReferringPhysicianName", "StudyID",
)  # fmt: skip


def segmentation(case: Case, entry: Entry, finding: str, sources: Sequence[bytes], number: int) -> Dataset:
    """Make the segmentation of one entry.

    Parameters
    ----------
    case
        What all objects share.
    entry
        With its map.
    finding
        Id of the finding that it belongs to.
    sources
        The DICOM files of one frame each that the entry is of: one, or one for each slice of a volume. Their
        patient and study are taken over.
    number
        Its number in the series, from 1.

    Raises
    ------
    ValueError, AttributeError, TypeError
        If they cannot carry a segmentation: they have several frames, or other sides than the window.
    """
    from highdicom.seg import Segmentation, SegmentDescription  # noqa: PLC0415 - only this export needs it
    from pydicom import dcmread  # noqa: PLC0415

    images = [_complete(dcmread(io.BytesIO(one))) for one in sources]
    sides = (len(images), int(images[0].Rows), int(images[0].Columns))
    made = Segmentation(
        source_images=images,
        pixel_array=spread(entry, sides[-len(entry.window) // 2 :]).reshape(sides),
        segmentation_type="FRACTIONAL",
        fractional_type="OCCUPANCY",
        segment_descriptions=[SegmentDescription(**_segment(case, entry, finding))],
        series_instance_uid=case.uid(f"maps/{images[0].SeriesInstanceUID}"),
        series_number=900,
        sop_instance_uid=case.uid(f"map/{finding}/{entry.id}"),
        instance_number=number,
        omit_empty_frames=False,
        **case.equipment,
    )
    for item in (*made.DimensionOrganizationSequence, *made.DimensionIndexSequence):
        item.DimensionOrganizationUID = case.uid(f"dimensions/{finding}/{entry.id}")  # random otherwise
    made.SeriesDescription = f"Foveal: map of finding {finding}"
    return case.dated(made)


def _complete(image: Dataset) -> Dataset:
    """Add, without a value, what every file must name and many do not."""
    for keyword in _NAMED:
        if keyword not in image:
            setattr(image, keyword, None)
    if "ImagePositionPatient" not in image and "FrameOfReferenceUID" in image:
        del image.FrameOfReferenceUID  # a frame of reference without a place in it tells nothing
    return image


def spread(entry: Entry, sides: tuple[int, ...]) -> NDArray[np.float32]:
    """Lay the map of an entry's window on its image or volume: shares of its largest value, (*sides)."""
    laid = np.zeros(sides, np.float32)
    if len(entry.window) != 2 * len(sides) or any(np.array(entry.window[len(sides) :]) > sides):
        raise ValueError(f"the window {entry.window} lies outside of {sides}")
    window = laid[inside(entry.window)]
    positive = np.clip(enlarge(entry.map, window.shape), 0, None)
    window[...] = positive / max(float(positive.max()), 1e-12)
    return laid


def _segment(case: Case, entry: Entry, finding: str) -> dict[str, Any]:
    from highdicom import AlgorithmIdentificationSequence  # noqa: PLC0415
    from pydicom.sr.codedict import codes  # noqa: PLC0415
    from pydicom.sr.coding import Code  # noqa: PLC0415

    return {
        "segment_number": 1,
        "segment_label": f"{finding} {entry.feature}"[:64],
        "segmented_property_category": Code("309825002", "SCT", "Spatial and Relational Concept"),
        "segmented_property_type": codes.DCM.Saliency,
        "algorithm_type": "AUTOMATIC",
        "algorithm_identification": AlgorithmIdentificationSequence(
            name=entry.method[:64], version=case.version, family=codes.DCM.ArtificialIntelligence
        ),
    }
