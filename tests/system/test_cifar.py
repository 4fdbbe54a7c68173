"""The whole way of a model that others trained: packed, served, shipped, collected, audited, verified.

Every step is a command or a request, as a user would do it; TorchServe and MLflow are real.
"""

from __future__ import annotations

import csv
import json
import runpy

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from PIL import Image
from ready_stores import ready_server

from foveal.servers import TorchServe
from foveal_audit.bundle.schema import Findings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
ASKED, COLLECTED = 6, 30  # images of each class: sent as requests, collected as training


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cifar")


@pytest.fixture(scope="module")
def mlflow(folder):
    with ready_server(folder / "mlflow") as server:
        yield server


@pytest.fixture(scope="module")
def command(folder, mlflow, typed):
    """Type a command beside the MLflow server."""
    return lambda *words, **others: typed(folder, *words, **{"MLFLOW_TRACKING_URI": mlflow.uri} | others)


@pytest.fixture(scope="module")
def archive(data, models, cifar, command):
    labels = ",".join(dict.fromkeys(label for _, label in cifar(1)))
    numbers = [",".join(map(str, values)) for values in (MEAN, STD)]
    files = ("--model-file", models / "resnet20.py", "--weights", data / "cifar10" / "resnet20.th")
    seen = ("--size", 32, "--channels", 3, "--mean", numbers[0], "--std", numbers[1], "--labels", labels)
    command("pack", *files, "-o", "store/resnet20.mar", *seen)
    return "store/resnet20.mar"


@pytest.fixture(scope="module")
def answers(folder, archive, cifar):
    """Serve the archive and ask for some images: (path, answer) each."""
    with TorchServe(folder / "store", spool=folder / "spool") as server:
        return [(path, server.predict("resnet20", path.read_bytes())) for path, _ in cifar(ASKED)]


@pytest.fixture(scope="module")
def shipped(answers, command):
    return json.loads(command("ship", "spool", "--json"))


@pytest.fixture(scope="module")
def collected(folder, archive, cifar, shipped, command):
    """Collect images that nobody asked for, by a manifest that names them where they are."""
    asked = set(cifar(ASKED))
    rows = [row for row in cifar(ASKED + COLLECTED) if row not in asked]
    with (folder / "training.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows])
    return json.loads(command("collect", archive, "training.csv", "--source", "training", "--json"))


@pytest.fixture(scope="module")
def findings(folder, archive, collected, mlflow, audited):
    audited(folder, archive, "--json", MLFLOW_TRACKING_URI=mlflow.uri)
    return Findings.model_validate_json((folder / "bundle" / "findings.json").read_bytes())


@pytest.fixture(scope="module")
def predict(data, models):
    """Predict with torch and Pillow alone: the ten probabilities of an image file."""
    network = runpy.run_path(str(models / "resnet20.py"))["ResNet20"]().eval()
    file = data / "cifar10" / "resnet20.th"
    weights = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("module."): value for name, value in weights.items()})

    def predicted(path):
        pixels = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
        x = torch.from_numpy((pixels - np.float32(MEAN)) / np.float32(STD)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            return network(x).softmax(dim=1)[0]

    return predicted


def test_the_answers_are_those_of_the_network_without_foveal(answers, cifar, predict):
    labels = list(dict.fromkeys(label for _, label in cifar(1)))
    assert len(answers) == 10 * ASKED
    for path, answer in answers:
        values, classes = predict(path).topk(5)
        assert list(answer) == [labels[number] for number in classes.tolist()]
        assert list(answer.values()) == pytest.approx(values.tolist(), abs=1e-5)


def test_every_request_is_shipped_once(answers, shipped, command):
    assert (shipped["samples"], shipped["torn"], shipped["quarantined"], shipped["dropped"]) == (60, 0, 0, {})
    again = json.loads(command("ship", "spool", "--json"))
    assert (again["segments"], again["samples"]) == (0, 0)


def test_the_library_holds_both(collected, command):
    assert (collected["samples"], collected["already"], collected["unreadable"]) == (300, 0, [])
    shown = json.loads(command("library", "show", "resnet20", "--json"))
    assert shown["samples"] == {"production": 60, "training": 300}
    assert [seen["samples"] for seen in shown["models"]] == [360]
    assert shown["entries"]["training"] == collected["entries"]


def test_the_bundle_is_whole_and_counts_what_was_collected(findings, command, folder):
    assert findings.library.samples == {"production": 60, "training": 300}
    assert findings.model.labels[3] == "cat"
    assert len(findings.assessments) >= 10
    assert findings.gaps == []  # what was asked and what was collected are alike
    assert command("verify", "bundle").startswith("intact  bundle\n")
    coverage = (folder / "bundle" / "coverage.csv").read_text().splitlines()
    assert len(coverage) == 1 + 60


def test_the_audit_is_in_mlflow(findings, mlflow):
    client = MlflowClient(mlflow.uri)
    experiment = client.get_experiment_by_name("foveal/resnet20").experiment_id
    (run,) = client.search_runs([experiment], "tags.`foveal.role` = 'audit'")
    assert findings.summary.headline in run.data.tags["mlflow.note.content"]
    assert "report.html" in {file.path for file in client.list_artifacts(run.info.run_id)}


def test_explaining_two_images(folder, archive, cifar, command, predict):
    paths = [path for path, label in cifar(1) if label in ("cat", "ship")]
    reports = json.loads(command("explain", archive, *paths, "-o", "explained", "--json"))
    assert [report["sample"] for report in reports] == [str(path) for path in paths]
    for path, report in zip(paths, reports, strict=True):
        written = {kind: folder / name for kind, name in report["files"].items()}
        map_ = np.load(written["npy"])
        assert (map_.shape, map_.dtype) == ((8, 8), np.float32)
        assert np.isfinite(map_).all()
        assert map_.any()
        with Image.open(written["png"]) as overlay:
            assert overlay.format == "PNG"
            assert min(overlay.size) >= 32
        assert json.loads(written["json"].read_text()) == report
        scores = predict(path)
        assert report["prediction"]["class"] == int(scores.argmax())
        assert report["prediction"]["probability"] == pytest.approx(float(scores.max()), abs=1e-5)
