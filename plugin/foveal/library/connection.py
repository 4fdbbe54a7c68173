"""A connection to an MLflow server or store: patient enough to work, never for minutes, and quiet.

MLflow is imported on first use: it takes seconds. While we call it, its own patience (four minutes for a
server that is down), its progress bars and its lines on standard output are turned down. What the user has
set in the environment stays as it is, and everything is given back afterwards.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from foveal.errors import EnvironmentFault
from foveal.library.patience import patience

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
#: Asking for something small: a server that has not answered within ten seconds is down.
_ASKING = {**_SETTINGS, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"}
#: Moving files: the server may take its time to hand them on to its own store.
_MOVING = {**_SETTINGS, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "60"}
#: Asking for what may well not be there: some servers answer that with an error of their own, once is enough.
_TRYING = {**_ASKING, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}

#: What an MLflow error says, the fault in our words and the mend.
_FAULTS = (
    (
        "timeout exception|timed out|NewConnection|NameResolution|onnection (aborted|reset)",
        "MLflow at {place} does not answer",
        "Start it, or set MLFLOW_TRACKING_URI to one that runs",
    ),
    (
        r"\b40[13]\b|PERMISSION_DENIED|UNAUTHENTICATED",
        "MLflow at {place} refuses access",
        "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    ),
    (
        "maintenance mode",
        "MLflow refuses the file store at {place}",
        "Use a database such as sqlite:///mlflow.db, or set MLFLOW_ALLOW_FILE_STORE=true",
    ),
    (
        "unsupported URI|No module named",
        "MLflow cannot work with {place}: {reason}",
        "Set MLFLOW_TRACKING_URI to an http:// address or a database such as sqlite:///mlflow.db",
    ),
    (
        "onnect to the endpoint",
        "The artifact store of MLflow at {place} does not answer: {reason}",
        "Start it, or give its address as MLflow wants it (for S3 MLFLOW_S3_ENDPOINT_URL)",
    ),
    (
        "ocate credentials|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch",
        "The artifact store of MLflow at {place} refuses access: {reason}",
        "Give its credentials as MLflow wants them (for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)",
    ),
    (
        "",
        "MLflow at {place} failed: {reason}",
        "Look into its log, then run this again",
    ),
)

#: Libraries through which MLflow reaches stores, and whose errors it hands on as they are.
_STORES = frozenset({"azure", "boto3", "botocore", "google", "paramiko", "pysftp", "s3transfer"})


def mask_credentials(text: str) -> str:
    """Replace user names, passwords and tokens inside the URIs of a text by asterisks."""
    text = re.sub(r"(?<=://)[^/\s]*@", "***@", text)
    return re.sub(r"(?i)\b((?:password|token|secret)=)[^&\s]+", r"\1***", text)


class Connection:
    """An MLflow client whose errors are ours.

    Parameters
    ----------
    uri
        Tracking URI; MLflow's own default (``MLFLOW_TRACKING_URI``, else a database in the working folder)
        where none is given.
    """

    def __init__(self, uri: str | None = None) -> None:
        self._given = uri

    @property
    def uri(self) -> str:
        """The tracking URI as it is; show :attr:`place` instead."""
        return str(self._client.tracking_uri)

    @property
    def place(self) -> str:
        """The tracking URI for people, without credentials."""
        return mask_credentials(self.uri)

    @contextmanager
    def asking(self) -> Iterator[MlflowClient]:
        """Give the client for something small.

        Raises
        ------
        EnvironmentFault
            If MLflow cannot be reached, refuses or fails; credentials are masked.
        """
        client = self._client
        with patience(_ASKING), _explaining(self.uri):
            yield client

    @contextmanager
    def trying(self) -> Iterator[MlflowClient]:
        """Give the client for something that may not be there; errors as in :meth:`asking`."""
        client = self._client
        with patience(_TRYING), _explaining(self.uri):
            yield client

    @contextmanager
    def moving(self) -> Iterator[MlflowClient]:
        """Give the client for moving files; errors as in :meth:`asking`."""
        client = self._client
        with patience(_MOVING), _explaining(self.uri):
            yield client

    @cached_property
    def _client(self) -> MlflowClient:
        with patience(_ASKING):
            from mlflow import MlflowClient  # noqa: PLC0415 - takes seconds

        with (
            patience(_ASKING),
            _explaining(self._given or os.environ.get("MLFLOW_TRACKING_URI", "its default")),
        ):
            return MlflowClient(self._given)


def kept_patient() -> AbstractContextManager[None]:
    """Hold the settings for asking, for as long as a server lives whose threads all call MLflow."""
    return patience(_ASKING)


def quiet() -> None:
    """Keep MLflow's progress notes off the terminal, whether it was imported before or not; for commands."""
    level = os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    logging.getLogger("mlflow").setLevel(level.upper())


@contextmanager
def _explaining(uri: str) -> Iterator[None]:
    """Turn MLflow's errors into ours. Their own chain is cut off: it may show credentials."""
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - takes seconds
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - comes with MLflow's stores

    try:
        yield
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        raise _fault(error, mask_credentials(uri)) from None
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _STORES:
            raise
        raise _fault(error, mask_credentials(uri)) from None


def _fault(error: Exception, place: str) -> EnvironmentFault:
    text = mask_credentials(str(error))
    reason = text.strip().split("\n", 1)[0].rstrip(". ")
    fault, mend = next((fault, mend) for pattern, fault, mend in _FAULTS if re.search(pattern, text))
    return EnvironmentFault(fault.format(place=place, reason=reason), mend)
