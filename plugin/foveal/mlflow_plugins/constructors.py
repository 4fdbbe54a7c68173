"""``mlflow.data.from_feature_library`` and ``from_sample_files`` (``mlflow.dataset_constructor``).

MLflow checks the classes that these functions are annotated with, so the annotations must not be texts.
"""

from pathlib import Path

from foveal.mlflow_plugins.datasets import FeatureLibraryDataset, SampleFilesDataset
from foveal.mlflow_plugins.sources import SCHEME, FeatureLibrarySource, check_source


def from_feature_library(
    library: str,
    feature: str | None = None,
    source: str | None = None,
    tracking_uri: str | None = None,
    name: str | None = None,
    digest: str | None = None,
) -> FeatureLibraryDataset:
    """Make a data set of a feature library, to be logged with a run or evaluated.

    Parameters
    ----------
    library
        Its name, or ``foveal:NAME/FEATURE``.
    feature
        Only entries of this feature, such as ``contribution:12``.
    source
        Only entries of ``training``, ``validation`` or ``production`` samples.
    tracking_uri
        Where it is; MLflow's own default where none is given.
    name
        Name of the data set; by default the library's and the feature's.
    digest
        By default a hash of the entries: equal for equal entries.

    Raises
    ------
    UsageError
        If the library or the feature does not exist.

    Examples
    --------
    >>> mlflow.log_input(mlflow.data.from_feature_library("nodules", "contribution:12"))  # doctest: +SKIP
    """
    meant = FeatureLibrarySource._resolve(library if library.startswith(SCHEME) else _uri(library))
    found = FeatureLibrarySource(meant.library, feature or meant.feature, check_source(source), tracking_uri)
    return FeatureLibraryDataset(_placed(found), name, digest)


def from_sample_files(
    data: str | Path, name: str | None = None, digest: str | None = None
) -> SampleFilesDataset:
    """Make a data set of sample files, to be logged with a run or evaluated.

    Parameters
    ----------
    data
        A folder, or a CSV manifest with a ``path`` column, as ``foveal collect`` takes it.
    name
        Name of the data set; by default that of the folder or manifest.
    digest
        By default a hash of all names, labels, metadata and files.

    Raises
    ------
    UsageError
        If there is no such data, or the manifest is wrong.
    """
    from mlflow.data import sources  # noqa: PLC0415 - loaded during `import mlflow`

    from foveal.samples.listing import list_samples  # noqa: PLC0415

    place = Path(data).absolute()
    source = sources.LocalArtifactDatasetSource(place.as_uri())  # type: ignore[attr-defined] # made by MLflow
    return SampleFilesDataset(place, list_samples(place), source, name, digest)


def _uri(library: str) -> str:
    return FeatureLibrarySource(library).uri


def _placed(source: FeatureLibrarySource) -> FeatureLibrarySource:
    """Write down where the library is: who reads the run later may have another default."""
    uri = source.tracking_uri or source.open().tracking_uri
    return FeatureLibrarySource(source.library, source.feature, source.source, uri)
