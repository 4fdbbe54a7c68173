"""Traces, sounds and volumes through a real TorchServe: answers, spool, library, and bytes that are none."""

from __future__ import annotations

import base64
import io
import json
from runpy import run_path

import numpy as np
import pytest
import soundfile
import torch
from ready_stores import ready_store

from foveal import Library
from foveal.archives.model import load_model
from foveal.archives.pack import pack
from foveal.library import to_entries
from foveal.samples.arrays import decode_crop
from foveal.servers import TorchServe
from foveal.shipper import ship

pytestmark = pytest.mark.slow

KINDS = {
    "ecg": ("signal", "TraceNet", {"size": [400], "channels": 1}),
    "digits": ("audio", "TraceNet", {"size": [800], "channels": 1, "rate": 8000}),
    "scans": ("volume", "VolumeNet", {"size": [16, 16, 16], "channels": 1}),
}
FILES = {"TraceNet": "trace_net.py", "VolumeNet": "volume_net.py"}
HOSTILE = (
    b"no sample",
    b"RIFF\xff\xff\xff\xffWAVEfmt ",
    b"\x93NUMPY\x01\x00",
    b"PK\x03\x04",
    b"\0" * 128 + b"DICM",
)


def npy(values):
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue()


def wav(values, rate, kind="WAV"):
    out = io.BytesIO()
    soundfile.write(out, values, rate, format=kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def store(tmp_path_factory, models):
    folder = tmp_path_factory.mktemp("kinds") / "store"
    folder.mkdir()
    told = {"labels": ("a", "b", "c"), "config": {"foveal": {"features": ["class:*"], "rule": "nonzero"}}}
    for name, (kind, network, section) in KINDS.items():
        torch.manual_seed(1)
        file, weights = models / FILES[network], folder.parent / f"{name}.pt"
        torch.save(run_path(str(file))[network]().state_dict(), weights)
        pack(kind, file, weights, folder / f"{name}.mar", **told, **section)
    return folder


def samples():
    """One request of every form, by model."""
    rng = np.random.default_rng(0)
    trace = np.sin(np.arange(400) / 9)[:, None].astype(np.float32)
    sound = (rng.normal(size=1600) * 3000).astype(np.int16)
    text = "time,MLII\n" + "\n".join(f"{at / 360:.5f},{value[0]:.5f}" for at, value in enumerate(trace))
    return {
        "ecg": [
            npy(trace),
            text.encode(),
            json.dumps({"data": base64.b64encode(npy(trace)).decode()}).encode(),
        ],
        "digits": [wav(sound, 16000), wav(sound, 8000, "FLAC"), npy(sound)],
        "scans": [npy(rng.integers(0, 255, (8, 12, 16), dtype=np.uint8))],
    }


def test_every_kind_from_request_to_library(store):
    folder = store.parent
    with TorchServe(store, spool=folder / "spool") as server:
        for name, bodies in samples().items():
            model = load_model(str(store / f"{name}.mar"))
            for body in bodies:
                is_json = body.startswith(b"{")
                told = {"Content-Type": f"application/{'json' if is_json else 'octet-stream'}"}
                answer = server.request(f"/predictions/{name}", body, told)
                assert answer.status == 200, answer.body
                if not is_json:
                    decoded = model.kind.decode(body, "s")
                    with torch.inference_mode():
                        wanted = torch.softmax(model.module(model.tensor(decoded)[None]), 1)[0]
                    told = json.loads(answer.body)
                    np.testing.assert_allclose([told[one] for one in "abc"], wanted, atol=1e-6)
            explained = json.loads(server.request(f"/explanations/{name}", bodies[0]).body)
            assert len(explained["boxes"][0]["window"]) == 2 * len(model.kind.axes)
            for body in HOSTILE:
                refused = server.request(f"/predictions/{name}", body)
                assert refused.status == 400
                assert "\\n" not in refused.body.decode()
        for name, bodies in samples().items():
            assert server.request(f"/predictions/{name}", bodies[0]).status == 200
    for name, bodies in samples().items():
        library = Library(name, ready_store(folder / "mlflow.db"))
        ship(folder / "spool" / name, library)
        assert library.counts()["production"].samples == len(bodies) + 1
        entries = to_entries(library["contribution"].query().table())
        assert entries
        for entry in entries:
            crop = decode_crop(entry.crop, entry.id)
            axes = len(entry.window) // 2
            assert crop.shape[:-1] == tuple(np.subtract(entry.window[axes:], entry.window[:axes]))
