"""The data of an evaluation: samples to collect before the audit, or references to what is in the library."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from foveal.archives import AuditedModel
from foveal.collecting import collect
from foveal.errors import UsageError
from foveal.library import Library
from foveal.mlflow_plugins.sources import check_source
from foveal.records import Source
from foveal_audit.evaluating.settings import EvaluationSettings

if TYPE_CHECKING:
    from mlflow.data.evaluation_dataset import EvaluationDataset

#: Texts by column.
_Table: TypeAlias = dict[str, list[str]]


def take_in(
    dataset: EvaluationDataset, model: AuditedModel, library: Library, settings: EvaluationSettings
) -> int:
    """Collect the samples of a data set that are files; check that all others are in the library.

    Returns
    -------
    int
        Number of samples that are new to the library.

    Raises
    ------
    UsageError
        If the data refers to nothing, or to what is not there.
    """
    table = _texts(dataset.features_data)
    if "path" in table:
        sources = _sources(table, settings)
        with _manifest(dataset, table) as data:
            return sum(_collect(data, source, model, library, settings) for source in sources)
    if "sample" not in table:
        raise UsageError(
            "The data has neither a 'path' nor a 'sample' column",
            "Give mlflow.data.from_sample_files(DATA) or mlflow.data.from_feature_library(NAME)",
        )
    _require(table["sample"], library)
    return 0


def _texts(data: Any) -> _Table:  # noqa: ANN401 - pandas has no types here
    """Read a data frame as texts, by column; other data has no columns."""
    columns = {name: data[name].astype(object) for name in getattr(data, "columns", ())}
    return {str(name): [*map(_text, cells.where(cells.notna(), ""))] for name, cells in columns.items()}


def _text(value: object) -> str:
    """Write a cell without the decimals that pandas gives whole numbers where one of them is missing."""
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _collect(
    data: Path, source: Source, model: AuditedModel, library: Library, settings: EvaluationSettings
) -> int:
    done = collect(
        model, data, source, library, batch=settings.batch, skip_unreadable=settings.skip_unreadable
    )
    return done.samples


def _sources(table: _Table, settings: EvaluationSettings) -> list[Source]:
    """List the sources that the samples name, else that of the settings."""
    said = {one.strip() for one in table.get("source", [""])}
    if said == {""} and settings.source is not None:
        return [settings.source]
    if "" in said:
        some = "Some samples" if len(said) > 1 else "The samples"
        raise UsageError(
            f"{some} of the data do not say where they come from",
            "Fill a 'source' column, or give all of them evaluator_config={'source': 'production'}",
        )
    return [known for one in sorted(said) if (known := check_source(one))]


@contextmanager
def _manifest(dataset: EvaluationDataset, table: _Table) -> Iterator[Path]:
    """Give the folder or manifest that the data was made of, else write the table down as one."""
    if dataset.path is not None:
        yield Path(dataset.path)
        return
    with tempfile.TemporaryDirectory(prefix="foveal-") as scratch:
        manifest = Path(scratch) / "data.csv"
        with manifest.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            absolute = {**table, "path": [str(Path(path).absolute()) for path in table["path"]]}
            writer.writerow(absolute)
            writer.writerows(zip(*absolute.values(), strict=True))
        yield manifest


def _require(names: Iterable[str], library: Library) -> None:
    known = set(library.samples(columns=["sample"])["sample"].to_pylist())
    missing = sorted(set(names) - known)
    if missing:
        raise UsageError(
            f"{len(missing)} samples of the data are not in library {library.name!r}, such as {missing[0]!r}",
            "Collect them first, or give their files: mlflow.data.from_sample_files(DATA)",
        )
