"""Libraries that cannot tell much: the bundle says so plainly, and nothing is found that is not there."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import planted
import pytest
import torch
from ready_stores import ready_store

from foveal.collecting import collect
from foveal.errors import UsageError
from foveal.library import Library
from foveal.samples import encode_png
from foveal_audit.auditing import audit
from foveal_audit.settings import AuditSettings

SETTINGS = AuditSettings(pairs=8, nodes=2, generators=0)


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    return Library("small", ready_store(tmp_path / "mlflow.db"))


def fill(library, folder, source, pictures, model=None, **metadata):
    """Collect pictures, each with its label and its values of the metadata columns."""
    (folder / source).mkdir(parents=True)
    with (folder / f"{source}.csv").open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["path", "label", *metadata])
        for n, (label, pixels) in enumerate(pictures):
            (folder / source / f"{n:03}.png").write_bytes(encode_png(pixels))
            table.writerow([f"{source}/{n:03}.png", label, *(values[n] for values in metadata.values())])
    collect(model or planted.model(), folder / f"{source}.csv", source, library)


def pictures(number, labels=(0, 1), seed=0):
    rng = np.random.default_rng(seed)
    chosen = [labels[n % len(labels)] for n in range(number)]
    return [(("stripes", "disc")[label], planted.picture(rng, label)) for label in chosen]


def audited(library, model=None):
    """Audit, and hold what every such audit must keep."""
    findings = audit(model or planted.model(), library, SETTINGS).result.findings
    assert findings.findings == []
    return findings


def test_too_few_entries(library, tmp_path):
    fill(library, tmp_path, "training", pictures(6))
    findings = audited(library)
    assert "6 training samples: fewer than 20 decide nothing" in findings.not_examined
    assert any(line.endswith("with fewer than 20 training entries") for line in findings.not_examined)
    assert findings.assessments == []
    assert (
        "Artefacts: no facet could be tested, one of any size and prevalence would be missed"
        in findings.not_examined
    )


def test_one_class_only(library, tmp_path):
    fill(library, tmp_path, "training", pictures(60, labels=(1,)), site=["A", "B"] * 30)
    findings = audited(library)
    assert (
        "Causal tests: the model answers all training samples with 'disc', they need another class"
        in findings.not_examined
    )
    assert findings.assessments
    assert {one.verdict for one in findings.assessments} == {"undecidable"}


def test_no_production_and_no_metadata(library, tmp_path):
    fill(library, tmp_path, "training", pictures(60))
    lines = audited(library).not_examined
    assert "Training-set gaps: the library holds no production samples to compare with" in lines
    assert "Ties to sites, devices or other metadata: no column of it tells training samples apart" in lines


def test_metadata_that_tells_nothing_apart_is_none(library, tmp_path):
    fill(library, tmp_path, "training", pictures(40), site=["A"] * 40)
    lines = audited(library).not_examined
    assert "Ties to sites, devices or other metadata: no column of it tells training samples apart" in lines


@pytest.mark.parametrize("level", [0, 255])
def test_constant_images(library, tmp_path, level):
    blank = [("stripes", np.full((24, 24, 1), level, np.uint8))]
    fill(library, tmp_path, "training", blank * 40, site=["A", "B"] * 20)
    fill(library, tmp_path, "production", blank * 20, site=["A", "B"] * 10)
    findings = audited(library)
    assert (
        "All training samples are one and the same image: nothing can be told apart" in findings.not_examined
    )
    name = planted.model().labels[answer(level)]
    assert (
        f"Causal tests: the model answers all training samples with {name!r}, they need another class"
        in findings.not_examined
    )


def answer(level):
    with torch.no_grad():
        return int(planted.model().module(torch.full((1, 1, 24, 24), level / 255)).argmax())


def dead(weight=0.0):
    """Give a model whose hidden layer never fires."""
    module = planted.ShapesNet()
    with torch.no_grad():
        module.fc1.weight.fill_(weight)
        module.fc1.bias.fill_(-1.0)
    return planted.audited(module)


def test_a_dead_layer(library, tmp_path):
    fill(library, tmp_path, "training", pictures(40), dead(), site=["A", "B"] * 20)
    fill(library, tmp_path, "production", pictures(20, seed=1), dead(), site=["A", "B"] * 10)
    findings = audited(library, dead())
    assert "fc1: dead, none of its 3 nodes is above zero for any sample" in findings.not_examined
    assert {row.note for row in findings.node_pipeline} == {"dead: never above zero"}


def test_a_library_of_another_version(library, tmp_path):
    fill(library, tmp_path, "training", pictures(30), replace(planted.model(), sha256="a" * 64))
    with pytest.raises(UsageError) as caught:
        audit(planted.model(), library, SETTINGS)
    assert caught.value.fault == (
        "Library 'small' holds nothing about model ffffffffffff (it knows aaaaaaaaaaaa)"
    )
    assert caught.value.mend == (
        "Collect samples with the model to audit: foveal collect MODEL DATA --source training"
    )


def test_a_library_of_two_versions(library, tmp_path):
    fill(library, tmp_path / "old", "training", pictures(12), replace(planted.model(), sha256="a" * 64))
    fill(library, tmp_path / "new", "training", pictures(30, seed=1))
    findings = audited(library)
    assert findings.library.samples == {"training": 30}
    assert (
        "12 samples that were observed with another model or version (aaaaaaaaaaaa)" in findings.not_examined
    )
