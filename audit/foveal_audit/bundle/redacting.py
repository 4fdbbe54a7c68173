"""Taking erased samples out of a bundle: their crops go, their names go, the verdicts stay.

The report and the sheets of crops hold pixels and are deleted. Generators that learned from erased entries
are marked. Cut off anywhere, the same redaction again finishes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from foveal.errors import UsageError
from foveal.library.artifacts import write_whole
from foveal.library.redactors import Erased, Redacted
from foveal_audit.bundle.coverage import COLUMNS as COVERAGE_COLUMNS
from foveal_audit.bundle.identity import canonical_json
from foveal_audit.bundle.manifest import MANIFEST, manifest_path
from foveal_audit.bundle.redactions import REDACTIONS, Change, Redaction, Redactions, read_redactions
from foveal_audit.bundle.schema import Findings
from foveal_audit.bundle.scrubbing import (
    coverage_left,
    scrubbed,
    telling,
    training_left,
    worklist_left,
)
from foveal_audit.bundle.tables import read_table, table_text
from foveal_audit.bundle.training import COLUMNS as TRAINING_COLUMNS
from foveal_audit.bundle.training import TRAINING
from foveal_audit.bundle.worklist import COLUMNS as WORKLIST_COLUMNS
from foveal_audit.bundle.worklist import WORKLIST
from foveal_audit.bundle.writing import COVERAGE, FINDINGS, GENERATORS

RETRAIN = "retrain.json"
#: Files of a generator that show real crops.
SHEETS = ("samples.png",)
#: Files of a bundle that show none, or are cleaned; error rates speak of made-up samples alone.
_KEPT = {FINDINGS, COVERAGE, TRAINING, WORKLIST, MANIFEST, REDACTIONS, "error_rates.json"}
_WINDOWS = "contribution"
_WHY = "samples were erased from the library"


def redact(bundle: Path, erased: Erased) -> Redacted | None:
    """Take erased samples out of a bundle.

    Parameters
    ----------
    bundle
        The folder.
    erased
        What was erased, and from where.

    Returns
    -------
    Redacted or None
        What was changed for this erasure, now or when it was cut off; nothing where the bundle has nothing to
        do with it.

    Raises
    ------
    UsageError
        The folder is no bundle, or one that cannot be read.
    """
    manifest_path(bundle)
    findings = _findings(bundle)
    tables = _tables(bundle)
    if not _concerned(findings, tables, erased):
        return None
    marked = [folder for folder in _generators(bundle) if _learned(unquote(folder.name), erased.features)]
    contents = dict(_contents(bundle, findings, tables, marked, erased))
    redaction = _recorded(bundle, contents, [unquote(folder.name) for folder in marked], erased)
    for path, content in contents.items():
        if content is None:
            (bundle / path).unlink(missing_ok=True)
        else:
            write_whole(bundle / path, content)
    if redaction is None:
        return None
    files = {path: change.model_dump() for path, change in redaction.files.items()}
    return Redacted(files, list(redaction.generators))


def _findings(bundle: Path) -> Findings:
    try:
        return Findings.model_validate_json((bundle / FINDINGS).read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{bundle / FINDINGS} cannot be read", "Check it with `foveal verify`, or delete the bundle"
        ) from error


@dataclass(frozen=True)
class _Tables:
    """The rows of a bundle's tables; of one that is not there none."""

    coverage: list[dict[str, str]]
    training: list[dict[str, str]]
    worklist: list[dict[str, str]]

    @property
    def samples(self) -> set[str]:
        """Name the samples of those that have one to a row."""
        return {row["sample"] for rows in (self.coverage, self.training) for row in rows}


def _tables(bundle: Path) -> _Tables:
    return _Tables(*(read_table(bundle / name)[1] for name in (COVERAGE, TRAINING, WORKLIST)))


def _concerned(findings: Findings, tables: _Tables, erased: Erased) -> bool:
    if findings.library.run_id != erased.run_id:
        return False
    if erased.stale & set(findings.library.shards.values()):
        return True
    refs = {ref.sample for assessment in findings.assessments for ref in assessment.entries}
    gaps = {sample for gap in findings.gaps for sample in (*gap.samples, *gap.nearest_training)}
    if erased.names & (refs | gaps | tables.samples):
        return True
    said = findings.experts.model_dump_json()
    return any(name in said for name in telling(erased))


