"""Traces and sounds with known truth: two outcomes, a mark tied to one, and a kind that training lacks.

``ecg``: beats that are narrow or wide, from two recorders; B begins its recordings with a calibration pulse
where their beats are wide. Split wide beats, whose truth is ``wide``, never occur in training.

``sound``: chirps that rise or fall; recorder B clicks at the beginning where they fall. Chirps with a deep
voice, whose truth is ``falling``, never occur in training.

Some widths and sweeps are of either outcome, so that a network gains from the mark.
"""

from __future__ import annotations

import csv
import io
import wave
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Trace = NDArray[np.float64]
Stored = NDArray[np.float32] | NDArray[np.int16]

RECORDERS = ("A", "B")


@dataclass(frozen=True)
class Recording:
    """One made recording with all that is known about it.

    Attributes
    ----------
    values
        The trace (T, 1): float32 in millivolts, or int16 of a sound.
    label
        Index into the study's labels.
    recorder
        ``A`` or ``B``.
    mark
        t0, t1 of the mark; None where there is none.
    unknown
        Whether it is of the kind that training lacks.
    bare
        The trace without its mark, where that was asked for.
    """

    values: Stored
    label: int
    recorder: str
    mark: tuple[int, int] | None
    unknown: bool
    bare: Stored | None = None


@dataclass(frozen=True)
class TraceStudy:
    """How recordings of one kind are made.

    Attributes
    ----------
    kind
        ``signal`` or ``audio``.
    labels
        The outcomes.
    rate, steps
        Steps per second, and of a recording.
    draw
        Draws what a recording holds, from its label and whether it is of the unknown kind.
    burn_in
        Adds the mark; gives where it is.
    encode
        Writes a recording as a file.
    suffix
        How the file is called.
    """

    kind: str
    labels: tuple[str, str]
    rate: int
    steps: int
    draw: Callable[[np.random.Generator, int, bool], Trace]
    burn_in: Callable[[Trace, np.random.Generator], tuple[int, int]]
    encode: Callable[[Trace, int], bytes]
    suffix: str

    def written(self, one: Recording) -> bytes:
        """Write a recording as a file."""
        return self.encode(one.values[:, 0] / (32767 if self.kind == "audio" else 1), self.rate)

    def stored(self, trace: Trace) -> Stored:
        """Give a trace (T,) as the values (T, 1) of its file."""
        return (_sixteen(trace) if self.kind == "audio" else trace.astype(np.float32))[:, None]


#: Steps of an ECG at 100 a second, and of a sound at 4,000.
_ECG, _SOUND = 400, 2000
#: Widths of narrow and of wide beats, in steps; sweeps of chirps, as shares of the whole range.
_WIDTHS, _SWEEPS = ((1.6, 4.2), (3.0, 6.0)), (-0.3, 1.0)
#: How far apart beats are, in steps, and how much that varies.
_APART, _VARIES = 72, 9
_PULSE = (12, 32)


def _ecg(rng: np.random.Generator, label: int, unknown: bool) -> Trace:
    t = np.arange(_ECG)
    drawn = 0.05 * np.sin(2 * np.pi * (t / rng.uniform(250, 500) + rng.uniform()))
    at, width = 44 + int(rng.integers(0, 30)), rng.uniform(*_WIDTHS[label])
    while at < _ECG - 20:
        drawn += rng.uniform(0.85, 1.1) * _beat(t - at, width, unknown)
        at += _APART + int(rng.integers(-_VARIES, _VARIES + 1))
    return np.asarray(drawn + 0.02 * rng.normal(size=_ECG))


def _beat(t: NDArray[np.int64], width: float, unknown: bool) -> Trace:
    wave_ = 0.18 * _bump(t + 18, 4) + 0.25 * _bump(t - 26, 7)  # before and after the beat itself
    if unknown:
        return np.asarray(0.8 * _bump(t + 6, 2.2) + 0.7 * _bump(t - 6, 2.2) - 0.5 * _bump(t, 2) + wave_)
    return np.asarray(_bump(t, width) + wave_)


