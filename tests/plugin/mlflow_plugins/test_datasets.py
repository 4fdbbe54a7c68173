"""Data sets of references, as MLflow logs and evaluates them."""

from __future__ import annotations

import json

import mlflow
import pytest

from foveal.errors import UsageError
from foveal.library import Library


@pytest.fixture
def filled(tracking_uri, observe, request, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    library = Library(request.node.name, tracking_uri)
    library.add([observe(f"{n}.png", sample_sha256=f"{n}" * 64) for n in range(3)], "one")
    return library


@pytest.fixture
def images(tmp_path):
    for name in ("disc/a.png", "stripes/b.png"):
        (tmp_path / "data" / name).parent.mkdir(parents=True)
        (tmp_path / "data" / name).write_bytes(name.encode())
    return tmp_path / "data"


def test_a_feature_becomes_an_input_of_a_run(filled, tmp_path):
    made = mlflow.data.from_feature_library(filled.name, feature="fc1:7")
    client = mlflow.MlflowClient()
    experiment = client.create_experiment(filled.name, str(tmp_path))
    with mlflow.start_run(experiment_id=experiment) as run:
        mlflow.log_input(made, context="audit")
    (logged,) = client.get_run(run.info.run_id).inputs.dataset_inputs
    entity = logged.dataset
    assert (entity.name, entity.source_type) == (f"{filled.name}/fc1:7", "foveal_library")
    assert entity.digest == made.digest
    assert len(entity.digest) <= 36
    assert json.loads(entity.profile) == {
        "num_rows": 3,
        "num_features": 1,
        "num_samples": 3,
        "sources": {"production": 3},
    }
    columns = {one["name"]: one["type"] for one in json.loads(entity.schema)["mlflow_colspec"]}
    assert (columns["activation"], columns["window"], columns["sample"]) == ("double", "array", "string")
    source = mlflow.data.get_source(logged)
    assert source.load()["sample"].tolist() == ["0.png", "1.png", "2.png"]


def test_the_digest_says_what_the_entries_are_and_not_how_they_came(filled, observe):
    digest = mlflow.data.from_feature_library(filled.name).digest
    other = Library(f"{filled.name} in pieces", filled.tracking_uri)
    for n in (2, 0, 1):
        other.add([observe(f"{n}.png", sample_sha256=f"{n}" * 64)], f"shard{n}")
    assert mlflow.data.from_feature_library(other.name).digest == digest
    assert mlflow.data.from_feature_library(other.name, "fc1:7").digest != digest
    other.add([observe("3.png", sample_sha256="3" * 64)], "more")
    assert mlflow.data.from_feature_library(other.name).digest != digest


def test_a_library_is_named_by_name_or_uri(filled):
    by_uri = mlflow.data.from_feature_library(f"foveal:{filled.name}/fc1:7")
    by_name = mlflow.data.from_feature_library(filled.name, "fc1:7", tracking_uri=filled.tracking_uri)
    assert by_uri.to_dict() == by_name.to_dict()
    assert by_uri.source.tracking_uri == filled.tracking_uri


def test_a_data_set_may_be_empty(filled):
    none = mlflow.data.from_feature_library(filled.name, source="training")
    assert none.profile == {"num_rows": 0, "num_features": 0, "num_samples": 0, "sources": {}}
    assert {"name", "digest", "source"} <= set(none.to_dict())


def test_an_unknown_source_is_refused(filled):
    with pytest.raises(UsageError) as caught:
        mlflow.data.from_feature_library(filled.name, source="producton")
    assert str(caught.value) == "Unknown source 'producton'. Did you mean 'production' or 'validation'."


def test_files_become_a_data_set(images):
    made = mlflow.data.from_sample_files(images)
    assert made.df["sample"].tolist() == ["disc/a.png", "stripes/b.png"]
    assert made.df["label"].tolist() == ["disc", "stripes"]
    assert made.df["path"].tolist() == [str(images / "disc/a.png"), str(images / "stripes/b.png")]
    assert made.to_dict()["source_type"] == "local"
    assert json.loads(made.to_dict()["profile"]) == {"num_rows": 2}
    assert made.to_evaluation_dataset().path == str(images)


def test_the_digest_of_files_is_that_of_their_content(images, tmp_path):
    digest = mlflow.data.from_sample_files(images).digest
    (images / "disc/a.png").touch()
    images.rename(tmp_path / "moved")
    assert mlflow.data.from_sample_files(tmp_path / "moved").digest == digest
    (tmp_path / "moved" / "disc/a.png").write_bytes(b"other")
    assert mlflow.data.from_sample_files(tmp_path / "moved").digest != digest


def test_metadata_of_a_manifest_is_kept_and_replaces_nothing(images):
    manifest = images / "list.csv"
    manifest.write_text("path,source,site,sample\ndisc/a.png,training,B,mine\nstripes/b.png,,,\n")
    made = mlflow.data.from_sample_files(manifest)
    assert made.df["site"].tolist() == ["B", ""]
    assert made.df["sample"].tolist() == ["disc/a.png", "stripes/b.png"]
    assert made.df["source"].tolist() == ["training", ""]


def test_no_data_is_refused_as_everywhere(tmp_path):
    with pytest.raises(UsageError) as caught:
        mlflow.data.from_sample_files(tmp_path / "none")
    assert str(caught.value) == (
        f"Data '{tmp_path / 'none'}' does not exist. Give a folder of images or a CSV manifest."
    )
