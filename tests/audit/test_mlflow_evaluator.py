"""The audit as an evaluator of MLflow: its configuration, its data, and whole evaluations."""

from __future__ import annotations

import csv
import io
import json

import mlflow
import pandas as pd
import planted
import pytest
from mlflow.data.evaluation_dataset import EvaluationDataset
from mlflow.models.evaluation.base import resolve_evaluators_and_configs
from ready_stores import ready_server

from foveal.errors import UsageError
from foveal.library import Library
from foveal_audit.evaluating.data import take_in
from foveal_audit.evaluating.settings import EvaluationSettings, read_settings
from foveal_audit.mlflow_evaluator import AuditEvaluator
from foveal_audit.settings import QUICK, AuditSettings

#: The least that an audit can do.
LEAST = {"pairs": 20, "nodes": 0, "generators": 0}


def test_mlflow_knows_the_evaluator():
    (bundle,) = resolve_evaluators_and_configs("foveal", {"seed": 1}, "foveal-audit")
    assert isinstance(bundle.evaluator, AuditEvaluator)
    assert (bundle.name, bundle.config) == ("foveal", {"seed": 1})


@pytest.mark.parametrize(
    ("model_type", "config", "answer"),
    [
        ("foveal-audit", {}, True),
        ("foveal-audit", None, True),
        ("classifier", {"audit": True}, True),
        ("classifier", {"audit": False}, False),
        ("classifier", {"library": "nodules"}, False),
        ("regressor", {}, False),
        (None, None, False),
    ],
)
def test_it_is_not_there_for_other_evaluations(model_type, config, answer):
    assert AuditEvaluator.can_evaluate(model_type=model_type, evaluator_config=config) is answer


def test_an_evaluation_without_a_choice_of_evaluators_is_left_alone():
    chosen = {bundle.name for bundle in resolve_evaluators_and_configs(None, None, "classifier")}
    assert "foveal" not in chosen


def test_the_configuration_becomes_settings(tmp_path):
    config = {
        "audit": True,
        "model": "nodules.mar",
        "library": "nodules",
        "source": "production",
        "out": str(tmp_path),
        "seed": 7,
        "generators": 0,
    }
    settings = read_settings(config)
    assert (settings.model, settings.library, settings.source) == ("nodules.mar", "nodules", "production")
    assert settings.out == tmp_path
    assert settings.audit == AuditSettings(seed=7, generators=0)
    assert read_settings({"quick": True}).audit == QUICK
    assert read_settings({}) == EvaluationSettings()


@pytest.mark.parametrize("given", ["fc1:7, class:*,fc1:7", ["fc1:7", "class"], ("fc1:7,class:*",)])
def test_features_are_chosen_as_the_command_chooses_them(given):
    assert read_settings({"features": given}).audit == AuditSettings(features=("fc1:7", "class:*"))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"libary": "x"}, "evaluator_config has no key 'libary'. Did you mean 'library'."),
        ({"seed": "1"}, "evaluator_config['seed'] is '1'. Give a whole number, 0 or more."),
        ({"seed": True}, "evaluator_config['seed'] is True. Give a whole number, 0 or more."),
        ({"pairs": -1}, "evaluator_config['pairs'] is -1. Give a whole number, 0 or more."),
        ({"quick": 1}, "evaluator_config['quick'] is 1. Give True or False."),
        ({"library": None}, "evaluator_config['library'] is None. Give a text."),
        ({"out": 3}, "evaluator_config['out'] is 3. Give a path."),
        ({"features": 7}, "evaluator_config['features'] is 7. Give a text, or a list of texts."),
        (
            {"features": ["a", 1]},
            "evaluator_config['features'] is ['a', 1]. Give a text, or a list of texts.",
        ),
        (
            {"features": ["fc1:x"]},
            "Feature 'fc1:x' is not a name. Write LAYER:INDEX, LAYER, class:K or class:*.",
        ),
        ({"source": "prod"}, "Unknown source 'prod'. Did you mean 'production'."),
    ],
)
def test_a_wrong_configuration_is_refused(config, message):
    with pytest.raises(UsageError) as caught:
        read_settings(config)
    assert str(caught.value) == message


