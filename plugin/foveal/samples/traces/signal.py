"""Signal traces: electrocardiograms, electroencephalograms, sensors."""

from __future__ import annotations

from foveal.samples.formats import Format, decode_as, names_of, offline_by, suffixes_of
from foveal.samples.kinds import Decoded, Kind
from foveal.samples.medical.dataset import is_dicom
from foveal.samples.numpy_files import decode_npy, is_npy
from foveal.samples.traces.dicom_waveforms import decode_waveform
from foveal.samples.traces.edf import decode_edf, is_edf
from foveal.samples.traces.sounds import check_length
from foveal.samples.traces.tables import decode_table, is_text
from foveal.samples.traces.transform import TraceTransform
from foveal.samples.traces.wfdb_records import decode_record, is_zip, read_record


def decode_signal(data: bytes, name: str) -> Decoded:
    """Read a trace (T, C), in its physical unit where the file states one.

    Raises
    ------
    UsageError
        If the bytes are in none of :data:`FORMATS`, or damaged.
    """
    return decode_as(data, name, FORMATS, "a signal")


def _array(data: bytes, name: str) -> Decoded:
    values = decode_npy(data, name, axes=1)
    check_length(values.size, name)
    return Decoded(values)


FORMATS = (
    Format("npy", is_npy, _array, frozenset({".npy"})),
    Format("WFDB", is_zip, decode_record, frozenset({".hea"}), offline=True),
    Format("EDF", is_edf, decode_edf, frozenset({".edf", ".bdf"})),
    Format("DICOM waveform", is_dicom, decode_waveform, frozenset({".dcm"})),
    Format("CSV", is_text, decode_table, frozenset({".csv", ".tsv"})),
)

KIND = Kind(
    name="signal",
    axes=("t",),
    suffixes=suffixes_of(FORMATS),
    formats=names_of(FORMATS),
    decode=decode_signal,
    transform=TraceTransform.from_mapping,
    example="foveal explain model_store/ecg.mar trace.csv -o explained",
    read=read_record,
    offline=offline_by(FORMATS),
)
