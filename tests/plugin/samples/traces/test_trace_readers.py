"""Files of traces and sounds: what others' programs write comes back, real recordings, and bytes that lie."""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pydicom.examples
import pyedflib
import pytest
import soundfile
import wfdb
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal.samples.kinds import get_kind
from foveal.samples.traces import sounds, wfdb_records

SIGNAL, AUDIO = get_kind("signal"), get_kind("audio")
MEND = ". Give a whole file of that format."
TRACE = np.stack([np.sin(np.arange(500) / 9), np.cos(np.arange(500) / 15)], 1)


def npy(values):
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def sound(values, rate=8000, **how):
    out = io.BytesIO()
    soundfile.write(out, values, rate, **how)
    return out.getvalue()


def record(folder, values=TRACE, name="r1", **how):
    """Write a WFDB record and give its header's path."""
    told = {"fs": 250, "units": ["mV", "mV"], "sig_name": ["MLII", "V5"], "fmt": ["16", "16"], **how}
    wfdb.wrsamp(name, p_signal=values, write_dir=str(folder), **told)
    return folder / f"{name}.hea"


def edf(path, rates=(100, 100), seconds=5, patient="DOE^JANE"):
    writer = pyedflib.EdfWriter(str(path), len(rates), file_type=pyedflib.FILETYPE_EDFPLUS)
    writer.setPatientName(patient)
    headers = [
        pyedflib.highlevel.make_signal_header(
            f"lead {number}", sample_frequency=rate, physical_min=-2, physical_max=2
        )
        for number, rate in enumerate(rates)
    ]
    writer.setSignalHeaders(headers)
    writer.writeSamples([np.sin(np.arange(rate * seconds) / rate) for rate in rates])
    writer.close()
    return path.read_bytes()


@pytest.fixture
def data():
    folder = os.environ.get("FOVEAL_DATA")
    if not folder:
        pytest.skip("Set FOVEAL_DATA to the folder with the real samples")
    return Path(folder)


@pytest.mark.parametrize(
    ("values", "how", "kind"),
    [
        (np.array([[0, 100], [-32768, 32767]], np.int16), {"format": "WAV"}, np.int16),
        (np.array([[0, 100], [-32768, 32767]], np.int16), {"format": "FLAC"}, np.int16),
        (np.array([[0.5], [-0.25]], np.float32), {"format": "WAV", "subtype": "FLOAT"}, np.float32),
        (np.array([[0.5], [-0.25]]), {"format": "WAV", "subtype": "PCM_24"}, np.float32),
        (np.array([[0.5], [-0.25]]), {"format": "WAV", "subtype": "PCM_U8"}, np.int16),
    ],
)
def test_sounds(values, how, kind):
    decoded = AUDIO.decode(sound(values, **how), "s")
    assert (decoded.values.dtype, decoded.spacing) == (kind, (1 / 8000,))
    wanted = values * 32768 if kind == np.int16 and values.dtype.kind == "f" else values
    np.testing.assert_allclose(decoded.values, wanted, atol=1e-6)


@pytest.mark.parametrize("separator", [",", ";", "\t", "  "])
def test_tables(separator):
    rows = "\n".join(f"{at / 50:.6f}{separator}{a:.6f}{separator}{b:.6f}" for at, (a, b) in enumerate(TRACE))
    head = separator.join(("Time", "MLII", "V5"))
    decoded = SIGNAL.decode(f"{head}\n{rows}\n".encode(), "s")
    assert decoded.channels == ("MLII", "V5")
    assert decoded.spacing == (pytest.approx(1 / 50),)
    np.testing.assert_allclose(decoded.values, TRACE, atol=1e-6)


def test_tables_of_other_forms():
    assert SIGNAL.decode(b"1\n2.5\n-3e1\n", "s").values.tolist() == [[1], [2.5], [-30]]
    assert SIGNAL.decode(b"1;2,5\n3;4\n", "s").values.tolist() == [[1, 2.5], [3, 4]]
    milliseconds = SIGNAL.decode("\ufeffms,a\r\n0,7\r\n4,8\r\n8,9\r\n".encode(), "s")
    assert (milliseconds.spacing, milliseconds.channels) == ((pytest.approx(0.004),), ("a",))
    assert SIGNAL.decode(b"a,b\n1,2\n3,4", "s").spacing == ()


def test_records(tmp_path):
    header = record(tmp_path)
    packed = SIGNAL.read(header)
    assert packed == SIGNAL.read(header)
    decoded = SIGNAL.decode(packed, "s")
    assert (decoded.spacing, decoded.channels) == ((1 / 250,), ("MLII", "V5"))
    np.testing.assert_allclose(decoded.values, TRACE, atol=1e-4)
    assert SIGNAL.offline(packed) == "WFDB"
    assert SIGNAL.offline(npy(TRACE)) == ""


