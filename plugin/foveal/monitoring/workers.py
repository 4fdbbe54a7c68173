"""The workers' metrics as metrics.yaml declares them: TorchServe drops what is not there, silently."""

from __future__ import annotations

from typing import Any

import yaml

from foveal.archives.metrics_file import inserted
from foveal.errors import UsageError
from foveal.monitoring.names import at

SECTION = "model_metrics"


def declared() -> dict[str, list[dict[str, Any]]]:
    """Declare our metrics: lists by kind, for the section ``model_metrics``."""
    found: dict[str, list[dict[str, Any]]] = {}
    for metric in at("worker"):
        entry = {"name": metric.name, "unit": metric.unit, "dimensions": metric.dimensions}
        found.setdefault(metric.kind, []).append(entry)
    return found


def missing(text: str) -> dict[str, list[dict[str, Any]]]:
    """Find what a metrics.yaml lacks of our metrics, or declares with other dimensions.

    Parameters
    ----------
    text
        The file's content.

    Raises
    ------
    UsageError
        When it is no such file.
    """
    present = _model_metrics(text)
    return {
        kind: lacking
        for kind, entries in declared().items()
        if (lacking := [entry for entry in entries if not _is_in(entry, present.get(kind) or [])])
    }


def merged(text: str) -> str:
    """Add what a metrics.yaml lacks of our metrics, in place of what it declares with other dimensions.

    Raises
    ------
    UsageError
        When it is no such file.
    """
    return inserted(text, missing(text))


def as_yaml(metrics: dict[str, list[dict[str, Any]]]) -> str:
    """Write metrics as lines that can be pasted into a metrics.yaml."""
    return str(yaml.safe_dump({SECTION: metrics}, sort_keys=False, default_flow_style=None, width=110))


def _model_metrics(text: str) -> dict[str, Any]:
    """Read the models' section of a metrics.yaml."""
    try:
        content = yaml.safe_load(text) or {}
        section = content.get(SECTION) or {}
        return {str(kind): list(entries or []) for kind, entries in section.items()}
    except (yaml.YAMLError, AttributeError, TypeError) as error:
        raise UsageError(
            "The file is no metrics.yaml", "Start from the one in TorchServe: ts/configs/metrics.yaml"
        ) from error


def _is_in(entry: dict[str, Any], present: list[Any]) -> bool:
    """Tell whether a list declares a metric with the same dimensions."""
    wanted = (entry["name"], entry["dimensions"])
    return any(
        isinstance(each, dict) and (each.get("name"), each.get("dimensions")) == wanted for each in present
    )
