"""Artifacts straight from and to memory, where an MLflow server hands them on to its own store.

MLflow's own way leads through a file for every artifact and sends it in blocks of 16 KiB, which takes four
times the processor time of the request itself. The requests are the same and made by MLflow's own client,
with its addresses, credentials, patience and headers.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Each block may take as long as the user lets a request wait: a slow line moves this much in that time.
_BLOCK = 1 << 18


class MissingError(Exception):
    """The server says that there is no such artifact."""


def send(repository: Any, path: str, content: bytes | memoryview) -> None:  # noqa: ANN401 - see `_is_proxied`
    """Write an artifact.

    Parameters
    ----------
    repository
        MLflow's way to the files of a run.
    path
        Folder and name.
    content
        All of it.

    Raises
    ------
    OSError, MlflowException
        If the store does not take it.
    """
    folder, name = path.rsplit("/", 1)
    if _is_proxied(repository) and len(content) < _in_parts():
        headers = {"Content-Type": "application/octet-stream"}
        _request(repository, path, "PUT", data=_Blocks(content), extra_headers=headers)
        return
    with tempfile.TemporaryDirectory(prefix="foveal-") as scratch:
        file = Path(scratch) / name
        file.write_bytes(content)
        repository.log_artifact(str(file), folder)


def receive(repository: Any, path: str) -> bytes:  # noqa: ANN401 - see `_is_proxied`
    """Read a small artifact.

    Raises
    ------
    MissingError
        If there is none.
    OSError, MlflowException
        If the store does not give it.
    """
    try:
        if _is_proxied(repository):
            return bytes(_request(repository, path, "GET").content)
        with tempfile.TemporaryDirectory(prefix="foveal-") as scratch:
            file = Path(scratch) / "artifact"
            repository._download_file(path, str(file))  # what MLflow's own loop over folders calls
            return file.read_bytes()
    except OSError as fault:
        if getattr(getattr(fault, "response", None), "status_code", None) == 404:
            raise MissingError(path) from None
        raise


class _Blocks:
    """Bytes that are sent block by block, again from the start where a request is made again."""

    def __init__(self, content: bytes | memoryview) -> None:
        self._content = memoryview(content)

    def __len__(self) -> int:
        return len(self._content)

    def __iter__(self) -> Iterator[memoryview]:
        return (self._content[at : at + _BLOCK] for at in range(0, len(self), _BLOCK))


def _request(repository: Any, path: str, method: str, **options: Any) -> Any:  # noqa: ANN401 - without types
    """Ask the server as MLflow's repository of this kind does."""
    from mlflow.utils import request_utils, rest_utils  # noqa: PLC0415 - takes seconds

    ask: Any = rest_utils.http_request
    check: Any = request_utils.augmented_raise_for_status
    response = ask(repository._host_creds, f"/{path}", method, **options)
    check(response)
    return response


def _is_proxied(repository: Any) -> bool:  # noqa: ANN401 - an ArtifactRepository, without type information
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository  # noqa: PLC0415 - takes seconds

    return isinstance(repository, HttpArtifactRepository)


def _in_parts() -> int:
    """Say from how many bytes on MLflow may send a file in parts, to where its server says."""
    from mlflow import environment_variables  # noqa: PLC0415 - takes seconds

    size: Any = environment_variables.MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE
    return int(size.get())
