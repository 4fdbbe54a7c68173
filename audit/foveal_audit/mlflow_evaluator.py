"""The audit as an evaluator of MLflow (``mlflow.model_evaluator``), for ``mlflow.models.evaluate``.

Everything heavy is imported when an audit begins: MLflow loads this module for every evaluation.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.models.evaluation.artifacts import CsvEvaluationArtifact, JsonEvaluationArtifact
from mlflow.models.evaluation.base import EvaluationArtifact, EvaluationResult, ModelEvaluator

from foveal.errors import UsageError

if TYPE_CHECKING:
    from mlflow.data.evaluation_dataset import EvaluationDataset
    from mlflow.pyfunc import PyFuncModel

    from foveal.archives import AuditedModel
    from foveal.library import Library
    from foveal_audit.evaluating.settings import EvaluationSettings
    from foveal_audit.publishing import Published

MODEL_TYPE = "foveal-audit"
_FOLDER = "foveal"


class PageEvaluationArtifact(EvaluationArtifact):
    """A text in UTF-8, such as the report."""

    def _save(self, output_artifact_path: str) -> None:
        Path(output_artifact_path).write_text(self.content, encoding="utf-8")

    def _load_content_from_file(self, local_artifact_path: str) -> str:
        return Path(local_artifact_path).read_text(encoding="utf-8")


#: Files of the bundle that become artifacts of the evaluation; the whole bundle is in the audit's own run.
_FILES: dict[str, type[EvaluationArtifact]] = {
    "findings.json": JsonEvaluationArtifact,
    "report.html": PageEvaluationArtifact,
    "coverage.csv": CsvEvaluationArtifact,
}


class AuditEvaluator(ModelEvaluator):
    """Audits a model and logs what it found to the evaluation's run.

    Examples
    --------
    >>> mlflow.models.evaluate(
    ...     "models:/nodules/3",
    ...     mlflow.data.from_feature_library("nodules"),
    ...     model_type="foveal-audit",
    ...     evaluators="foveal",
    ...     evaluator_config={"library": "nodules"},
    ... )  # doctest: +SKIP
    """

    @classmethod
    def can_evaluate(
        cls, *, model_type: str | None, evaluator_config: Mapping[str, Any] | None, **_: object
    ) -> bool:
        """Say yes to our own model type, and where the configuration asks for an audit; to nothing else."""
        return model_type == MODEL_TYPE or (evaluator_config or {}).get("audit") is True

    def evaluate(
        self,
        *,
        model_type: str | None,
        dataset: EvaluationDataset,
        run_id: str,
        evaluator_config: Mapping[str, Any] | None,
        model: PyFuncModel | None = None,
        model_id: str | None = None,
        extra_metrics: object = None,
        custom_artifacts: object = None,
        **_: object,
    ) -> EvaluationResult:
        """Audit the model on its library.

        Parameters
        ----------
        model_type, dataset, run_id, evaluator_config, model, model_id, extra_metrics, custom_artifacts
            As MLflow gives them. Samples in the data that are files are collected first; see
            :class:`foveal_audit.evaluating.settings.EvaluationSettings` for the configuration.

        Returns
        -------
        mlflow.models.EvaluationResult
            Its artifacts: ``findings``, ``report`` and ``coverage``.

        Raises
        ------
        UsageError
            If model, data or configuration are wrong, or the library holds nothing about the model.
        EnvironmentFault
            If MLflow or the disk fails.
        """
        from foveal_audit.evaluating.data import take_in  # noqa: PLC0415 - loaded for every evaluation
        from foveal_audit.evaluating.metrics import metrics_of  # noqa: PLC0415
        from foveal_audit.evaluating.settings import read_settings  # noqa: PLC0415
        from foveal_audit.publishing import publish  # noqa: PLC0415

        if model_type == MODEL_TYPE and (extra_metrics or custom_artifacts):
            raise UsageError("An audit takes no extra_metrics or custom_artifacts", "Leave them out")
        settings = read_settings(evaluator_config or {})
        logged = model_id or getattr(model, "model_id", None)
        audited = _model(settings, logged)
        library = _library(settings, audited)
        with _bundle_folder(settings.out) as out:
            take_in(dataset, audited, library, settings)
            published = publish(
                audited, library, settings.audit, out, previous=settings.previous, key=settings.key
            )
            metrics = metrics_of(published.findings, out)
            # MLflow itself logs metrics to a model whose id it was given.
            mine = None if model_id or settings.model else logged
            artifacts = _log(run_id, metrics, published, mine)
            return EvaluationResult(metrics, artifacts, run_id)  # type: ignore[no-untyped-call]


def _model(settings: EvaluationSettings, model_id: str | None) -> AuditedModel:
    """Load the model that the configuration names, else the one that MLflow evaluates."""
    from foveal.archives import load_model  # noqa: PLC0415 - loaded for every evaluation

    uri = settings.model or (f"models:/{model_id}" if model_id else None)
    if uri is None:
        raise UsageError(
            "MLflow does not say which model is evaluated",
            "Name it: evaluator_config={'model': 'NAME.mar'}, or another MODEL that `foveal audit` takes",
        )
    return load_model(uri)


def _library(settings: EvaluationSettings, audited: AuditedModel) -> Library:
    """Give the library of the configuration, else that of the model's name."""
    from foveal.library import Library  # noqa: PLC0415 - loaded for every evaluation
    from foveal.library.connection import Connection  # noqa: PLC0415

    if settings.library is None and audited.source == f"models:/{audited.name}":  # an id of MLflow's own
        with Connection().asking() as client:
            return Library(str(client.get_logged_model(audited.name).name))
    return Library(settings.library or audited.name)


@contextmanager
def _bundle_folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="foveal-") as scratch:
        yield Path(scratch) / "bundle"


def _log(
    run_id: str, metrics: Mapping[str, float], published: Published, model_id: str | None
) -> dict[str, EvaluationArtifact]:
    """Log metrics, artifacts and the way to the whole bundle to the evaluation's run."""
    from mlflow.entities import Metric  # noqa: PLC0415

    from foveal.library.connection import Connection  # noqa: PLC0415 - loaded for every evaluation
    from foveal.library.redactors import COPIES_TAG  # noqa: PLC0415

    now = int(published.findings.created.timestamp() * 1000)
    tags = {"foveal.audit": published.run_id, "foveal.verdict": published.findings.summary.headline}
    with Connection().moving() as client:
        client.log_batch(run_id, [Metric(name, value, now, 0, model_id) for name, value in metrics.items()])
        for name in _FILES:
            client.log_artifact(run_id, str(published.bundle / name), _FOLDER)
        for key, value in tags.items():
            client.set_tag(run_id, key, value)
        # The report shows samples: what is erased from the library is erased from these copies too.
        client.set_tag(published.run_id, COPIES_TAG, json.dumps([[run_id, _FOLDER]]))
        root = client.get_run(run_id).info.artifact_uri
    made = {name: _artifact(kind, f"{root}/{_FOLDER}/{name}") for name, kind in _FILES.items()}
    for name, artifact in made.items():
        artifact._load(str(published.bundle / name))  # type: ignore[no-untyped-call]
    return {Path(name).stem: artifact for name, artifact in made.items()}


def _artifact(kind: type[EvaluationArtifact], uri: str) -> EvaluationArtifact:
    return kind(uri)
