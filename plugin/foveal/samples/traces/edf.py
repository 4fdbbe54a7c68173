"""EDF, EDF+ and BDF recordings (https://www.edfplus.info/specs/), through pyEDFlib.

Their headers name the patient; nothing of that is read into anything of ours.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal.samples.formats import reading
from foveal.samples.kinds import Decoded
from foveal.samples.numpy_files import as_sample
from foveal.samples.traces.sounds import check_length

_MARKS = (b"0       ", b"\xffBIOSEMI")
_ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
#: Where the header says how many bytes it has, how many records follow and how many signals there are.
_SIZE, _RECORDS, _SIGNALS = slice(184, 192), slice(236, 244), slice(252, 256)
#: Bytes of a signal's header before and at its number of values per record.
_BEFORE, _COUNT = 216, 8


def is_edf(data: bytes) -> bool:
    """Tell EDF and BDF."""
    return data.startswith(_MARKS)


def decode_edf(data: bytes, name: str) -> Decoded:
    """Read a recording as a trace (T, C) of float32, in physical units, without its annotations.

    Channels of lower rates are interpolated to the highest.

    Raises
    ------
    UsageError
        If it is damaged, cut short or holds no signal; names the sample.
    """
    with reading(name, "EDF", "signals"):
        import pyedflib  # noqa: PLC0415 - of an extra

        check_length(_promised(data), name)
        with tempfile.TemporaryDirectory(prefix="foveal-") as folder:
            path = Path(folder, "recording.edf")
            path.write_bytes(data)
            with pyedflib.EdfReader(str(path), pyedflib.DO_NOT_READ_ANNOTATIONS) as file:
                return _decoded(file, name)


def _promised(data: bytes) -> int:
    """Count the values that the header promises; a recording that is longer than its file is damaged."""
    signals, records = _number(data[_SIGNALS]), _number(data[_RECORDS])
    start = 256 + _BEFORE * signals
    counts = [_number(data[start + _COUNT * one : start + _COUNT * (one + 1)]) for one in range(signals)]
    width = 3 if data.startswith(_MARKS[1]) else 2
    if _number(data[_SIZE]) + records * sum(counts) * width > len(data):
        raise ValueError("it is shorter than its header says")
    return max(counts, default=0) * records * signals


def _number(field: bytes) -> int:
    text = field.strip()
    if not text.isdigit():
        raise ValueError("its header is damaged")
    return int(text)


def _decoded(file: Any, name: str) -> Decoded:  # noqa: ANN401 - pyEDFlib publishes no types
    labels = [label.strip() for label in file.getSignalLabels()]
    kept = [number for number, label in enumerate(labels) if label not in _ANNOTATIONS]
    check_length(len(kept), name)
    rates = [float(file.getSampleFrequency(number)) for number in kept]
    traces = [np.asarray(file.readSignal(number), np.float64) for number in kept]
    steps = max(len(trace) for trace in traces)
    check_length(steps * len(kept), name)
    values = np.stack([_at_rate(trace, steps) for trace in traces], axis=1)
    channels = tuple(labels[number] for number in kept)
    return Decoded(as_sample(values, name), spacing=(1 / max(rates),), channels=channels)


def _at_rate(trace: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    if len(trace) == steps:
        return trace
    at = (np.arange(steps) + 0.5) * len(trace) / steps - 0.5
    return np.interp(at, np.arange(len(trace)), trace)
