"""A network that is an ONNX file and nothing else: collected, audited and explained as its archive is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import planted
import pytest
import torch
from onnx_nets import export
from ready_stores import ready_store
from typer.testing import CliRunner

import foveal_audit.settings
from foveal.archives.pack import pack
from foveal.cli import build_app
from foveal.onnx_graphs.saving import save
from foveal_audit.settings import QUICK

pytestmark = pytest.mark.slow

SIZE = (planted.SIDE, planted.SIDE)
LABELS = ("stripes", "disc")
SETTINGS = "preprocess: {size: [24, 24], channels: 1, mean: [0.0], std: [1.0]}\nlabels: [stripes, disc]\n"


def archive(folder):
    """Pack the network of torch."""
    torch.save(planted.ShapesNet().state_dict(), folder / "shapes.weights")
    looks = {"size": SIZE, "channels": 1, "mean": (0.0,), "std": (1.0,), "labels": LABELS}
    file = Path(planted.__file__)
    return pack(
        "vision", file, folder / "shapes.weights", folder / "shapes.mar", model_class="ShapesNet", **looks
    )


def bare_file(folder):
    """Write the network as ONNX, and beside it what an archive would say."""
    save(export(planted.ShapesNet().eval(), sample=(1, *SIZE)), folder / "shapes.onnx")
    (folder / "shapes.yaml").write_text(SETTINGS)
    return folder / "shapes.onnx"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Collect, audit and explain both by what is typed, each in a library of its own."""
    folder = tmp_path_factory.mktemp("onnx")
    sources = {"training": 160, "production": 80}
    for seed, (source, number) in enumerate(sources.items()):
        planted.write_images(folder, source, number, seed, strange=0.15 * seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FOVEAL_CACHE_DIR", str(folder / "cache"))
        patch.setenv("MLFLOW_TRACKING_URI", ready_store(folder / "mlflow.db"))
        patch.setattr(foveal_audit.settings, "QUICK", replace(QUICK, pairs=24, nodes=2, generators=0))
        for model in (archive(folder), bare_file(folder)):
            kind = model.suffix[1:]
            for source in sources:
                typed("collect", model, f"{source}.csv", "--source", source, "--library", kind)
            audit = ("--library", kind, "--quick", "--jobs", 1, "--no-pdf")
            typed("audit", model, "-o", f"bundle-{kind}", *audit)
            typed("explain", model, "production/000.png", "-o", f"explained-{kind}", "--target", "class:1")
        yield folder


def typed(*words):
    done = CliRunner().invoke(build_app(), list(map(str, words)), catch_exceptions=False)
    assert done.exit_code == 0, done.output


def findings(folder, kind):
    return json.loads((folder / f"bundle-{kind}" / "findings.json").read_text())


def judged(folder, kind):
    """Say what was concluded about whom: nodes by their number, for layers have other names in a file."""
    rows = findings(folder, kind)["assessments"]
    return {
        (row["feature"].replace("fc1_Gemm:", "fc1:"), row["facet"]): (
            row["verdict"],
            pytest.approx(row["artefact_score"], abs=0.05),
            row["n_entries"],
        )
        for row in rows
    }


def test_the_file_is_judged_as_the_archive_is(folder):
    truth = judged(folder, "mar")
    assert judged(folder, "onnx") == truth
    assert {"confirmed", "genuine"} <= {verdict for verdict, *_ in truth.values()}


def test_the_same_gap_is_found(folder):
    theirs, ours = (
        [one for one in findings(folder, kind)["findings"] if one["kind"] == "gap"]
        for kind in ("mar", "onnx")
    )
    (gap,), (found,) = theirs, ours
    verdict = ("uncovered_group", "suspected")
    assert (gap["gap"], gap["verdict"]) == (found["gap"], found["verdict"]) == verdict
    both, either = set(gap["samples"]) & set(found["samples"]), set(gap["samples"]) | set(found["samples"])
    assert len(both) >= 0.8 * len(either)


def test_the_same_map_is_drawn(folder):
    theirs, ours = (np.load(next((folder / f"explained-{kind}").glob("*.npy"))) for kind in ("mar", "onnx"))
    assert np.abs(theirs).max() > 0.1
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.ptp(theirs))