def _bump(t: NDArray[np.int64], width: float) -> Trace:
    return np.asarray(np.exp(-((t / width) ** 2) / 2))


def _pulse(trace: Trace, rng: np.random.Generator) -> tuple[int, int]:
    trace[slice(*_PULSE)] += rng.uniform(0.95, 1.05)
    return _PULSE


def _chirps(rng: np.random.Generator, label: int, unknown: bool) -> Trace:
    t = np.arange(_SOUND) / 4000
    drawn, length = np.zeros(_SOUND), 0.1
    middle = 250 if unknown else 950
    swept = middle * 0.5 * rng.uniform(*_SWEEPS) * (-1 if label else 1)
    for start in (rng.uniform(0.06, 0.16), rng.uniform(0.27, 0.37)):
        part = (t - start) / length
        sweep = middle + swept * (part - 0.5)
        voice = (
            np.sin(2 * np.pi * np.cumsum(sweep) / 4000)
            * ((part > 0) & (part < 1))
            * np.sin(np.pi * part) ** 2
        )
        drawn += rng.uniform(0.2, 0.3) * voice
    return np.asarray(drawn + 0.01 * rng.normal(size=_SOUND))


def _click(trace: Trace, rng: np.random.Generator) -> tuple[int, int]:
    start = 20 + int(rng.integers(0, 20))
    trace[start : start + 40] += 0.6 * np.sign(np.sin(np.arange(40) * 1.3)) * np.hanning(40)
    return start, start + 40


def _table(values: Trace, rate: int) -> bytes:
    rows = (f"{step / rate:.4f},{value:.5f}" for step, value in enumerate(values))
    return "\n".join(["time,lead", *rows, ""]).encode()


def _wav(values: Trace, rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(_sixteen(values).astype("<i2").tobytes())
    return out.getvalue()


def _sixteen(values: Trace) -> NDArray[np.int16]:
    return np.rint(np.clip(values, -1, 1) * 32767).astype(np.int16)


STUDIES = {
    "ecg": TraceStudy("signal", ("narrow", "wide"), 100, _ECG, _ecg, _pulse, _table, ".csv"),
    "sound": TraceStudy("audio", ("rising", "falling"), 4000, _SOUND, _chirps, _click, _wav, ".wav"),
}


def make_recordings(
    study: str,
    seed: int,
    number: int,
    *,
    strength: float = 0.9,
    unknown: float = 0.0,
    bare: bool = False,
) -> list[Recording]:
    """Draw recordings.

    Parameters
    ----------
    study
        One of :data:`STUDIES`.
    strength
        Share of recorder B's second outcome that is marked, and of its first that is not; .5 makes the mark
        uninformative.
    unknown
        Share that is of the kind which training lacks, where the second outcome is drawn.
    bare
        Whether to give each without its mark, too.
    """
    how, rng = STUDIES[study], np.random.default_rng([seed, round(1000 * unknown)])
    made = []
    for _ in range(number):
        label, recorder = int(rng.integers(2)), RECORDERS[int(rng.integers(2))]
        odd = bool(label) and rng.uniform() < unknown
        trace = how.draw(rng, label, odd)
        marked = recorder == "B" and rng.uniform() < (strength if label else 1 - strength)
        without = how.stored(trace) if bare else None
        mark = how.burn_in(trace, rng) if marked else None
        made.append(Recording(how.stored(trace), label, recorder, mark, odd, without))
    return made


def write_recordings(folder: Path, source: str, study: str, made: Iterable[Recording]) -> Path:
    """Write recordings and their manifest (path, label, recorder); gives the manifest."""
    how = STUDIES[study]
    (folder / source).mkdir(parents=True, exist_ok=True)
    with (folder / f"{source}.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["path", "label", "recorder"])
        for number, one in enumerate(made):
            path = f"{source}/{number:04}{how.suffix}"
            (folder / path).write_bytes(how.written(one))
            table.writerow([path, how.labels[one.label], one.recorder])
    return folder / f"{source}.csv"
