"""The handler of traces: rows of one batch apart, what is noted of them, and what stays out of the worker."""

from __future__ import annotations

import base64
import io
import json
import sys
import zipfile
from dataclasses import replace
from textwrap import dedent
from zipfile import ZipFile

import numpy as np
import pytest
import soundfile
import torch
from torch import nn

from foveal.archives.pack import pack
from foveal.samples.arrays import decode_crop
from foveal.samples.kinds import get_kind
from foveal.spool.reader import read_segment
from foveal.spool.segments import model_folder
from foveal_handlers.handler import SampleHandler

NETWORK = """
    from torch import nn


    class Trace(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(1, 4, 4, stride=4)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            return self.fc(self.conv(x).relu().mean(2))
"""


def npy(values):
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def trace(seed=0, steps=120):
    return np.random.default_rng(seed).normal(size=(steps, 1)).astype(np.float32)


@pytest.fixture
def start(tmp_path, monkeypatch, new_context, request_batch):
    """Start a handler of traces that observes into a spool, and give what asks it."""
    started = []

    def start(kind="signal", **changes):
        monkeypatch.setenv("FOVEAL_SPOOL_DIR", str(tmp_path / "spool"))
        (tmp_path / "net.py").write_text(dedent(NETWORK))
        torch.manual_seed(0)
        parts = {"conv": nn.Conv1d(1, 4, 4), "fc": nn.Linear(4, 3)}
        state = {
            f"{name}.{key}": one for name, part in parts.items() for key, one in part.state_dict().items()
        }
        torch.save(state, tmp_path / "net.pt")
        config = {"foveal": {"rule": "nonzero", "features": ["class:*"], **changes.pop("foveal", {})}}
        told = {"size": (120,), "channels": 1, "labels": ("a", "b", "c"), "config": config, **changes}
        out = pack(kind, tmp_path / "net.py", tmp_path / "net.pt", tmp_path / "small.mar", **told)
        with ZipFile(out) as archive:
            archive.extractall(tmp_path / "model")
        context, handler = new_context(tmp_path / "model"), SampleHandler()
        handler.initialize(context)
        started.append(handler)

        def ask(*rows, **how):
            return handler.handle(request_batch(context, rows, **how), context), context

        ask.handler = handler
        return ask

    yield start
    for handler in started:
        handler.auditor.close()


def fails_at_text(data, name):
    if data.startswith(b"PLANTED"):
        raise ZeroDivisionError(data.decode())
    return get_kind("signal").decode(data, name)


@pytest.fixture
def noted(tmp_path):
    def read():
        folder = model_folder(tmp_path / "spool", "small")
        segments = sorted([*folder.glob("*.open"), *folder.glob("*.seg")])
        return [observation for segment in segments for observation in read_segment(segment)]

    return read


def test_good_and_bad_rows_of_one_batch(start, noted):
    ask = start()
    answers, context = ask(npy(trace()), b"\0nothing", npy(trace(1)), npy(trace(2).repeat(2, axis=1)))
    assert set(answers[0]) == set(answers[2]) == {"a", "b", "c"}
    assert answers[1]["message"].startswith(
        "Sample 'id-1' cannot be read as a signal: unknown or damaged format. Give a whole file of one of "
        "these formats: npy, WFDB (not while serving), EDF, DICOM waveform, CSV."
    )
    assert answers[3]["message"].startswith("Sample 'id-3' has 2 channels, the model takes 1.")
    assert [context.get_response_status(row)[0] for row in range(4)] == [200, 400, 200, 400]
    observed = {one.sample.sample: one for one in noted()}
    assert set(observed) == {"id-0", "id-2"}
    assert observed["id-0"].sample.shape == (120, 1)
    np.testing.assert_array_equal(decode_crop(observed["id-0"].negative.encoded, ""), trace())


def test_base64_in_json(start):
    ask = start()
    (plain, packed), _ = ask(npy(trace()), {"data": base64.b64encode(npy(trace())).decode()})
    assert plain == packed
    answers, _ = ask(npy(trace()), {"data": "?"})
    assert answers[1]["message"] == (
        "The request's text is not base64. Send a signal's bytes, or its base64 text."
    )
    answers, _ = ask(npy(trace()), {})
    assert answers[1]["message"] == (
        "The request holds no signal. Send a signal's bytes, or its base64 text under 'data'."
    )


