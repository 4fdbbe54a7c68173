"""Data sets for ``mlflow.log_input`` and ``mlflow.models.evaluate``."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.data.dataset import Dataset
from mlflow.data.pyfunc_dataset_mixin import PyFuncConvertibleDatasetMixin

from foveal.mlflow_plugins.sources import FeatureLibrarySource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlflow.data.dataset_source import DatasetSource
    from mlflow.data.evaluation_dataset import EvaluationDataset
    from mlflow.data.pyfunc_dataset_mixin import PyFuncInputsOutputs
    from mlflow.types import Schema

    from foveal.samples.listing import SampleFile

#: MLflow takes 36 characters.
_DIGEST = 32
#: What an entry is: its id names sample, window and model; the rest says what was in them.
_CONTENT = ("id", "feature", "sample_sha256", "config_sha256", "activation")


class ReferenceDataset(Dataset, PyFuncConvertibleDatasetMixin):
    """A data set whose rows refer to samples or entries, in a pandas data frame."""

    @property
    def df(self) -> Any:  # noqa: ANN401 - pandas has no types here
        """The references."""
        raise NotImplementedError

    @property
    def path(self) -> str | None:
        """The folder or manifest with the samples, if they are files."""
        return None

    @property
    def schema(self) -> Schema | None:
        """Names and types of the columns."""
        from mlflow.types.utils import _infer_schema  # noqa: PLC0415 - loaded during `import mlflow`

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # hints for those who serve a model of such a schema
            return _infer_schema(self.df)

    def to_dict(self) -> dict[str, str]:
        """Give what is written down of the data set with a run."""
        written = {**super().to_dict(), "profile": json.dumps(self.profile)}
        if self.schema is not None:
            written["schema"] = json.dumps({"mlflow_colspec": self.schema.to_dict()})
        return written

    def to_pyfunc(self) -> PyFuncInputsOutputs:
        """Give the references as the inputs of a model."""
        from mlflow.data.pyfunc_dataset_mixin import PyFuncInputsOutputs  # noqa: PLC0415

        return PyFuncInputsOutputs(self.df)

    def to_evaluation_dataset(
        self, path: str | None = None, feature_names: list[str] | None = None
    ) -> EvaluationDataset:
        """Give the references as MLflow's evaluators take them."""
        from mlflow.data.evaluation_dataset import EvaluationDataset  # noqa: PLC0415

        return EvaluationDataset(  # type: ignore[no-untyped-call]
            self.df,
            name=self.name,
            path=path or self.path,
            digest=self.digest,
            feature_names=feature_names,
        )


class FeatureLibraryDataset(ReferenceDataset):
    """The entries of a feature library; read when they are asked for.

    The digest depends on the entries alone: not on the order in which they came, nor on how they are stored.
    """

    def __init__(
        self, source: FeatureLibrarySource, name: str | None = None, digest: str | None = None
    ) -> None:
        self._library = source
        super().__init__(source, name or source.uri.removeprefix("foveal:"), digest)

    @cached_property
    def df(self) -> Any:  # noqa: ANN401 - pandas has no types here
        """The references of the entries, without their crops and maps."""
        return self._library.load()

    @cached_property
    def profile(self) -> dict[str, Any]:
        """Numbers of entries, features and samples, and of entries per source."""
        table = self._library.table(["feature", "source", "sample_sha256"])
        sources = sorted(table["source"].to_pylist())
        return {
            "num_rows": len(table),
            "num_features": len(table["feature"].unique()),
            "num_samples": len(table["sample_sha256"].unique()),
            "sources": {source: sources.count(source) for source in dict.fromkeys(sources)},
        }

    def _compute_digest(self) -> str:
        table = self._library.table(_CONTENT)
        return _digest(map(repr, zip(*(table[name].to_pylist() for name in _CONTENT), strict=True)))


class SampleFilesDataset(ReferenceDataset):
    """Sample files on disk, as a folder or a CSV manifest lists them."""

    def __init__(
        self,
        data: Path,
        files: Sequence[SampleFile],
        source: DatasetSource,
        name: str | None = None,
        digest: str | None = None,
    ) -> None:
        self._data, self._files = data, files
        super().__init__(source, name or data.name, digest)

    @property
    def path(self) -> str:
        """The folder or manifest."""
        return str(self._data)

    @cached_property
    def df(self) -> Any:  # noqa: ANN401 - pandas has no types here
        """Name, path, label and source of every sample, and its metadata."""
        import pyarrow as pa  # noqa: PLC0415 - loaded during `import mlflow`

        rows = [_row(file) for file in self._files]
        columns = dict.fromkeys(column for row in rows for column in row)
        return pa.table({column: [row.get(column, "") for row in rows] for column in columns}).to_pandas()

    @property
    def profile(self) -> dict[str, Any]:
        """Number of the samples."""
        return {"num_rows": len(self._files)}

    def _compute_digest(self) -> str:
        return _digest(
            repr((file.name, file.label, file.source, sorted(file.metadata.items()), _sha256(file.path)))
            for file in self._files
        )


def _row(file: SampleFile) -> dict[str, str]:
    own = {"path": str(file.path), "sample": file.name, "label": file.label, "source": file.source}
    known = {key: value or "" for key, value in own.items()}
    return {**known, **file.metadata, **known}  # twice: it comes first, and no metadata replaces it


def _digest(rows: Iterable[str]) -> str:
    """Hash rows as a set: their order does not count."""
    total = hashlib.sha256()
    for row in sorted(rows):
        total.update(row.encode("utf-8", "surrogatepass") + b"\n")
    return total.hexdigest()[:_DIGEST]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
