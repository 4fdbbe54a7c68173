"""A study of traces or sounds through every room: trained, packed, served by TorchServe, shipped and audited.

    python tests/benchmarks/kinds_end_to_end.py [ecg|sound ...] [--training N] [--production N]

Tells what the audit made of the mark, of what belongs, and of the kind that training lacks, and CPU time.
About three CPU minutes a study on one core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "networks"))

import numpy as np
import torch
from ready_stores import ready_store

from foveal.archives.model import load_model
from foveal.archives.pack import pack
from foveal.collecting import collect
from foveal.library import Library
from foveal.servers import TorchServe
from foveal.shipper import ship
from foveal_audit.auditing import audit
from foveal_audit.settings import AuditSettings
from foveal_audit.studies import trace_network
from foveal_audit.studies.traces import STUDIES, make_recordings, write_recordings
from foveal_audit.studies.training import train_classifier

SETTINGS = AuditSettings(nodes=1, generators=0)


def say(line):
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def trained(study, made, folder):
    """Train the network on recordings as it will be served, pack it, and give the archive."""
    how = STUDIES[study]
    section = {"size": [how.steps], "channels": 1, "rate": how.rate, "std": [0.3]}
    weights, source = folder / "weights.pt", Path(trace_network.__file__)
    # Packed once to read the samples through the archive's own preprocessing.
    torch.save(trace_network.TraceNet().state_dict(), weights)
    watched = {"window": [how.steps // 10], "rule": {"percentile": 80}}
    told = {"labels": how.labels, "config": {"foveal": watched}}
    archive = pack(how.kind, source, weights, folder / "store" / f"{study}.mar", **told, **section)
    transform = load_model(str(archive)).transform
    x = np.stack([transform(one.values, "", (1 / how.rate,)).numpy() for one in made])
    y = np.array([one.label for one in made], np.int64)
    network = train_classifier(trace_network.TraceNet, x, y, epochs=20, seed=0, rate=3e-3)
    torch.save(network.state_dict(), weights)
    with torch.inference_mode():
        right = float((network(torch.from_numpy(x)).argmax(1).numpy() == y).mean())
    say(f"training right: {right:.3f}")
    return pack(how.kind, source, weights, archive, **told, **section)


def run(study, training, production):
    """Take one study through every room."""
    started, how = time.process_time(), STUDIES[study]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "store").mkdir()
        made = make_recordings(study, 0, training)
        manifest = write_recordings(folder, "training", study, made)
        archive = trained(study, made, folder)
        model = load_model(str(archive))
        library = Library(study, ready_store(folder / "mlflow.db"))
        say(str(collect(model, manifest, "training", library)))
        asked = make_recordings(study, 1, production, unknown=0.3)
        write_recordings(folder, "production", study, asked)
        unknown = served(study, asked, folder)
        shipped = ship(folder / "spool" / study, library)
        say(f"shipped {shipped.samples} samples, {shipped.entries} entries, {shipped.errors} errors")
        found = audit(model, library, SETTINGS).result.findings
        report(how, made, found, unknown)
    say(f"{study}: {time.process_time() - started:.0f} CPU s here, without TorchServe")


def served(study, asked, folder):
    """Send every recording to a real TorchServe; give the records of the kind that training lacks."""
    unknown, files = set(), sorted((folder / "production").iterdir())
    with TorchServe(folder / "store", spool=folder / "spool") as server:
        for one, file in zip(asked, files, strict=True):
            answer = server.request(f"/predictions/{study}", file.read_bytes())
            assert answer.status == 200, answer.body
            if one.unknown:
                unknown.add(answer.headers["x-foveal-record"])
    return unknown


def report(how, made, found, unknown):
    """Say where every facet lies and what was concluded; and what of the unknown kind is in a gap."""
    mark = np.median([one.mark for one in made if one.mark], axis=0)
    for one in found.assessments:
        boxes = np.array([entry.window for entry in one.entries])
        held = np.minimum(boxes[:, 1], mark[1]) - np.maximum(boxes[:, 0], mark[0])
        on_mark = float((held >= (mark[1] - mark[0]) / 2).mean())
        say(
            f"{one.verdict:15} {one.feature:16} facet {one.facet} on the mark {on_mark:.2f} "
            f"reliance {one.reliance:.2f} irrelevance {one.irrelevance:.2f} classes {one.classes}"
        )
        if one is found.assessments[0]:
            say("  " + " ".join(one.reasons))
    for gap in found.findings:
        if hasattr(gap, "gap"):
            hit = len(unknown & set(gap.samples))
            say(f"gap {gap.gap} {gap.verdict}: {len(gap.samples)} samples, {hit} of {len(unknown)} unknown")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", default=list(STUDIES))
    parser.add_argument("--training", type=int, default=600)
    parser.add_argument("--production", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.studies:
        run(name, args.training, args.production)
