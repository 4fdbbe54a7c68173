"""Where a data set comes from: a feature library, or one feature of it (``mlflow.dataset_source``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from mlflow.data.dataset_source import DatasetSource

from foveal.errors import UsageError, nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from foveal.library import Library
    from foveal.records import Source

SCHEME = "foveal:"

#: What says which entries are meant, as opposed to their evidence: crops, maps and vectors are megabytes.
REFERENCES = (
    "id",
    "feature",
    "sample",
    "row",
    "source",
    "window",
    "activation",
    "share",
    "predicted",
    "label",
    "time",
    "method",
    "layer",
    "threshold",
    "model_sha256",
    "config_sha256",
    "sample_sha256",
)
_KEYS = ("library", "feature", "source", "tracking_uri")


class FeatureLibrarySource(DatasetSource):
    """A feature library as the source of a data set.

    Parameters
    ----------
    library
        Its name.
    feature
        Only entries of this feature, as :meth:`foveal.Library.features` lists it.
    source
        Only entries of samples that come from there.
    tracking_uri
        Where it is; MLflow's own default where none is given. User name and password are not kept.

    Examples
    --------
    >>> mlflow.data.from_pandas(table, source="foveal:nodules/contribution:12")  # doctest: +SKIP
    """

    def __init__(
        self,
        library: str,
        feature: str | None = None,
        source: Source | None = None,
        tracking_uri: str | None = None,
    ) -> None:
        self.library, self.feature, self.source = library, feature, source
        self.tracking_uri = None if tracking_uri is None else _without_credentials(tracking_uri)

    @property
    def uri(self) -> str:
        """``foveal:NAME`` or ``foveal:NAME/FEATURE``, with other characters than these escaped."""
        parts = [self.library, *([] if self.feature is None else [self.feature])]
        return SCHEME + "/".join(quote(part, safe=":, ") for part in parts)

    def open(self) -> Library:
        """Give the library."""
        from foveal.library import Library  # noqa: PLC0415 - loaded during `import mlflow`

        return Library(self.library, self.tracking_uri)

    def load(self, columns: Sequence[str] | None = None) -> Any:  # noqa: ANN401 - pandas has no types here
        """Load the entries as a pandas data frame.

        Parameters
        ----------
        columns
            Columns to load; by default those that say which entries are meant, without crops and maps.

        Raises
        ------
        UsageError
            If the library, the feature or a column does not exist.
        EnvironmentFault
            If MLflow cannot be reached.
        """
        return self.table(columns).to_pandas()

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Load the entries as a table of Arrow; see :meth:`load`."""
        library = self.open()
        if self.feature is not None:
            library[self.feature]  # names the features that are most alike, where there is no such feature
        return library.entries(self.feature, self.source, REFERENCES if columns is None else columns)

    def to_dict(self) -> dict[str, Any]:
        """Give what is written down of the source with a run."""
        return {"uri": self.uri, **{key: getattr(self, key) for key in _KEYS}}

    @classmethod
    def from_dict(cls, source_dict: Mapping[str, Any]) -> FeatureLibrarySource:
        """Read a source back."""
        return cls(**{key: source_dict.get(key) for key in _KEYS})  # type: ignore[arg-type] # as written

    @staticmethod
    def _get_source_type() -> str:
        return "foveal_library"

    @staticmethod
    def _can_resolve(raw_source: Any) -> bool:  # noqa: ANN401 - MLflow asks about anything
        return isinstance(raw_source, str) and raw_source.startswith(SCHEME)

    @classmethod
    def _resolve(cls, raw_source: str) -> FeatureLibrarySource:
        name, _, feature = raw_source.removeprefix(SCHEME).partition("/")
        if not name:
            raise UsageError(f"{raw_source!r} names no library", "Write foveal:NAME or foveal:NAME/FEATURE")
        return cls(unquote(name), unquote(feature) or None)


def check_source(source: str | None) -> Source | None:
    """Check where samples are said to come from.

    Raises
    ------
    UsageError
        If there is no such source.
    """
    from foveal.records import SOURCES  # noqa: PLC0415 - brings numpy

    known = next((one for one in SOURCES if one == source), None)
    if source is not None and known is None:
        raise UsageError(f"Unknown source {source!r}", nearest(source, SOURCES))
    return known


def _without_credentials(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else uri
