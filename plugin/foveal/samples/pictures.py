"""The formats of images; those that Pillow reads come last, as they are told by trying."""

from __future__ import annotations

from foveal.errors import UsageError
from foveal.samples.arrays import encode_array
from foveal.samples.formats import Format, decode_as
from foveal.samples.images import FORMATS as PILLOW
from foveal.samples.images import SUFFIXES, decode_image
from foveal.samples.kinds import Decoded
from foveal.samples.medical.dataset import is_dicom
from foveal.samples.numpy_files import decode_npy, is_npy
from foveal.samples.stripping import stripped
from foveal.samples.tiffs import decode_tiff, is_wide_tiff
from foveal.samples.values import Values


def decode_picture(data: bytes, name: str) -> Decoded:
    """Read an image (H, W, C); see :func:`~foveal.samples.images.decode_image` for what is refused."""
    return decode_as(data, name, FORMATS, "an image")


def as_sent(data: bytes, values: Values) -> bytes:
    """Keep a request's bytes, less what they say beside the picture: packed they are a tenth of its pixels.

    Of formats where nothing is known to be left out the pixels are kept.
    """
    bare = stripped(data)
    return encode_array(values) if bare is None else bare


def _by_pillow(data: bytes, name: str) -> Decoded:
    return Decoded(decode_image(data, name, also=("npy", "DICOM")))


def _array(data: bytes, name: str) -> Decoded:
    return Decoded(decode_npy(data, name, axes=2))


def _dicom(data: bytes, name: str) -> Decoded:
    """Read a DICOM file of one frame; see :mod:`foveal.samples.medical.frames` for the values' unit."""
    from foveal.samples.medical.frames import read_frames  # noqa: PLC0415 - workers of photographs need none

    frames = read_frames(data, name)
    if frames is None:
        raise UsageError(f"Sample {name!r} holds no DICOM image", "Send a file that holds pixels")
    if len(frames.values) > 1:
        raise UsageError(
            f"Sample {name!r} holds {len(frames.values)} frames, the model takes images",
            "Send one frame, or pack the model with --kind volume",
        )
    return Decoded(frames.values[0], frames.tags, frames.spacing)


FORMATS: tuple[Format, ...] = (
    Format("npy", is_npy, _array),  # not by suffix: a folder of images may hold their masks as arrays
    Format("DICOM", is_dicom, _dicom, frozenset({".dcm", ".dicom", ".ima"})),
    Format("TIFF of many channels or bits", is_wide_tiff, decode_tiff),
    Format(" ".join(PILLOW), lambda data: True, _by_pillow, SUFFIXES),  # noqa: ARG005
)
