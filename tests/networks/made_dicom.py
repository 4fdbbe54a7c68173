"""DICOM files made for tests, and pydicom's real ones."""

import io
from pathlib import Path

import numpy as np
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid


def dicom_bytes(pixels, modality="CT", *, syntax=ExplicitVRLittleEndian, meta=None, **elements):
    """Write pixels (y, x), (y, x, 3) or (n, y, x) as a DICOM file."""
    pixels = np.asarray(pixels)
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    file_meta = FileMetaDataset()
    what = CTImageStorage if modality == "CT" else SecondaryCaptureImageStorage
    file_meta.MediaStorageSOPClassUID = what
    file_meta.MediaStorageSOPInstanceUID = generate_uid()
    file_meta.TransferSyntaxUID = syntax
    for keyword, value in (meta or {}).items():
        setattr(file_meta, keyword, value)
    dataset = FileDataset(None, {}, file_meta=file_meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = what, file_meta.MediaStorageSOPInstanceUID
    dataset.Modality = modality
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        dataset.PlanarConfiguration = 0
    frames = pixels if pixels.ndim == 3 and not colour else pixels[None]
    dataset.Rows, dataset.Columns = frames.shape[1:3]
    if len(frames) > 1:
        dataset.NumberOfFrames = len(frames)
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return written(dataset)


def written(dataset: Dataset) -> bytes:
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def example(name):
    """Read one of pydicom's own files."""
    return Path(get_testdata_file(name, download=False)).read_bytes()
