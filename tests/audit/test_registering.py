"""The verdict in the model registry, and the way there from the library."""

from __future__ import annotations

import json
from dataclasses import replace

import planted
import pytest
from mlflow import MlflowClient
from ready_stores import ready_store

from foveal.archives.mar import write_archive
from foveal.library import Library
from foveal.servers import free_port
from foveal_audit.registering import record_verdict, registered_uri


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One database for all tests: making it takes MLflow seconds."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def library(store, request, monkeypatch):
    monkeypatch.chdir(store)  # MLflow puts the artifacts of a database into the working folder
    monkeypatch.setenv("MLFLOW_TRACKING_URI", ready_store(store / "mlflow.db"))
    library = Library(request.node.name)
    library.report_losses("none", {})  # makes the library in MLflow
    return library


@pytest.fixture
def client(library):
    return MlflowClient(library.tracking_uri)


@pytest.fixture
def registered(client, tmp_path, request):
    """A registered model with one version that is live."""
    name = f"model {request.node.name.replace('/', '')}"
    client.create_registered_model(name)
    version = client.create_model_version(name, tmp_path.as_uri())
    client.set_registered_model_alias(name, "live", version.version)
    return name


def model(source):
    return replace(planted.model(), source=source)


def tags_of(client, library):
    return client.get_run(library.run_id).data.tags


@pytest.mark.parametrize("which", ["/1", "@live", "/latest"])
def test_the_version_says_what_was_found(client, library, registered, result, which):
    assert record_verdict(model(f"models:/{registered}{which}"), library, result.findings, "ab12") == ""
    assert client.get_model_version(registered, "1").tags == {
        "foveal.library": library.name,
        "foveal.last_audit": "ab12",
        "foveal.verdict": "1 artefact suspected, 1 training-set gap",
        "foveal.findings": "2",
    }
    tags = tags_of(client, library)
    assert tags["foveal.model_version"] == f"models:/{registered}/1"
    assert tags["foveal.last_audit"] == "ab12"
    library.publish_note()
    assert (
        "Last audit: [1 artefact suspected, 1 training-set gap]("
        in tags_of(client, library)["mlflow.note.content"]
    )


def test_a_logged_model_and_its_version_say_it_too(client, library, result):
    logged = client.create_logged_model(library.experiment_id, "net")
    client.create_registered_model("of a logged model")
    client.create_model_version("of a logged model", f"models:/{logged.model_id}", model_id=logged.model_id)
    assert record_verdict(model(f"models:/{logged.model_id}"), library, result.findings, "ab12") == ""
    assert client.get_logged_model(logged.model_id).tags["foveal.findings"] == "2"
    assert client.get_model_version("of a logged model", "1").tags["foveal.library"] == library.name
    assert tags_of(client, library)["foveal.model_version"] == "models:/of a logged model/1"


def test_a_model_that_is_registered_nowhere(client, library, result):
    assert record_verdict(model("python:planted:model"), library, result.findings, "ab12") == ""
    tags = tags_of(client, library)
    assert tags["foveal.verdict"] == "1 artefact suspected, 1 training-set gap"
    assert "foveal.model_version" not in tags


def test_a_registry_that_is_away_is_a_warning(client, library, result, monkeypatch):
    address = f"http://me:secret@127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    warning = record_verdict(model("models:/nodules/3"), library, result.findings, "ab12")
    place = address.replace("me:secret", "***")
    assert warning == (
        f"models:/nodules/3 was not tagged with the verdict: MLflow at {place} does not answer"
    )
    assert tags_of(client, library)["foveal.last_audit"] == "ab12"


def test_a_version_that_is_gone_is_a_warning(library, result):
    warning = record_verdict(model("models:/nobody/3"), library, result.findings, "ab12")
    assert warning.startswith("models:/nobody/3 was not tagged with the verdict: MLflow at sqlite:///")
    assert "nobody" in warning


def test_the_mark_that_generators_are_to_be_taught_anew_goes(client, library, result):
    client.set_tag(library.run_id, "foveal.retrain", "contribution:1")
    record_verdict(model("python:planted:model"), library, result.findings, "ab12")
    assert "foveal.retrain" not in tags_of(client, library)


@pytest.mark.parametrize(
    ("settings", "uri"),
    [
        ({"foveal": {}, "wrapped": {"version": 1, "registered": "models:/nodules/3"}}, "models:/nodules/3"),
        ({"foveal": {}, "wrapped": {"version": 1}}, None),
        ({"foveal": {}, "wrapped": {"registered": 3}}, None),
        ({}, None),
    ],
)
def test_a_wrapped_archive_names_its_version(tmp_path, settings, uri):
    manifest = {"model": {"modelName": "nodules", "handler": "h.py"}}
    with (tmp_path / "nodules.mar").open("wb") as stream:
        write_archive(
            {
                "MAR-INF/MANIFEST.json": json.dumps(manifest).encode(),
                "MAR-INF/FOVEAL.json": json.dumps(settings).encode(),
            },
            stream,
        )
    assert registered_uri(str(tmp_path / "nodules.mar")) == uri


def test_what_is_no_file_is_registered_nowhere():
    assert registered_uri("python:planted:model") is None
    assert registered_uri("models:/nodules@live") == "models:/nodules@live"


@pytest.mark.parametrize("name", ["net.onnx", "net.pt", "net.pt2"])
def test_a_file_of_a_network_names_no_version(tmp_path, name):
    (tmp_path / name).write_bytes(b"no archive")
    assert registered_uri(str(tmp_path / name)) is None
