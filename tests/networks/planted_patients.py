"""DICOM files full of patients' data that must get nowhere: in every VR, private, nested, and in the head."""

import io

import pydicom
from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

#: Values that occur nowhere else; numbers and dates have only digits to be told by.
WORD, DIGITS, DATE, CODE = "Zyxplanted", "97531864", "17760704", "ZYXPLANTED"
MARKS = (WORD, DIGITS, DATE, CODE)

_VALUES = {
    "AE": CODE, "AS": "097Y", "CS": CODE, "DA": DATE, "DS": DIGITS, "DT": DATE + "101010", "IS": DIGITS,
    "LO": WORD, "LT": WORD, "PN": f"{WORD}^Jane", "SH": WORD, "ST": WORD, "TM": "101010", "UC": WORD,
    "UI": f"1.2.{DIGITS}", "UR": f"http://{WORD}", "UT": WORD, "OB": WORD.encode(), "UN": WORD.encode(),
    "OW": WORD.encode() + b"x" * (len(WORD) % 2), "FD": float(DIGITS), "FL": 9.0, "SL": int(DIGITS),
    "UL": int(DIGITS), "SS": 1, "US": 2, "OF": b"abcd", "OD": b"abcdefgh", "OL": b"abcd", "OV": b"abcdefgh",
    "SV": int(DIGITS), "UV": int(DIGITS), "AT": 0x00100010,
}  # fmt: skip
#: Elements about persons, places and dates, in the standard's own places.
_PERSONAL = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientAge", "PatientAddress", "PatientComments",
    "OtherPatientIDs", "InstitutionName", "InstitutionAddress", "ReferringPhysicianName", "OperatorsName",
    "StationName", "StudyDescription", "SeriesDescription", "ProtocolName", "StudyDate", "SeriesDate",
    "StudyID",
    "AccessionNumber", "ImageComments", "DeviceSerialNumber", "StudyInstanceUID", "SeriesInstanceUID",
    "FrameOfReferenceUID", "RequestingPhysician", "DerivationDescription",
)  # fmt: skip


def planted(dataset):
    """Plant marks into a data set, everywhere where it may hold them."""
    config.settings.writing_validation_mode = config.IGNORE
    for keyword in _PERSONAL:
        setattr(dataset, keyword, _VALUES[dictionary_VR(keyword)])
    nested = Dataset()
    nested.PatientName, nested.CodeMeaning = f"{WORD}^Nested", WORD
    deeper = Dataset()
    deeper.PatientID = WORD
    nested.ReferencedPatientSequence = Sequence([deeper])
    dataset.RequestAttributesSequence = Sequence([nested])
    dataset.OriginalAttributesSequence = Sequence([nested])
    dataset.add(DataElement(0x00090010, "LO", WORD))
    for number, (vr, value) in enumerate(_VALUES.items()):
        dataset.add(DataElement(0x00091000 + number, vr, value))
    dataset.add(DataElement(0x00091080, "SQ", Sequence([nested])))
    return dataset

    return dictionary_VR(keyword)


def planted_bytes(data):
    """Plant marks into a DICOM file, its head included."""
    dataset = planted(pydicom.dcmread(io.BytesIO(data)))
    dataset.file_meta.SourceApplicationEntityTitle = CODE
    dataset.file_meta.ImplementationVersionName = CODE
    dataset.file_meta.PrivateInformationCreatorUID = f"1.2.{DIGITS}"
    dataset.file_meta.PrivateInformation = WORD.encode()
    dataset.preamble = (WORD * 13).encode()[:128]
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def marks_in(data):
    """Name the marks that bytes hold, in one or two bytes a character."""
    return [
        mark for mark in MARKS for form in ("ascii", "utf-16-le", "utf-16-be") if mark.encode(form) in data
    ]
