"""Volumes: NIfTI, DICOM and arrays of three axes and channels."""

from foveal.samples.formats import Format, decode_as, names_of, suffixes_of
from foveal.samples.kinds import Decoded, Kind
from foveal.samples.medical.dataset import is_dicom
from foveal.samples.numpy_files import decode_npy, is_npy
from foveal.samples.volumes.nifti import decode_nifti, is_nifti
from foveal.samples.volumes.series import decode_file, decode_series, is_zip, read_folder
from foveal.samples.volumes.transform import VolumeTransform

__all__ = ["FORMATS", "KIND", "VolumeTransform", "decode_volume"]


def decode_volume(data: bytes, name: str) -> Decoded:
    """Read a volume (z, y, x, C).

    Raises
    ------
    UsageError
        If the bytes are none of :data:`FORMATS`, or are damaged; names the sample.
    """
    return decode_as(data, name, FORMATS, "a volume")


def _array(data: bytes, name: str) -> Decoded:
    return Decoded(decode_npy(data, name, axes=3))


FORMATS: tuple[Format, ...] = (
    Format("npy", is_npy, _array, frozenset({".npy"})),
    Format("DICOM", is_dicom, decode_file, frozenset({".dcm", ".dicom", ".ima"})),
    Format("DICOM series (zip or folder)", is_zip, decode_series, frozenset({".zip"})),
    Format("NIfTI", is_nifti, decode_nifti, frozenset({".nii", ".gz"})),
)

#: Volumes: CT, MR, PET, films of ultrasound.
KIND = Kind(
    name="volume",
    axes=("z", "y", "x"),
    suffixes=suffixes_of(FORMATS),
    formats=names_of(FORMATS),
    decode=decode_volume,
    transform=VolumeTransform.from_mapping,
    example="foveal explain chest.mar series.zip -o explained",
    read=read_folder,
    folders=True,
)