def take(frame, library, **settings):
    return take_in(EvaluationDataset(frame), planted.model(), library, EvaluationSettings(**settings))


def test_references_must_be_in_the_library(planted_library):
    known = planted_library.samples(columns=["sample"])["sample"].to_pylist()[:3]
    assert take(pd.DataFrame({"sample": known}), planted_library) == 0
    with pytest.raises(UsageError) as caught:
        take(pd.DataFrame({"sample": [*known, "nobody.png", "neither.png"]}), planted_library)
    assert str(caught.value) == (
        "2 samples of the data are not in library 'planted', such as 'neither.png'. Collect them first, or "
        "give their files: mlflow.data.from_sample_files(DATA)."
    )


def test_data_that_refers_to_nothing_is_refused(planted_library):
    with pytest.raises(UsageError) as caught:
        take(pd.DataFrame({"age": [61, 58]}), planted_library)
    assert str(caught.value) == (
        "The data has neither a 'path' nor a 'sample' column. "
        "Give mlflow.data.from_sample_files(DATA) or mlflow.data.from_feature_library(NAME)."
    )


def test_files_must_say_where_they_come_from(planted_library):
    with pytest.raises(UsageError) as caught:
        take(pd.DataFrame({"path": ["a.png"]}), planted_library)
    assert str(caught.value) == (
        "The samples of the data do not say where they come from. "
        "Fill a 'source' column, or give all of them evaluator_config={'source': 'production'}."
    )
    some = pd.DataFrame({"path": ["a", "b"], "source": ["training", None]})
    with pytest.raises(UsageError, match=r"^Some samples of the data do not say where they come from\. Fill"):
        take(some, planted_library, source="training")
    with pytest.raises(UsageError, match=r"^Unknown source 'prod'\."):
        take(pd.DataFrame({"path": ["a.png"], "source": ["prod"]}), planted_library)


def test_a_data_frame_of_files_is_collected(planted_library, tmp_path, monkeypatch):
    with planted.write_images(tmp_path, "production", 4, 5).open() as stream:
        rows = list(csv.DictReader(stream))
    monkeypatch.chdir(tmp_path)
    library = Library("of a data frame", planted_library.tracking_uri)
    frame = pd.DataFrame(rows)
    frame["source"] = ["production", "validation", "production", "training"]
    frame["age"] = [61, 58, None, 70]  # which pandas makes floats
    assert take(frame, library) == 4
    samples = library.samples().to_pylist()
    assert [one["source"] for one in samples] == ["production", "production", "training", "validation"]
    assert {one["sample"] for one in samples} == {str(tmp_path / row["path"]) for row in rows}
    assert [dict(one["metadata"]).get("age") for one in samples] == ["61", None, "70", "58"]
    assert take(frame, library) == 0


@pytest.mark.parametrize("given", [{"extra_metrics": [len]}, {"custom_artifacts": [len]}])
def test_metrics_of_the_users_own_mean_nothing_to_an_audit(given):
    with pytest.raises(UsageError) as caught:
        AuditEvaluator().evaluate(
            model_type="foveal-audit", dataset=None, run_id="r", evaluator_config={}, **given
        )
    assert str(caught.value) == "An audit takes no extra_metrics or custom_artifacts. Leave them out."


def test_a_model_that_nobody_names_is_asked_for():
    with pytest.raises(UsageError) as caught:
        AuditEvaluator().evaluate(model_type="foveal-audit", dataset=None, run_id="r", evaluator_config={})
    assert str(caught.value) == (
        "MLflow does not say which model is evaluated. "
        "Name it: evaluator_config={'model': 'NAME.mar'}, or another MODEL that `foveal audit` takes."
    )