def test_a_real_record(data):
    header = data / "ecg" / "100.hea"
    decoded = SIGNAL.decode(SIGNAL.read(header), "100")
    assert (decoded.values.shape, decoded.spacing) == ((650000, 2), (1 / 360,))
    assert decoded.channels == ("MLII", "V5")
    # The header states the first values of both channels, 995 and 1011, around 1024 at 200 a millivolt.
    np.testing.assert_allclose(decoded.values[0], [(995 - 1024) / 200, (1011 - 1024) / 200], atol=1e-6)
    beats = wfdb.rdann(str(header.with_suffix("")), "atr").sample
    peaks = [decoded.values[at - 10 : at + 10, 0].max() for at in beats[5:200]]
    assert np.median(peaks) > decoded.values[:, 0].mean() + 10 * np.abs(np.diff(decoded.values[:, 0])).mean()


def test_real_sounds(data):
    for path in sorted((data / "spoken-digits").glob("*_theo_*.wav"))[:8]:
        decoded = AUDIO.decode(AUDIO.read(path), path.name)
        assert (decoded.values.dtype, decoded.spacing) == (np.int16, (1 / 8000,))
        assert 1000 < len(decoded.values) < 20000


def test_a_real_dicom_waveform():
    decoded = SIGNAL.decode(SIGNAL.read(Path(pydicom.examples.get_path("waveform"))), "w")
    assert (decoded.values.shape, decoded.spacing) == ((10000, 12), (1 / 1000,))
    assert decoded.channels[:4] == ("Lead I (Einthoven)", "Lead II", "Lead III", "Lead aVR")
    assert (decoded.tags["Modality"], decoded.tags["WaveformGroup"]) == ("ECG", "1 of 2")
    # Einthoven's law holds between the first three leads, and no wrong order or scale would keep it.
    one, two, three = decoded.values[:, :3].T
    assert np.abs(one + three - two).max() <= 2.5


def waveform(change):
    """Write pydicom's 12-lead example anew, its groups changed."""
    dataset = pydicom.dcmread(pydicom.examples.get_path("waveform"))
    change(dataset.WaveformSequence)
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def turned_round(groups):
    groups.append(groups.pop(0))


def none(groups):
    del groups[:]


def without_length(groups):
    del groups[1].NumberOfWaveformSamples


def without_rate(groups):
    groups[1].SamplingFrequency = None


@pytest.mark.parametrize(
    ("change", "read"),
    [
        (turned_round, "2 of 2"),
        (without_length, "1 of 2"),
        (without_rate, "1 of 2"),
        (none, None),
    ],
)
def test_of_several_groups_the_longest_is_read(change, read):
    whole = SIGNAL.decode(SIGNAL.read(Path(pydicom.examples.get_path("waveform"))), "w")
    if read is None:
        with pytest.raises(UsageError) as caught:
            SIGNAL.decode(waveform(change), "w")
        assert str(caught.value) == "Sample 'w' holds no waveform. Send a file with a WaveformSequence."
        return
    decoded = SIGNAL.decode(waveform(change), "w")
    assert decoded.tags["WaveformGroup"] == read
    np.testing.assert_array_equal(decoded.values, whole.values)
    assert (decoded.spacing, decoded.channels) == (whole.spacing, whole.channels)


def test_a_group_is_long_in_time_not_in_steps():
    """Twelve hundred steps at 100 a second last longer than ten thousand at 1,000."""

    def slow(groups):
        groups[1].SamplingFrequency = 100

    decoded = SIGNAL.decode(waveform(slow), "w")
    assert (decoded.values.shape, decoded.spacing) == ((1200, 12), (1 / 100,))
    assert decoded.tags["WaveformGroup"] == "2 of 2"


def test_edf(tmp_path):
    data = edf(tmp_path / "a.edf", rates=(100, 25))
    decoded = SIGNAL.decode(data, "s")
    assert (decoded.values.shape, decoded.spacing) == ((500, 2), (1 / 100,))
    assert decoded.channels == ("lead 0", "lead 1")
    wanted = np.sin(np.arange(500) / 100)
    np.testing.assert_allclose(decoded.values[:, 0], wanted, atol=1e-3)
    np.testing.assert_allclose(
        decoded.values[20:-20, 1], np.sin((np.arange(500) - 1.5) / 100)[20:-20], atol=1e-3
    )
    assert b"DOE" in data
    assert "DOE" not in repr((decoded.tags, decoded.channels))


