"""The verdict where the model is registered: tags of its version, and the way there from the library."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from foveal.archives import AuditedModel
from foveal.archives.mar import opened, read_own_settings
from foveal.archives.model import BARE_SUFFIXES
from foveal.errors import EnvironmentFault
from foveal.library import Library
from foveal.library.connection import Connection
from foveal.library.erasing import RETRAIN_TAG
from foveal.library.page import AUDIT_TAG, VERDICT_TAG, VERSION_TAG
from foveal_audit.bundle.schema import Findings

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SCHEME = "models:/"


def record_verdict(model: AuditedModel, library: Library, findings: Findings, run_id: str) -> str:
    """Tag the registered model with the verdict, and the library's run with the way to it and to the audit.

    Parameters
    ----------
    model
        The audited model; it may well be registered nowhere.
    library
        The library that was audited.
    findings
        What was found.
    run_id
        The audit's run.

    Returns
    -------
    str
        Why the registry could not be told, or nothing.

    Raises
    ------
    EnvironmentFault
        If the library's own run cannot be tagged.
    """
    known = {AUDIT_TAG: run_id, VERDICT_TAG: findings.summary.headline}
    uri, warning = registered_uri(model.source), ""
    if uri is not None:
        tags = {**known, "foveal.library": library.name, "foveal.findings": str(len(findings.findings))}
        try:
            with Connection().asking() as client:
                known[VERSION_TAG] = _tag(client, uri, tags)
        except EnvironmentFault as fault:
            warning = f"{uri} was not tagged with the verdict: {fault.fault}"
    _tag_library(library, known)
    return warning


def _tag_library(library: Library, tags: Mapping[str, str]) -> None:
    with Connection(library.tracking_uri).asking() as client:
        for key, value in tags.items():
            client.set_tag(library.run_id, key, value)
        # Something was erased that generators had learned; this audit has taught them anew.
        if RETRAIN_TAG in client.get_run(library.run_id).data.tags:
            client.delete_tag(library.run_id, RETRAIN_TAG)


def registered_uri(source: str) -> str | None:
    """Say what MODEL is in the registry: ``models:/...`` itself, or what its wrapped archive names."""
    if source.startswith(_SCHEME):
        return source
    if not Path(source).exists() or Path(source).suffix in BARE_SUFFIXES:
        return None
    with opened(Path(source)) as folder:
        wrapped = read_own_settings(folder).get("wrapped")
    named = wrapped.get("registered") if isinstance(wrapped, Mapping) else None
    return named if isinstance(named, str) and named.startswith(_SCHEME) else None


def _tag(client: MlflowClient, uri: str, tags: Mapping[str, str]) -> str:
    """Tag a version, or a logged model with all its versions; give the URI of what was tagged."""
    from mlflow.store.artifact.utils.models import get_model_name_and_version  # noqa: PLC0415 - takes seconds

    name, *version = get_model_name_and_version(client, uri)  # type: ignore[no-untyped-call]
    if version:
        _tag_version(client, name, version[0], tags)
        return f"{_SCHEME}{name}/{version[0]}"
    client.set_logged_model_tags(name, dict(tags))
    versions = client.search_model_versions(f"source_path = '{_SCHEME}{name}'")
    for version in versions:
        _tag_version(client, version.name, version.version, tags)
    return f"{_SCHEME}{versions[0].name}/{versions[0].version}" if len(versions) == 1 else uri


def _tag_version(client: MlflowClient, name: str, version: str, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)
