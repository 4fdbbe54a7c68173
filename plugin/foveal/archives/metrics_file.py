"""Add metrics to a copy of a server's metrics.yaml: lines are put in, what is there stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from foveal.archives.drafting import drafted
from foveal.errors import UsageError

#: Metrics by kind: ``{"counter": [{"name": .., "unit": .., "dimensions": [..]}]}``.
Metrics: TypeAlias = Mapping[str, list[dict[str, Any]]]

_SECTION = "model_metrics"


def merge_file(metrics_yaml: Path, folder: Path, missing: Callable[[str], Metrics]) -> Path:
    """Write a copy of a server's metrics.yaml that declares what it lacks.

    Parameters
    ----------
    metrics_yaml
        The server's file; it is only read.
    folder
        Where to put the copy; it is called ``NAME.foveal.yaml``.
    missing
        Says what the text of a metrics.yaml lacks.

    Returns
    -------
    Path
        The copy.

    Raises
    ------
    UsageError
        When the file cannot be read or is no metrics.yaml; names it.
    """
    try:
        text = metrics_yaml.read_text(encoding="utf-8")
        merged = inserted(text, missing(text))
    except (OSError, UnicodeDecodeError, UsageError) as error:
        reason = error.fault if isinstance(error, UsageError) else str(error)
        raise UsageError(
            f"{metrics_yaml} cannot be read as a metrics.yaml ({reason})",
            "Give the file that metrics_config of the server's config.properties names, "
            "or TorchServe's own: ts/configs/metrics.yaml",
        ) from error
    copy = folder / f"{metrics_yaml.stem.removesuffix('.foveal')}.foveal.yaml"
    with drafted(copy) as draft:
        draft.write_text(merged, encoding="utf-8")
    return copy


def inserted(text: str, metrics: Metrics) -> str:
    """Add metrics to the text of a metrics.yaml; where lines cannot be put in, it is written anew.

    Either way it then means what it meant, and has these metrics at the end of their lists. They take the
    place of metrics of the same kind and name.
    """
    if not metrics:
        return text
    wanted = _merged(yaml.safe_load(text) or {}, metrics)
    attempt = _with_lines(text, metrics)
    return attempt if _means(attempt, wanted) else yaml.safe_dump(wanted, sort_keys=False)


def _merged(content: Mapping[str, Any], metrics: Metrics) -> dict[str, Any]:
    """Say what a file is to mean."""
    section = dict(content.get(_SECTION) or {})
    for kind, entries in metrics.items():
        names = {entry["name"] for entry in entries}
        kept = [entry for entry in section.get(kind) or [] if not _is_named(entry, names)]
        section[kind] = [*kept, *entries]
    return {**content, _SECTION: section}


def _is_named(entry: object, names: Collection[str]) -> bool:
    return isinstance(entry, dict) and entry.get("name") in names


def _means(text: str, content: Mapping[str, Any]) -> bool:
    """Tell whether a text is YAML of this content."""
    try:
        return bool(yaml.safe_load(text) == content)
    except yaml.YAMLError:
        return False


def _with_lines(text: str, metrics: Metrics) -> str:
    """Put the lines of metrics where their lists end, as far as the text is written in lines."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    root = _children(yaml.compose(text))
    if _SECTION not in root:
        return "".join([*lines, f"{_SECTION}:\n", _lines(dict(metrics), 2)])
    section = root[_SECTION]
    if not isinstance(section, yaml.MappingNode):
        return text
    for kind, entries in metrics.items():  # behind each other: what was put in first does not move
        present = _children(section).get(kind)
        last, block = _place(section, present, kind, entries)
        lines[last] += block
    return "".join(lines)


def _place(
    section: yaml.MappingNode, present: yaml.Node | None, kind: str, entries: list[dict[str, Any]]
) -> tuple[int, str]:
    """Say after which line the entries of a kind belong, and how they are written there."""
    if isinstance(present, yaml.SequenceNode):
        return _last_line(present), _lines(entries, present.start_mark.column)
    return _last_line(section), _lines({kind: entries}, section.start_mark.column)


def _children(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """List what a mapping holds by its keys."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return {str(key.value): value for key, value in pairs}


def _last_line(node: yaml.Node) -> int:
    """Find the line in which a node's content ends; its own mark is at what follows."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return _last_line(last[1] if isinstance(last, tuple) else last)


def _lines(content: object, indent: int) -> str:
    """Write content as indented lines; lists of words stand in one line."""
    plain = yaml.safe_dump(content, sort_keys=False, default_flow_style=None, width=110)
    return "".join(f"{' ' * indent}{line}" for line in plain.splitlines(keepends=True))