def refused(kind, data):
    with pytest.raises(UsageError) as caught:
        kind.decode(data, "s")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def packed(files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, content in files.items():
            target.writestr(name, content)
    return out.getvalue()


HEADER = b"r 1 250 4\nr.dat 16 200 0 0 0 0 0 a\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.dat": b"x"},
            "Sample 's' is a zip with 0 WFDB headers. Send a zip of one .hea and its .dat.",
        ),
        ({"r.hea": HEADER}, "Sample 's' lacks the file 'r.dat'. Put it into the zip."),
        (
            {"../r.hea": HEADER},
            "Sample 's' holds a file with the name '../r.hea'. Put the record's files at the top of the zip.",
        ),
        (
            {"r.hea": HEADER.replace(b"r.dat", b"../../secret")},
            "Sample 's' names a signal file '../../secret'. Keep signals beside their header.",
        ),
        (
            {"r.hea": HEADER.replace(b"r.dat", b"s3://bucket/x")},
            "Sample 's' names a signal file 's3://bucket/x'. Keep signals beside their header.",
        ),
        (
            {"r.hea": b"r/2 1 250 8\na 4\nb 4\n"},
            "Sample 's' is a record of several segments. Join them before sending it.",
        ),
        (
            {"r.hea": HEADER.replace(b" 4\n", b" 999999999\n"), "r.dat": bytes(8)},
            "Sample 's' has more than 64 Mi values. Cut it before sending it.",
        ),
    ],
)
def test_records_that_lie(files, message):
    assert refused(SIGNAL, packed(files)) == message


def test_a_zip_that_unfolds_to_too_much(monkeypatch):
    monkeypatch.setattr(wfdb_records, "_MOST_BYTES", 1000)
    assert refused(SIGNAL, packed({"r.hea": HEADER, "r.dat": bytes(1000)})) == (
        "Sample 's' unfolds to too much. Cut the record before sending it."
    )


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        (
            SIGNAL,
            b"time,a\n0,1\n1,2\n5,3\n",
            "Sample 's' has times that are not evenly spaced. Resample it first.",
        ),
        (SIGNAL, b"a,b\n", "Sample 's' holds no values. Give a recording of at least one step."),
        (SIGNAL, b"time\n1\n2\n", "Sample 's' holds no values. Give a recording of at least one step."),
        (
            SIGNAL,
            b"1,2\n3\n",
            "Sample 's' cannot be read as CSV table: the number of columns changed from 2 to 1 at row 2"
            + MEND,
        ),
        (
            SIGNAL,
            b"1,2\n3,nan\n",
            "Sample 's' holds numbers that are not finite. Fill the missing values before sending it.",
        ),
        (
            SIGNAL,
            b"0       " + b" " * 248,
            "Sample 's' cannot be read as EDF: its header is damaged" + MEND,
        ),
    ],
)
def test_damaged_files(kind, data, message):
    assert refused(kind, data) == message


def test_a_recording_cut_short(tmp_path):
    data = edf(tmp_path / "a.edf")
    assert refused(SIGNAL, data[:-10]) == (
        "Sample 's' cannot be read as EDF: it is shorter than its header says" + MEND
    )


def test_sounds_longer_than_any(monkeypatch):
    monkeypatch.setattr(sounds, "MAX_TRACE", 99)
    assert refused(AUDIO, sound(np.zeros(100, np.int16), format="FLAC")) == (
        "Sample 's' has more than 0 Mi values. Cut it before sending it."
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One whole file of every format."""
    folder = tmp_path_factory.mktemp("whole")
    return [
        (AUDIO, sound(np.arange(200, dtype=np.int16), format="WAV")),
        (AUDIO, sound(np.arange(200, dtype=np.int16), format="FLAC")),
        (SIGNAL, edf(folder / "a.edf", seconds=1)),
        (SIGNAL, SIGNAL.read(record(folder))),
        (SIGNAL, npy(TRACE)),
        (SIGNAL, b"time,a\n0,1\n1,2\n2,3\n"),
    ]


@given(st.integers(0, 5), st.integers(0, 10**6), st.binary(min_size=1, max_size=8), st.booleans())
@example(0, 40, b"\xff\xff\xff\x7f", False)
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_is_refused_in_one_line_or_harmless(whole, which, at, junk, cut):
    kind, data = whole[which]
    at %= len(data)
    broken = data[:at] if cut else data[:at] + junk + data[at + len(junk) :]
    with suppress(UsageError):
        decoded = kind.decode(broken, "s")
        assert decoded.values.ndim == 2
        assert np.isfinite(decoded.values).all()
        return
    assert "'s'" in refused(kind, broken)