def test_explanations_are_in_the_traces_own_steps(start):
    ask = start("audio", rate=8000)
    out = io.BytesIO()
    values = (np.random.default_rng(0).normal(size=240) * 9000).astype(np.int16)
    soundfile.write(out, values, 16000, format="WAV")
    ((told,), _) = ask(out.getvalue(), headers=[{"explain": "True"}])
    assert told["map"]["shape"] == [30]
    assert all(0 <= box["window"][0] < box["window"][1] <= 240 for box in told["boxes"])
    ((told,), _) = ask(out.getvalue(), headers=[{"explain": "True", "X-Foveal-Map": "npy"}])
    assert np.load(io.BytesIO(base64.b64decode(told["map"]["data"]))).shape == (30,)
    json.dumps(told)


def test_the_size_of_steps_is_noted_where_anybody_knows_it(start, noted):
    ask = start("audio", rate=8000)
    out = io.BytesIO()
    soundfile.write(out, np.zeros(240, np.int16), 16000, format="WAV")
    ask(out.getvalue(), npy(trace()))
    assert [one.sample.spacing for one in noted()] == [(1 / 16000,), (1 / 8000,)]


def test_what_the_file_says_is_kept_by_name_only(start, noted):
    """A header in the sample's file is noted neither as bytes nor as metadata."""
    ask = start("audio", foveal={"keep": {"metadata": ["site"]}})
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", 8000, 1, format="WAV") as file:
        file.artist, file.title = "PLANTED NAME", "PLANTED TITLE"
        file.write(np.zeros(120, np.int16))
    assert b"PLANTED" in out.getvalue()
    ask(out.getvalue(), headers=[{"X-Foveal-Site": "north"}])
    (one,) = noted()
    assert one.sample.metadata == {"site": "north"}
    assert b"PLANTED" not in one.negative.encoded


def test_a_record_that_would_bring_pandas_is_refused(start):
    ask = start()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("r.hea", "r 1 250 4\nr.dat 16 200 0 0 0 0 0 a\n")
    answers, _ = ask(npy(trace()), out.getvalue())
    assert answers[1]["message"] == ("WFDB files are not read while serving. Send the values as npy or CSV.")


def test_a_decoder_that_is_not_installed(start, monkeypatch):
    ask = start("audio")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    answers, context = ask(npy(trace()), b"RIFF....WAVE")
    assert answers[1]["code"] == context.get_response_status(1)[0] == 503
    assert answers[1]["message"] == (
        "Sample 'id-1' cannot be read: soundfile is not installed. Install it: pip install foveal[signals]."
    )


def test_a_row_that_fails_unforeseen_has_its_own_error(start, monkeypatch, caplog):
    """Neither the answer nor the log holds the exception's words: they may quote the sample."""
    ask = start()
    kind = replace(get_kind("signal"), decode=fails_at_text)
    monkeypatch.setattr(ask.handler, "kind", kind)
    answers, context = ask(npy(trace()), b"PLANTED", npy(trace(1)))
    assert set(answers[0]) == set(answers[2]) == {"a", "b", "c"}
    assert [context.get_response_status(row)[0] for row in range(3)] == [200, 500, 200]
    assert answers[1]["message"] == (
        "Sample 'id-1' cannot be read: ZeroDivisionError. Look into the worker's log."
    )
    assert "Foveal failed to read sample 'id-1' (ZeroDivisionError)" in caplog.text
    assert "fails_at_text" in caplog.text
    assert "PLANTED" not in caplog.text + repr(answers)


def test_a_row_of_an_absurd_rate_costs_no_other_its_answer(start):
    ask = start(rate=100)
    absurd = "time,a\n" + "\n".join(f"{at * 1e-6:.9f},{at}" for at in range(50))
    answers, context = ask(npy(trace()), absurd.encode(), b"a\n1\nPLANTED\n")
    assert set(answers[0]) == {"a", "b", "c"}
    assert [context.get_response_status(row)[0] for row in range(3)] == [200, 400, 400]
    assert answers[1]["message"] == (
        "Sample 'id-1' has 1e+06 steps a second, the model takes 100. "
        "Correct the rate that the sample states, or send it at the model's."
    )
    assert answers[2]["message"] == (
        "Sample 'id-2' cannot be read as CSV table: row 3, column 1 holds no number. "
        "Give a whole file of that format."
    )
