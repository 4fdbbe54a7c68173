"""WFDB records: a header beside its signal files (https://physionet.org/physiotools/wag/header-5.htm).

They travel as a zip of these files; a header on disk is packed with what it names. The wfdb package reads
them. It imports pandas, which no serving worker may: there, other formats are to be sent.
"""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from foveal.errors import UsageError
from foveal.samples.formats import reading
from foveal.samples.images import read_file
from foveal.samples.kinds import Decoded
from foveal.samples.numpy_files import as_sample
from foveal.samples.traces.sounds import MAX_TRACE, check_length

HEADER = ".hea"
#: Names that cannot lead out of a folder.
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,99}")
#: Files in a record, and bytes that they may unfold to.
_MOST_FILES, _MOST_BYTES = 64, 2**29


def is_zip(data: bytes) -> bool:
    """Tell zip files."""
    return data.startswith(b"PK\x03\x04")


def read_record(path: Path) -> bytes:
    """Read a file's bytes; a header is packed into a zip with the signal files that it names.

    Raises
    ------
    UsageError
        If a file is missing.
    """
    data = read_file(path)
    if path.suffix.lower() != HEADER:
        return data
    files = {path.name: data} | {
        name: read_file(path.parent / name) for name in _signal_files(data, str(path))
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in sorted(files.items()):
            packed.writestr(zipfile.ZipInfo(name), content)  # without a time: the same files, the same bytes
    return out.getvalue()


def decode_record(data: bytes, name: str) -> Decoded:
    """Read a zip of one record as a trace (T, C) of float32, in physical units.

    Raises
    ------
    UsageError
        If it holds no record or several, files with other names, or is damaged; names the sample.
    """
    with reading(name, "WFDB record", "signals"):
        import wfdb  # noqa: PLC0415 - of an extra, and heavy

        files = _unpacked(data, name)
        (header,) = _headers(files, name)
        for missing in set(_signal_files(files[header], name)) - set(files):
            raise UsageError(f"Sample {name!r} lacks the file {missing!r}", "Put it into the zip")
        with tempfile.TemporaryDirectory(prefix="foveal-") as folder:
            for file, content in files.items():
                Path(folder, file).write_bytes(content)
            _check_size(wfdb.rdheader(str(Path(folder, header[: -len(HEADER)]))), name)
            record = wfdb.rdrecord(str(Path(folder, header[: -len(HEADER)])))
    values = np.asarray(record.p_signal, np.float64)
    check_length(values.size, name)
    names = tuple(str(channel) for channel in record.sig_name)
    return Decoded(as_sample(values, name), spacing=(1 / float(record.fs),), channels=names)


def _unpacked(data: bytes, name: str) -> dict[str, bytes]:
    """Unpack a zip in memory, as far as its names and sizes are those of a record."""
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        listed = packed.infolist()
        if len(listed) > _MOST_FILES or sum(one.file_size for one in listed) > _MOST_BYTES:
            raise UsageError(f"Sample {name!r} unfolds to too much", "Cut the record before sending it")
        for one in listed:
            if not _PLAIN.fullmatch(one.filename):
                raise UsageError(
                    f"Sample {name!r} holds a file with the name {one.filename[:60]!r}",
                    "Put the record's files at the top of the zip",
                )
        return {one.filename: packed.read(one) for one in listed}


def _headers(files: Mapping[str, bytes], name: str) -> list[str]:
    found = [file for file in files if file.lower().endswith(HEADER)]
    if len(found) != 1:
        raise UsageError(
            f"Sample {name!r} is a zip with {len(found)} WFDB headers", "Send a zip of one .hea and its .dat"
        )
    return found


def _signal_files(header: bytes, name: str) -> list[str]:
    """List the signal files that a header names: the first word of every line after the first."""
    lines = [line.split() for line in header.decode("utf-8", "replace").splitlines()]
    told = [words[0] for words in lines if words and not words[0].startswith("#")]
    if told and "/" in told[0]:
        raise UsageError(f"Sample {name!r} is a record of several segments", "Join them before sending it")
    for file in told[1:]:
        if not _PLAIN.fullmatch(file):
            raise UsageError(
                f"Sample {name!r} names a signal file {file[:60]!r}", "Keep signals beside their header"
            )
    return list(dict.fromkeys(told[1:]))


def _check_size(header: object, name: str) -> None:
    """Check what a header promises before any memory is taken for it."""
    steps, channels = getattr(header, "sig_len", None) or 0, getattr(header, "n_sig", None) or 0
    if steps * channels > MAX_TRACE:
        check_length(steps * channels, name)