@pytest.fixture
def tracked(planted_library, monkeypatch, tmp_path):
    """Let MLflow work in the store of the planted library."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", planted_library.tracking_uri)
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(None)
    client = mlflow.MlflowClient()
    name = f"evaluations {tmp_path.name}"
    return client, client.create_experiment(name, tmp_path.as_uri())


def test_a_library_is_evaluated_without_a_model_of_mlflow(planted_library, tracked, tmp_path):
    client, experiment = tracked
    with mlflow.start_run(experiment_id=experiment) as run:
        evaluated = mlflow.models.evaluate(
            data=mlflow.data.from_feature_library(planted_library.name),
            model_type="foveal-audit",
            evaluators="foveal",
            evaluator_config={
                "model": "python:planted:model",
                "out": str(tmp_path / "bundle"),
                "features": "fc1:1",
                **LEAST,
            },
        )
    logged = client.get_run(run.info.run_id)
    assert logged.data.metrics == evaluated.metrics
    findings = json.loads((tmp_path / "bundle" / "findings.json").read_text())
    assert findings["config"]["audit"]["features"] == ["fc1:1"]
    assert "2 nodes that were not asked for (fc1:0, fc1:2)" in findings["not_examined"]
    assert evaluated.metrics["foveal/findings"] == len(findings["findings"]) > 0
    assert evaluated.metrics["foveal/samples_production"] == 60
    assert evaluated.metrics["foveal/entries_training"] == findings["library"]["entries"]["training"]
    assert 0 <= evaluated.metrics["foveal/production_uncovered_share"] <= 1
    assert evaluated.artifacts["findings"].content == findings
    assert len(evaluated.artifacts["coverage"].content) == 60
    for name, artifact in evaluated.artifacts.items():
        fresh = type(artifact)(artifact.uri)  # as another process reads it
        assert fresh.content is not None, name
        if name != "coverage":
            assert fresh.content == artifact.content
    assert logged.data.tags["foveal.verdict"] == findings["summary"]["headline"]
    assert logged.inputs.dataset_inputs[0].dataset.source_type == "foveal_library"
    audit = client.get_run(logged.data.tags["foveal.audit"])
    assert audit.data.tags["foveal.library"] == planted_library.name
    assert json.loads(audit.data.tags["foveal.copies"]) == [[run.info.run_id, "foveal"]]
    evaluated.save(str(tmp_path / "saved"))
    loaded = mlflow.models.EvaluationResult.load(str(tmp_path / "saved"))
    assert loaded.artifacts["report"].content == evaluated.artifacts["report"].content


@pytest.mark.slow
def test_a_registered_model_is_evaluated_on_files_at_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    training, production = (
        planted.write_images(tmp_path, source, number, seed)
        for source, number, seed in (("training", 160, 0), ("production", 40, 1))
    )
    everything = tmp_path / "all.csv"
    rows = [
        {**row, "source": source}
        for source, manifest in (("training", training), ("production", production))
        for row in csv.DictReader(io.StringIO(manifest.read_text()))
    ]
    pd.DataFrame(rows).to_csv(everything, index=False)
    with ready_server(tmp_path / "server") as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
        mlflow.set_tracking_uri(None)
        client = mlflow.MlflowClient()
        logged = mlflow.pytorch.log_model(
            planted.ShapesNet().eval(),
            name="shapes",
            registered_model_name="shapes",
            serialization_format="pickle",
            pip_requirements=["torch"],
        )
        with mlflow.start_run() as run:
            evaluated = mlflow.models.evaluate(
                "models:/shapes/1",
                mlflow.data.from_sample_files(everything),
                model_type="foveal-audit",
                evaluators=["foveal"],
                evaluator_config={"foveal": LEAST},
            )
        library = Library("shapes")  # the logged model's name
        assert evaluated.metrics["foveal/samples_training"] == 160
        assert evaluated.metrics["foveal/samples_production"] == 40
        assert evaluated.run_id == run.info.run_id
        assert client.get_run(run.info.run_id).data.metrics == evaluated.metrics
        assert type(evaluated.artifacts["findings"])(evaluated.artifacts["findings"].uri).content
        version = client.get_model_version("shapes", "1")
        assert version.tags["foveal.library"] == "shapes"
        assert version.tags["foveal.findings"] == str(int(evaluated.metrics["foveal/findings"]))
        metrics = {one.key: one.value for one in client.get_logged_model(logged.model_id).metrics}
        assert metrics == evaluated.metrics
        note = client.get_run(library.run_id).data.tags["mlflow.note.content"]
        assert "Model: [shapes, version 1](#/models/shapes/versions/1)." in note
        assert "contribution:0" in note
