"""Models of the MLflow registry."""

from __future__ import annotations

import mlflow
import pytest
import torch

from foveal.archives import load_model
from foveal.archives.pack import pack
from foveal.errors import EnvironmentFault
from foveal.servers import free_port


@pytest.fixture
def registry(tracking_uri, tmp_path, monkeypatch):
    """Register what a run logged under a path."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    client = mlflow.MlflowClient(tracking_uri)

    def register(name, path):
        experiment = client.get_experiment_by_name(f"registry-{name}")
        experiment_id = (
            experiment.experiment_id
            if experiment
            else client.create_experiment(f"registry-{name}", str(tmp_path / "store"))
        )
        run = client.create_run(experiment_id)
        client.log_artifacts(run.info.run_id, str(path), "model")
        client.create_registered_model(name)
        version = client.create_model_version(name, f"{run.info.artifact_uri}/model", run.info.run_id)
        client.set_registered_model_alias(name, "live", version.version)

    return register


@pytest.mark.parametrize("which", ["/1", "@live"])
def test_an_archive_that_was_logged_with_the_model(registry, model_file, weights, tmp_path, which):
    path = pack(
        "vision", model_file, weights, tmp_path / "logged" / "tiny.mar", size=(8, 8), labels=("a", "b", "c")
    )
    registry(f"archive-{which[1:]}", path.parent)
    uri = f"models:/archive-{which[1:]}{which}"
    model, own = load_model(uri), load_model(str(path))
    assert (model.source, model.name, model.sha256) == (uri, own.name, own.sha256)
    assert model.labels == ("a", "b", "c")


def test_a_network_that_mlflow_saved(registry, twin, tmp_path):
    mlflow.pytorch.save_model(twin, str(tmp_path / "saved"), serialization_format="pickle")
    registry("network", tmp_path / "saved")
    model = load_model("models:/network/1")
    x = torch.rand(1, 3, 8, 8)
    with torch.inference_mode():
        assert torch.equal(model.module(x), twin(x))
    assert (model.name, model.labels, len(model.sha256)) == ("network", (), 64)


def test_nothing_of_that_name(registry):
    with pytest.raises(EnvironmentFault) as caught:
        load_model("models:/nobody/1")
    assert str(caught.value).startswith("models:/nobody/1 cannot be read from the MLflow registry (")
    assert str(caught.value).endswith("Check the name, the version and MLFLOW_TRACKING_URI.")


@pytest.mark.parametrize("uri", ["models:/", "models:/nobody"])
def test_names_without_a_version(registry, uri):
    with pytest.raises(EnvironmentFault, match="Check the name, the version"):
        load_model(uri)


def test_a_registry_that_is_down_is_given_up_soon_and_shows_no_password(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{free_port()}")
    with pytest.raises(EnvironmentFault, match="cannot be read from the MLflow registry") as caught:
        load_model("models:/nobody/1")
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__
