"""Where a wrapped archive keeps Foveal's settings, so that nothing else about its serving changes.

They are added to the model-config.yaml that an archive brings. One is never added: TorchServe takes its own
timeouts in place of the server's for every archive that has one. What brings none, or one that
nothing can be added to, keeps the settings in ``MAR-INF/FOVEAL.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from foveal.archives.mar import SETTINGS, read_own_settings
from foveal.archives.settings import model_class_of
from foveal.config import FovealConfig
from foveal.errors import UsageError, nearest

#: TorchServe's own parser refuses more; a text of many aliases may stand for endless content.
_MOST_ALIASES = 50


@dataclass(frozen=True)
class Placed:
    """Settings in their place.

    Attributes
    ----------
    where
        The file that holds them.
    config
        The new content of the archive's model-config.yaml; none where it stays as it is.
    own
        What ``MAR-INF/FOVEAL.json`` holds beside what unwrapping needs.
    """

    where: str
    config: bytes | None
    own: dict[str, Any]


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """Check the sections that a user gives for an archive.

    Raises
    ------
    UsageError
        For an unknown section or key (the nearest is named) or a wrong value.
    """
    for key, value in config.items():
        if key not in _SECTIONS:
            raise UsageError(f"Unknown section {key!r} in the configuration", _mend(str(key)))
        _SECTIONS[key](value)
    return {key: {} if value is None else value for key, value in config.items()}


def _mend(key: str) -> str:
    """Say what to do about an unknown section."""
    known = FovealConfig().to_mapping()
    return f"Put {key!r} into the section 'foveal'" if key in known else nearest(key, _SECTIONS)


def _check_foveal(section: object) -> None:
    FovealConfig.from_mapping({} if section is None else section, environ={})  # type: ignore[arg-type]


def _check_preprocess(section: object) -> None:
    from foveal.samples.kinds import read_transform  # noqa: PLC0415 - brings torch

    read_transform(section or {})  # type: ignore[arg-type]


def _check_model(section: object) -> None:
    from foveal.segmenting.settings import read_section  # noqa: PLC0415 - brings torch

    if read_section({"model": section}) is None and model_class_of({"model": section}) is None:
        raise UsageError("The section 'model' names no class", "Write model: {class: NAME}")


_SECTIONS: dict[str, Callable[[object], None]] = {
    "foveal": _check_foveal,
    "preprocess": _check_preprocess,
    "model": _check_model,
}


def place(folder: Path, config_file: str | None, given: Mapping[str, Any]) -> Placed:
    """Find the place of the settings in an unpacked archive.

    Parameters
    ----------
    folder
        The archive.
    config_file
        Its model-config.yaml, where the manifest names one.
    given
        The sections that the user gives, checked.

    Raises
    ------
    UsageError
        When the archive has such a section already, or one that is wrong.
    """
    own = {key: value for key, value in read_own_settings(folder).items() if key in _SECTIONS}
    if not config_file or not (folder / config_file).is_file():
        return Placed(SETTINGS, None, {"foveal": {}, **own, **given})
    present = (folder / config_file).read_bytes()
    content = _content(present, config_file)
    _require_new(given, content, config_file)
    own = {key: value for key, value in own.items() if key not in {**content, **given}}  # one place for each
    sections = given if "foveal" in {**content, **own} else {"foveal": {}, **given}
    appended = _appended(present, content, sections)
    if appended is None:
        return Placed(SETTINGS, None, {**own, **sections})
    where = config_file if "foveal" in {**content, **sections} else SETTINGS
    return Placed(where, appended if sections else None, own)


def _content(present: bytes, config_file: str) -> dict[str, Any]:
    """Read a model-config.yaml, and check the sections of ours that it has already."""
    try:
        content = yaml.safe_load(present)
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise UsageError(
            f"{config_file} of the archive cannot be read as YAML ({reason})",
            "Mend it and build the archive again",
        ) from error
    settings = content if isinstance(content, dict) else {}
    _check_foveal(settings.get("foveal"))
    return settings


def _require_new(given: Mapping[str, Any], content: Mapping[str, Any], config_file: str) -> None:
    """Refuse to give a section twice."""
    for key in given:
        if key in content:
            raise UsageError(
                f"{config_file} of the archive has a section {key!r} already",
                "Leave that section out of --config, or change it in the archive",
            )


def _appended(present: bytes, content: Mapping[str, Any], sections: Mapping[str, Any]) -> bytes | None:
    """Add sections below what is there; gives nothing where the text would mean something else then."""
    newline = b"\r\n" if b"\r\n" in present else b"\n"
    added = yaml.safe_dump(dict(sections), sort_keys=False, allow_unicode=True).encode() if sections else b""
    gap = b"" if not present or present.endswith(b"\n") else newline
    text = present + gap + added.replace(b"\n", newline)
    if sum(isinstance(token, yaml.AliasToken) for token in yaml.scan(present)) > _MOST_ALIASES:
        return None
    try:
        same = yaml.safe_load(text) == {**content, **sections}
    except (ValueError, yaml.YAMLError):
        return None
    return text if same else None
