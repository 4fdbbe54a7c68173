"""Spoken digits from recordings to findings: a speaker that only production has is a gap, and is named."""

from __future__ import annotations

import csv
import os
import runpy
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from ready_stores import ready_store

from foveal import Library
from foveal.archives import load_model
from foveal.archives.pack import pack
from foveal.collecting import collect
from foveal.library.connection import quiet
from foveal.samples.listing import list_samples
from foveal.servers import TorchServe
from foveal.shipper import ship
from foveal_audit.auditing import audit
from foveal_audit.reproducible import one_thread
from foveal_audit.settings import AuditSettings
from foveal_audit.studies.training import train_classifier

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

#: Takes that training holds of the speakers it knows; production has the others.
TRAINED = 6
SECTION = {"size": [4800], "channels": 1, "rate": 8000}


class Network(NamedTuple):
    """A network to train: its file and class, what it hears, and how it is shown the recordings."""

    file: str
    name: str
    heard: dict[str, Any]
    training: dict[str, Any]


def shifted(batch):
    """Start waveforms earlier or later, each louder or softer: that does not change what is said."""
    moved = torch.roll(batch, int(torch.randint(-400, 400, (1,))), -1)
    return moved * torch.empty(len(batch), 1, 1).uniform_(0.5, 1.5)


NETWORKS = {
    "spectrogram": Network(
        "sound_net.py",
        "SoundNet",
        {"spectrogram": {"window": 256, "hop": 100, "mels": 40}, "mean": [-45.0], "std": [20.0]},
        {"epochs": 20, "rate": 2e-3},
    ),
    "waveform": Network(
        "wave_net.py", "WaveNet", {"standardise": True}, {"epochs": 30, "rate": 3e-3, "augment": shifted}
    ),
}
KEPT = {"keep": {"metadata": ["speaker"]}}
SETTINGS = AuditSettings(pairs=32, nodes=1, generators=0)


def write_manifest(path, data, rows):
    with path.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("path", "label", "speaker"))
        for row in rows:
            name = os.path.relpath(data / "spoken-digits" / row["path"], path.parent)
            table.writerow((name, row["label"], row["speaker"]))
    return path


def split(data, folder, unheard):
    """Write what training and production hold: of one speaker only production has recordings."""
    rows = list(csv.DictReader((data / "spoken-digits" / "manifest.csv").open()))
    known = [row for row in rows if row["speaker"] != unheard]
    new = [row for row in rows if row["speaker"] == unheard and int(row["take"]) < 4]
    trained = [row for row in known if int(row["take"]) < TRAINED]
    asked = [row for row in known if int(row["take"]) >= TRAINED]
    return (
        write_manifest(folder / "training.csv", data, trained),
        write_manifest(folder / "production.csv", data, [*asked, *new]),
    )


def pack_trained(folder, models, training, seed, network):
    """Train on the recordings as the archive's own preprocessing gives them; give the archive."""
    file, weights = models / network.file, folder / "weights.pt"
    make = runpy.run_path(str(file))[network.name]
    told = {"labels": list("0123456789"), "config": {"preprocess": network.heard, "foveal": KEPT}}
    torch.save(make().state_dict(), weights)
    blank = load_model(str(pack("audio", file, weights, folder / "blank.mar", **SECTION, **told)))
    files = list_samples(training, blank.kind)
    decoded = [blank.kind.decode(blank.kind.read(one.path), one.name) for one in files]
    x = np.stack([blank.transform(one.values, "", one.spacing).numpy() for one in decoded])
    y = np.array([int(one.label) for one in files], np.int64)
    torch.save(train_classifier(make, x, y, seed=seed, **network.training).state_dict(), weights)
    return pack("audio", file, weights, folder / "digits.mar", **SECTION, **told)


def read(_folder, model, production, library):
    """Collect what production asked for from its files; give the speaker of each sample."""
    assert not collect(model, production, "production", library).unreadable
    return {one.name: one.metadata["speaker"] for one in list_samples(production, model.kind)}


def serve(folder, model, production, library):
    """Ask a real server, which is told the speaker in a header, and ship; give each request's speaker."""
    spoken, spool = {}, folder / "spool"
    with TorchServe(folder, ["digits.mar"], spool=spool) as server:
        for one in list_samples(production, model.kind):
            speaker = one.metadata["speaker"]
            header = {"X-Foveal-Speaker": speaker}
            answer = server.request("/predictions/digits", one.path.read_bytes(), header)
            assert answer.status == 200
            spoken[answer.headers["x-request-id"]] = speaker
    assert ship(spool, library).samples == len(spoken)
    return spoken


def audited(folder, data, models, unheard, seed, ask=read, network="spectrogram"):
    """Take the recordings through every room; give what was found, and who speaks in each sample."""
    quiet()
    training, production = split(data, folder, unheard)
    with one_thread():
        model = load_model(str(pack_trained(folder, models, training, seed, NETWORKS[network])))
        library = Library("digits", ready_store(folder / "mlflow.db"))
        assert not collect(model, training, "training", library).unreadable
        spoken = ask(folder, model, production, library)
        return audit(model, library, SETTINGS).result.findings, spoken


@pytest.mark.parametrize(
    ("unheard", "seed", "ask", "network"),
    [
        ("theo", 0, read, "spectrogram"),
        pytest.param("theo", 0, read, "waveform", marks=pytest.mark.full),
        pytest.param("theo", 0, serve, "spectrogram", marks=pytest.mark.full),
        *(
            pytest.param("theo", seed, read, network, marks=pytest.mark.full)
            for seed in (1, 2)
            for network in ("spectrogram", "waveform")
        ),
        *(
            pytest.param(name, 0, read, "spectrogram", marks=pytest.mark.full)
            for name in ("george", "jackson", "lucas", "nicolas", "yweweler")
        ),
    ],
)
def test_a_speaker_that_training_never_heard_is_a_gap(tmp_path, data, models, unheard, seed, ask, network):
    findings, spoken = audited(tmp_path, data, models, unheard, seed, ask, network)
    (gap,) = findings.gaps
    assert gap.gap in ("uncovered_group", "under_represented")  # some that training has may sound alike
    assert gap.explained_by == {"speaker": unheard}
    hits = sum(spoken[name] == unheard for name in gap.samples)
    assert hits >= 26  # two thirds of what the speaker says
    assert len(gap.samples) - hits <= 2
    assert findings.artefacts == []


@pytest.mark.full
def test_other_takes_of_known_speakers_are_no_gap(tmp_path, data, models):
    findings, _ = audited(tmp_path, data, models, "nobody", 0)
    assert findings.gaps == []
    assert findings.artefacts == []
