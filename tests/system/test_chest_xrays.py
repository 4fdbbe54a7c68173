"""X-rays of two hospitals, one per class: a classifier reads the hospital, and the audit says so.

All COVID images come from one hospital and all others from another, so what the network learned of the
disease cannot be told from what it learned of the hospital. An honest audit flags what the network relies
on as tied to the site, and calls nothing genuine.
"""

from __future__ import annotations

import csv
import runpy

import numpy as np
import pytest
import torch

from foveal.samples import read_image
from foveal.samples.transform import ImageTransform
from foveal_audit.bundle.schema import Findings
from foveal_audit.reproducible import one_thread
from foveal_audit.studies.training import train_classifier

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

LABELS = ("covid", "other")
TIED_TO_SITE = "coincides_with:site"
#: One X-ray of so many is taken, for so many passes of training; all of them on request.
SIZES = [
    pytest.param((2, 12), id="half"),
    pytest.param((1, 25), id="all", marks=pytest.mark.full),
]


@pytest.fixture(scope="module", params=SIZES)
def size(request):
    return request.param


@pytest.fixture(scope="module")
def folder(tmp_path_factory, size):
    return tmp_path_factory.mktemp("chest")


@pytest.fixture(scope="module")
def rows(data, size):
    """What the manifest says of the X-rays, with their files where they are."""
    manifest = data / "chest-xray" / "manifest.csv"
    taken = list(csv.DictReader(manifest.open()))[:: size[0]]
    return [{**row, "path": manifest.parent / row["path"]} for row in taken]


@pytest.fixture(scope="module")
def accuracy(folder, models, rows, size):
    """Train on the class alone, write the weights, and say how many of the X-rays are told right."""
    transform = ImageTransform((96, 96), 1, (0.5,), (0.25,))
    images = torch.stack([transform(read_image(row["path"])) for row in rows])
    labels = np.array([LABELS.index(row["label"]) for row in rows])
    make = runpy.run_path(str(models / "xray_net.py"))["XrayNet"]
    with one_thread(), torch.no_grad():
        with torch.enable_grad():
            network = train_classifier(
                make, images.numpy(), labels, epochs=size[1], seed=0, batch=32, rate=1e-3
            )
        torch.save(network.state_dict(), folder / "weights.pt")
        return (network(images).argmax(dim=1).numpy() == labels).mean()


@pytest.fixture(scope="module")
def findings(folder, models, rows, accuracy, typed, audited):
    with (folder / "training.csv").open("w", newline="") as stream:
        table = csv.DictWriter(stream, rows[0])
        table.writeheader()
        table.writerows(rows)
    files = ("--model-file", models / "xray_net.py", "--weights", "weights.pt", "-o", "chest.mar")
    seen = ("--size", 96, "--channels", 1, "--mean", 0.5, "--std", 0.25, "--labels", ",".join(LABELS))
    typed(folder, "pack", *files, *seen)
    typed(folder, "collect", "chest.mar", "training.csv", "--source", "training")
    audited(folder, "chest.mar")
    return Findings.model_validate_json((folder / "bundle" / "findings.json").read_bytes())


def test_the_network_tells_the_hospitals_apart(accuracy):
    assert accuracy >= 0.98


def test_what_it_relies_on_is_flagged_as_tied_to_the_site(findings):
    flagged = [one for one in findings.artefacts if TIED_TO_SITE in one.signals]
    assert flagged, findings.summary.headline
    for one in flagged:
        signal = one.signals[TIED_TO_SITE]
        assert signal.value >= 0.1
        assert signal.p <= 0.01
        assert one.effects.paste.low > 0
        tied = f"It is tied to 'site' (Cramer's V {signal.value:.2f}), which coincides with the label"
        assert [line for line in one.reasons if line.startswith(tied)]


def test_nothing_is_called_genuine(findings):
    """Where site and class are the same thing, nothing that is relied on can be cleared."""
    assert findings.summary.verdicts["genuine"] == 0


def test_nothing_is_confirmed_that_the_data_cannot_prove(findings):
    """No single crop is necessary: the hospital shows everywhere in the image."""
    assert findings.summary.verdicts["confirmed"] == 0


def test_the_report_says_so_and_the_bundle_is_whole(folder, findings, typed):
    assert "It is tied to &#39;site&#39;" in (folder / "bundle" / "report.html").read_text()
    assert typed(folder, "verify", "bundle").startswith("intact  bundle\n")
