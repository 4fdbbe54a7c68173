"""Tiles of slides audited: their files count as there, and the causal tests run on them."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import planted
import pytest
import tifffile
from ready_stores import ready_store

from foveal.collecting import collect
from foveal.library import Library
from foveal.samples.cutting import Tiles
from foveal_audit.auditing import audit
from foveal_audit.bench import is_unchanged
from foveal_audit.settings import QUICK

ROWS, COLUMNS, SIDE = 5, 5, planted.SIDE


def write_slides(folder):
    """Write four slides of each class, 5 x 5 planted pictures each; site B marks nine of ten discs."""
    rng = np.random.default_rng(0)
    with (folder / "training.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "label", "site"])
        for number in range(8):
            label, site = number % 2, "AB"[number // 4]
            shares = rng.uniform(size=(ROWS, COLUMNS)) < (site == "B") * (0.9 if label else 0.1)
            rows = [np.hstack([planted.picture(rng, label, marked) for marked in row]) for row in shares]
            tifffile.imwrite(folder / f"{number}.tif", np.vstack(rows), tile=(48, 48), compression="zlib")
            table.writerow([f"{number}.tif", ("stripes", "disc")[label], site])
    return folder / "training.csv"


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    return Library("slides", ready_store(tmp_path / "mlflow.db"))


@pytest.mark.slow
def test_the_mark_in_tiles_is_removed_and_measured(library, tmp_path):
    done = collect(planted.model(), write_slides(tmp_path), "training", library, tiles=Tiles(SIDE))
    assert (done.samples, done.shared, done.empty_tiles) == (8 * ROWS * COLUMNS, 0, 0)
    findings = audit(planted.model(), library, replace(QUICK, nodes=2, generators=0)).result.findings
    assert not [line for line in findings.not_examined if "file" in line]
    marks = [one for one in findings.assessments if np.median([e.window[2] for e in one.entries]) < 14]
    assert marks
    assert findings.assessments[0] in marks
    assert all(one.effects.removal is not None for one in marks)
    assert marks[0].effects.removal.low > 0
    assert all(entry.sample.split("/")[0].endswith(".tif") for one in marks for entry in one.entries)


def test_a_tile_is_unchanged_while_its_own_pixels_are(library, tmp_path):
    collect(planted.model(), write_slides(tmp_path), "training", library, tiles=Tiles(SIDE))
    path = tmp_path / "0.tif"
    values = tifffile.imread(path)
    values[-1, -1] ^= 1
    tifffile.imwrite(path, values, tile=(48, 48), compression="zlib")
    (tmp_path / "1.tif").unlink()
    columns = ("sample", "origin", "sample_sha256")
    table = [library.samples()[name].to_pylist() for name in columns]
    there = {name: is_unchanged(origin, sha256) for name, origin, sha256 in zip(*table, strict=True)}
    end = ROWS * SIDE
    gone = {f"0.tif/{end - SIDE}-{end - SIDE}-{end}-{end}.npy", *(name for name in there if name[0] == "1")}
    assert {name for name, found in there.items() if not found} == gone
    assert len(gone) == 1 + ROWS * COLUMNS
