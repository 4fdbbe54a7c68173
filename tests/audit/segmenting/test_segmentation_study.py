"""A planted study from end to end: a network that segments along a ruler; the ruler is flagged, no lesion."""

from __future__ import annotations

import numpy as np
import planted_segments
import pytest
from planted_segments import check, drawn, is_flagged, judged, model, trained, write_pictures
from ready_stores import ready_store

from foveal.collecting import collect
from foveal.library import Library
from foveal_audit.auditing import audit
from foveal_audit.knowledge import NOTHING, Knowledge
from foveal_audit.settings import AuditSettings

#: By the seed of its pictures a source, and which part of the number it has.
SOURCES = {1: ("training", 1), 2: ("production", 3)}


def studied(folder, monkeypatch, number, knowledge=NOTHING, **settings):
    """Collect and audit a study; give its assessments as `check` takes them."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ready_store(folder / "store" / "mlflow.db"))
    spots, library = model(), Library("spots")
    for seed, (source, count) in SOURCES.items():
        collect(spots, write_pictures(folder, source, number // count, seed), source, library)
    found = audit(spots, library, AuditSettings(**settings), knowledge=knowledge).result.findings
    return judged(found.assessments, "training", number, 1)


@pytest.mark.slow
def test_the_ruler_is_flagged_and_the_lesion_is_not(tmp_path, monkeypatch):
    check(studied(tmp_path, monkeypatch, 240, pairs=40, nodes=2, generators=0))


@pytest.mark.full
def test_whatever_network_was_trained(tmp_path, monkeypatch):
    """The ruler always comes first and no lesion is flagged; one network in four leaves room for doubt."""
    settings = {"pairs": 120, "nodes": 4, "generators": 0}
    known, flagged = Knowledge(outlined_by_doctors(600, 1)), []
    for seed in range(4):
        net = trained(seed, number=400, steps=300)
        monkeypatch.setattr(planted_segments, "trained", lambda net=net: net)
        flagged.append(is_flagged(studied(tmp_path / str(seed), monkeypatch, 600, known, **settings)))
    assert sum(flagged) >= 3


def outlined_by_doctors(number, seed):
    """Give the boxes of the spots, as `--rois` does; whoever drew them knew what the ruler is."""
    rois = {}
    for n, (_, spot, *_) in enumerate(drawn(number, seed)):
        if spot.any():
            rows, columns = np.nonzero(spot)
            box = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
            rois[f"training/{n:03}.png"] = np.array([box], dtype=np.int64)
    return rois