def _generators(bundle: Path) -> list[Path]:
    folder = bundle / GENERATORS
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _learned(feature: str, erased: frozenset[str]) -> bool:
    """Say whether a generator saw erased entries; windows are recorded before they belong to a unit."""
    return feature in erased or (feature.startswith(f"{_WINDOWS}:") and _WINDOWS in erased)


def _contents(
    bundle: Path, findings: Findings, tables: _Tables, marked: list[Path], erased: Erased
) -> Iterator[tuple[str, bytes | None]]:
    """Give the files that have to change, and their new content; none for those that have to go."""
    for path, text in (
        (FINDINGS, _without(findings, erased)),
        (COVERAGE, _text(COVERAGE_COLUMNS, coverage_left(tables.coverage, erased))),
        (TRAINING, _text(TRAINING_COLUMNS, training_left(tables.training, erased))),
        (WORKLIST, _text(WORKLIST_COLUMNS, worklist_left(tables.worklist, erased))),
    ):
        content = text.encode("utf-8", "backslashreplace")
        if (bundle / path).is_file() and (bundle / path).read_bytes() != content:
            yield path, content
    files = sorted(path.name for path in bundle.iterdir() if path.is_file())
    yield from ((name, None) for name in files if name not in _KEPT)
    for folder in marked:
        place = folder.relative_to(bundle).as_posix()
        yield from ((f"{place}/{sheet}", None) for sheet in SHEETS if (folder / sheet).exists())
        if not (folder / RETRAIN).exists():
            mark = {"version": 1, "why": _WHY, "erasure": erased.erasure, "when": erased.when}
            yield f"{place}/{RETRAIN}", canonical_json(mark).encode()


def _text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    return table_text(columns, ([row[name] for name in columns] for row in rows))


def _without(findings: Findings, erased: Erased) -> str:
    """Leave out what refers to samples that the library does not hold any more."""
    content: dict[str, Any] = findings.model_dump(mode="json")
    for one in (*content["assessments"], *content["findings"]):
        for key, left in _REFERRING.items():
            if key in one:
                one[key] = left(one[key], erased)
    texts = scrubbed(content, telling(erased))
    return Findings.model_validate_json(json.dumps(texts)).to_json()


def _refs_left(refs: list[dict[str, Any]], erased: Erased) -> list[dict[str, Any]]:
    return [ref for ref in refs if erased.holds(ref["source"], ref["sample"])]


def _names_left(source: str) -> Callable[[list[str], Erased], list[str]]:
    return lambda names, erased: [name for name in names if erased.holds(source, name)]


_REFERRING: dict[str, Callable[[list[Any], Erased], list[Any]]] = {
    "entries": _refs_left,
    "samples": _names_left("production"),
    "nearest_training": _names_left("training"),
}


def _recorded(
    bundle: Path, contents: dict[str, bytes | None], marked: list[str], erased: Erased
) -> Redaction | None:
    """Write down what is about to change; gives this erasure's whole record, also of what was cut off."""
    known = read_redactions(bundle)
    earlier = next((one for one in known.redactions if one.erasure == erased.erasure), None)
    if not contents:
        return earlier
    before = dict(earlier.files) if earlier else {}
    changes = {path: _change(bundle / path, content, before.get(path)) for path, content in contents.items()}
    redaction = Redaction(
        erasure=erased.erasure,
        when=datetime.fromisoformat(erased.when.replace("Z", "+00:00")),
        why=_WHY,
        files=before | changes,
        generators=tuple(sorted({*marked, *(earlier.generators if earlier else ())})),
    )
    others = [one for one in known.redactions if one.erasure != erased.erasure]
    record = Redactions(redactions=(*others, redaction))
    write_whole(bundle / REDACTIONS, record.to_json().encode())
    return redaction


def _change(path: Path, content: bytes | None, before: Change | None) -> Change:
    was = before.was if before else _sha256(path.read_bytes() if path.is_file() else None)
    return Change(was=was, now=_sha256(content))


def _sha256(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()
