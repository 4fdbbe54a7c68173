"""What ``evaluator_config`` may say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from foveal.errors import UsageError, nearest
from foveal.mlflow_plugins.sources import check_source
from foveal.records import Source
from foveal_audit.settings import QUICK, AuditSettings, feature_names


@dataclass(frozen=True)
class EvaluationSettings:
    """Settings of one evaluation.

    Attributes
    ----------
    model
        MODEL as `foveal audit` takes it; by default the model that MLflow evaluates.
    library
        The feature library; by default that of the model's name.
    source
        Where the samples of the data come from, where they do not say so themselves.
    out
        Folder that keeps the bundle; by default it is only logged.
    previous, key
        As in :func:`foveal_audit.publishing.publish`.
    batch, skip_unreadable
        As in :func:`foveal.collecting.collect`.
    audit
        How thorough.
    """

    model: str | None = None
    library: str | None = None
    source: Source | None = None
    out: Path | None = None
    previous: Path | None = None
    key: Path | None = None
    batch: int = 64
    skip_unreadable: bool = False
    audit: AuditSettings = field(default_factory=AuditSettings)


_TEXT, _PATH = ((str,), "a text"), ((str, Path), "a path")
_FLAG, _NUMBER = ((bool,), "True or False"), ((int,), "a whole number, 0 or more")
_NAMES = (str, list, tuple), "a text, or a list of texts"

#: Says that an audit is wanted, whatever the ``model_type``.
WANTED = "audit"
#: Keys of ``evaluator_config``, with the types of their values and what these are called.
KEYS: dict[str, tuple[tuple[type, ...], str]] = {
    WANTED: _FLAG,
    "model": _TEXT,
    "library": _TEXT,
    "source": _TEXT,
    "out": _PATH,
    "previous": _PATH,
    "key": _PATH,
    "batch": _NUMBER,
    "skip_unreadable": _FLAG,
    "quick": _FLAG,
    "seed": _NUMBER,
    "pairs": _NUMBER,
    "nodes": _NUMBER,
    "generators": _NUMBER,
    "generator_kind": _TEXT,
    "generator_steps": _NUMBER,
    "features": _NAMES,
}
_AUDIT = tuple(one.name for one in fields(AuditSettings))


def read_settings(config: Mapping[str, Any]) -> EvaluationSettings:
    """Read ``evaluator_config``.

    Raises
    ------
    UsageError
        If it has a key that means nothing, naming those that are most alike, a value of another type, or
        names of features that are none.
    """
    for key, value in config.items():
        _check(key, value)
    given: dict[str, Any] = {
        key: Path(value) if KEYS[key] is _PATH else value for key, value in config.items()
    }
    if "features" in given:
        given["features"] = _features(given["features"])
    base = QUICK if given.pop("quick", False) else AuditSettings()
    audit = replace(base, **{name: given.pop(name) for name in _AUDIT if name in given})
    given.pop(WANTED, None)
    check_source(given.get("source"))
    return EvaluationSettings(audit=audit, **given)


def _features(value: str | Sequence[str]) -> tuple[str, ...]:
    """Read names as `foveal audit --features` does."""
    return feature_names([value] if isinstance(value, str) else value)


def _check(key: str, value: object) -> None:
    if key not in KEYS:
        raise UsageError(f"evaluator_config has no key {key!r}", nearest(str(key), KEYS))
    types, wanted = KEYS[key]
    right = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    members = value if isinstance(value, list | tuple) else ()
    right = right and all(isinstance(one, str) for one in members)
    if not right or (isinstance(value, int) and value < 0):
        raise UsageError(f"evaluator_config[{key!r}] is {value!r}", f"Give {wanted}")
