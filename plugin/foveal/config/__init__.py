"""The ``foveal:`` section of an archive's ``model-config.yaml``, and the variables that override it.

Every key may be overridden by an environment variable: ``FOVEAL_`` and the key in capitals, sections joined
by an underscore. Lists are separated by commas, ``FOVEAL_RULE`` reads ``percentile:95``:

    FOVEAL_FEATURES FOVEAL_METHOD FOVEAL_LAYER FOVEAL_RULE FOVEAL_WINDOW FOVEAL_MAX_WINDOWS FOVEAL_SAMPLE_RATE
    FOVEAL_SAMPLING_PER_FEATURE FOVEAL_SAMPLING_UNCERTAIN FOVEAL_SAMPLING_NOVEL FOVEAL_BUDGET
    FOVEAL_CLASSIFIER FOVEAL_KEEP_METADATA FOVEAL_KEEP_HEADERS FOVEAL_KEEP_BURNT_IN_TEXT
    FOVEAL_SPOOL_DIR FOVEAL_SPOOL_MAX_BYTES FOVEAL_SPOOL_DURABILITY
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from foveal.config import values
from foveal.config.values import Rule
from foveal.errors import UsageError, nearest

__all__ = ["DEFAULT_METHOD", "FovealConfig", "Keep", "Rule", "Sampling", "SpoolSettings"]

#: Of the methods that come with the prediction it says best where (docs/methods.md); behind an average over
#: space it is Grad-CAM itself.
DEFAULT_METHOD = "hirescam"

#: What reads one value: the value as YAML or the environment gave it, and what to call it in an error.
_Parser = Callable[[object, str], Any]

_SCHEMA: dict[str, _Parser | dict[str, _Parser]] = {
    "features": values.features,
    "method": values.method,
    "layer": values.text,
    "rule": values.rule,
    "window": values.window,
    "max_windows": values.whole,
    "sample_rate": values.rate,
    "sampling": {"per_feature": values.count, "uncertain": values.rate, "novel": values.rate},
    "budget": values.milliseconds,
    "classifier": values.text,
    "keep": {"metadata": values.names, "headers": values.names, "burnt_in_text": values.burnt_in_text},
    "spool": {"dir": values.folder, "max_bytes": values.size, "durability": values.durability},
}


@dataclass(frozen=True)
class Keep:
    """What may be kept about a sample beside its pixels.

    Attributes
    ----------
    metadata
        Manifest columns or request keys that are kept. For requests an empty list keeps nothing; `collect`
        keeps every column then.
    headers
        Request headers that are kept, under their lower-case name.
    burnt_in_text
        ``mask`` fills in what looks like text in pictures before they are written down; the network sees it.
    """

    metadata: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    burnt_in_text: Literal["keep", "mask"] = "keep"

    @property
    def hides_text(self) -> bool:
        """Whether burnt-in text is filled in."""
        return self.burnt_in_text == "mask"


@dataclass(frozen=True)
class Sampling:
    """Which of the requests are kept beside, and out of, those that ``sample_rate`` draws.

    Attributes
    ----------
    per_feature
        Entries of a feature kept at full rate per day and worker; of those beyond, ever fewer are, as in a
        reservoir. 0 keeps them all.
    uncertain
        Requests whose largest probability is below this are kept whatever is drawn; 0 for none.
    novel
        This share of the requests, those least like what was seen so far, is kept whatever is drawn.
    """

    per_feature: int = 0
    uncertain: float = 0.0
    novel: float = 0.0


@dataclass(frozen=True)
class SpoolSettings:
    """Where the worker writes what it saw, and how hard it tries.

    Attributes
    ----------
    dir
        Folder of the spool; None leaves the choice to whoever serves.
    max_bytes
        Quota of the folder; beyond it observations are dropped and counted.
    durability
        ``process`` survives a killed worker, ``power`` also a power cut.
    """

    dir: str | None = None
    max_bytes: int = 2_000_000_000
    durability: Literal["process", "power"] = "process"


@dataclass(frozen=True)
class FovealConfig:
    """How a model is watched; every field is described in the design under "Configuration".

    Attributes
    ----------
    features
        ``auto`` (the penultimate nodes), or names such as ``fc1``, ``fc1:7``, ``layer4:12``, ``class:*``.
    method
        Name of the attribution method for nodes and classes.
    layer
        Where the map is taken: a module's dotted name, or ``auto``.
    rule
        When a feature counts as present.
    window
        Side of the crop in the sample's steps, one per axis ((height, width) of images), or ``auto``.
    max_windows
        Windows per map at most.
    sample_rate
        Share of the requests that are observed, 0 to 1.
    budget
        Milliseconds that writing one request down may take; where it takes longer, fewer are observed.
    classifier
        Where a foreign handler keeps its network, such as ``net.backbone``; ``auto`` looks for it.
    """

    features: Literal["auto"] | tuple[str, ...] = "auto"
    method: str = DEFAULT_METHOD
    layer: str = "auto"
    rule: Rule = field(default_factory=Rule)
    window: Literal["auto"] | int | tuple[int, ...] = "auto"
    max_windows: int = 3
    sample_rate: float = 1.0
    sampling: Sampling = field(default_factory=Sampling)
    budget: float = 50.0
    classifier: str = "auto"
    keep: Keep = field(default_factory=Keep)
    spool: SpoolSettings = field(default_factory=SpoolSettings)

    @classmethod
    def from_mapping(
        cls, mapping: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
    ) -> FovealConfig:
        """Read the section, let the environment override it, and check everything.

        Parameters
        ----------
        mapping
            The ``foveal`` section as YAML gives it; None or empty for the defaults.
        environ
            Variables to read; None for the process's own, ``{}`` for none (where a section is only
            checked, so that this machine's variables do not end up in an archive).

        Raises
        ------
        UsageError
            For an unknown key (the nearest is named) or a wrong value; the key or variable is named.
        """
        given = _parse(mapping or {}, _SCHEMA, "foveal")
        override = _from_environment(os.environ if environ is None else environ)
        merged = {**given, **override}
        parts = {
            name: kind(**{**given.get(name, {}), **override.get(name, {})}) for name, kind in _PARTS.items()
        }
        return cls(**{**merged, **parts})

    def to_mapping(self) -> dict[str, Any]:
        """Write the section in full; :meth:`from_mapping` reads it back to an equal configuration."""
        plain = asdict(self) | {"rule": self.rule.to_value()}
        if not self.keep.hides_text:  # as it was before there was a choice, so that configurations stay equal
            del plain["keep"]["burnt_in_text"]
        return {key: _plain(value) for key, value in plain.items()}

    @property
    def sha256(self) -> str:
        """Identity of the configuration: everything that shapes entries, so not what chooses requests."""
        identity = {key: value for key, value in self.to_mapping().items() if key not in _NO_SHAPE}
        return hashlib.sha256(
            json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()
        ).hexdigest()


#: The sections that are records of their own.
_PARTS: dict[str, type[Any]] = {"keep": Keep, "sampling": Sampling, "spool": SpoolSettings}
#: What decides whether a request is written down, and where, but not what.
_NO_SHAPE = {"budget", "classifier", "sampling", "spool"}


def _parse(mapping: object, schema: Mapping[str, Any], where: str) -> dict[str, Any]:
    if not isinstance(mapping, Mapping):
        raise UsageError(
            f"{where} is {mapping!r}", f"Make it a section with keys such as {next(iter(schema))!r}"
        )
    for key in mapping:
        if key not in schema:
            raise UsageError(f"Unknown key '{where}.{key}'", nearest(str(key), schema))
    return {key: _parse_value(value, schema[key], f"{where}.{key}") for key, value in mapping.items()}


def _parse_value(value: object, parser: _Parser | dict[str, _Parser], where: str) -> object:
    if isinstance(parser, dict):
        return _parse({} if value is None else value, parser, where)
    return parser(value, where)


def _from_environment(
    environ: Mapping[str, str], schema: Mapping[str, Any] = _SCHEMA, prefix: str = "FOVEAL"
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, parser in schema.items():
        name = f"{prefix}_{key.upper()}"
        if isinstance(parser, dict):
            found |= {key: section} if (section := _from_environment(environ, parser, name)) else {}
        elif name in environ:
            found[key] = parser(environ[name], name)
    return found


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
