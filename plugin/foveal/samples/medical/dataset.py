"""DICOM bytes to a data set that holds the wanted elements alone.

What is not wanted is never parsed, so a patient's name is in no object of ours. Neither do messages of the
parser get out, which quote values: its warnings and logs are held back, its errors become one of our lines.
"""

from __future__ import annotations

import io
import logging
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from foveal.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: Where a file says that it is DICOM, and how.
_MARK, _MARK_AT = b"DICM", 128
#: Bytes that a compressed data set may unfold to.
MAX_UNFOLDED = 2**30

_MEND = "Send a whole DICOM file with an image, as the archive stores it"


def is_dicom(data: bytes) -> bool:
    """Tell whether bytes are a DICOM file."""
    return data[_MARK_AT : _MARK_AT + len(_MARK)] == _MARK


def open_dataset(data: bytes, name: str, keywords: Iterable[str]) -> Dataset:
    """Parse a DICOM file.

    Parameters
    ----------
    data
        The whole file.
    name
        What to call the sample in an error.
    keywords
        The elements that are wanted, by DICOM keyword. The result holds no others, save what a wanted
        sequence holds.

    Returns
    -------
    Dataset
        With its file meta information. Read its values within :func:`discreet`: most are parsed only then.

    Raises
    ------
    UsageError
        If it cannot be parsed; the line quotes nothing of the file.
    EnvironmentFault
        If pydicom is not installed.
    """
    check_installed(name)
    with discreet(name):
        return _parsed(data, name, list(keywords))


def check_installed(name: str) -> None:
    """Check that DICOM can be read here.

    Raises
    ------
    EnvironmentFault
        If not; says what to install.
    """
    try:
        import pydicom  # noqa: F401, PLC0415 - only those who read DICOM need it
    except ImportError:
        raise EnvironmentFault(
            f"Sample {name!r} is DICOM, and pydicom is not installed", "Run `pip install 'foveal[medical]'`"
        ) from None


@contextmanager
def discreet(name: str) -> Iterator[None]:
    """Let nothing out that the parser says; what it raises becomes a line about the sample."""
    from pydicom import config  # noqa: PLC0415 - only those who read DICOM need it

    logger = logging.getLogger("pydicom")
    before, mode = logger.disabled, config.settings.reading_validation_mode
    logger.disabled = True
    config.settings.reading_validation_mode = config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (UsageError, EnvironmentFault):
        raise
    except Exception as error:  # noqa: BLE001 - parsers fail in many ways on foreign bytes
        raise UsageError(f"Sample {name!r} cannot be read as DICOM: {_reason(error)}", _MEND) from None
    finally:
        logger.disabled, config.settings.reading_validation_mode = before, mode


def _reason(error: Exception) -> str:
    """Say what an error means, without its words: they quote the file."""
    if isinstance(error, RuntimeError | NotImplementedError) and not isinstance(error, RecursionError):
        return "its compression is one that nothing here decodes"
    return "it is damaged, cut short or lacks what an image needs"


def _parsed(data: bytes, name: str, keywords: list[str]) -> Dataset:
    from pydicom import dcmread  # noqa: PLC0415 - see above
    from pydicom.dataset import FileMetaDataset  # noqa: PLC0415
    from pydicom.filereader import read_dataset  # noqa: PLC0415
    from pydicom.tag import BaseTag, Tag  # noqa: PLC0415
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian  # noqa: PLC0415

    stream = io.BytesIO(data)
    stream.seek(_MARK_AT + len(_MARK))
    meta = read_dataset(stream, False, True, stop_when=lambda tag, _vr, _length: tag.group > 2)
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return dcmread(io.BytesIO(data), specific_tags=keywords)
    tags: list[BaseTag | int] = [Tag(keyword) for keyword in keywords]
    dataset = read_dataset(
        io.BytesIO(_unfolded(data[stream.tell() :], name)), False, True, specific_tags=tags
    )
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.set_original_encoding(False, True)
    return dataset


def _unfolded(data: bytes, name: str) -> bytes:
    """Inflate a data set, as far as one may be large."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    unfolded = inflate.decompress(data, MAX_UNFOLDED)
    if inflate.unconsumed_tail:
        raise UsageError(f"Sample {name!r} unfolds to more than {MAX_UNFOLDED} bytes", "Send it uncompressed")
    return unfolded
