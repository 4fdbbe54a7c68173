"""Findings for a hospital's archive: captures of crops and maps, maps over their images, and a report."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from foveal.errors import EnvironmentFault, UsageError
from foveal.library import Library
from foveal.records import Entry
from foveal.samples.medical.dataset import discreet, is_dicom
from foveal.samples.volumes.series import is_zip, read_folder, slices_of
from foveal_audit.bundle.schema import Findings
from foveal_audit.exports.dicom_case import Case
from foveal_audit.exports.dicom_maps import segmentation
from foveal_audit.exports.dicom_pictures import secondary_capture
from foveal_audit.exports.dicom_report import structured_report
from foveal_audit.exports.filed import Filed

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_log = logging.getLogger(__name__)
#: Entries of a finding that are exported, the strongest first.
PER_FINDING = 9


@dataclass
class Exported:
    """What was written.

    Attributes
    ----------
    captures, maps, reports
        Numbers of files.
    left_out
        One line for each map that could not be laid over its image.
    """

    captures: int = 0
    maps: int = 0
    reports: int = 0
    left_out: list[str] = field(default_factory=list)


def write_dicom(filed: Filed, library: Library, out: Path, images: Path | None = None) -> Exported:
    """Write the objects of a bundle.

    The captures and the report are about nobody. Maps carry the patient and study of their image.

    Parameters
    ----------
    filed
        The bundle.
    library
        Where the findings' entries are.
    out
        The folder, made where it is missing: ``report.dcm``, ``captures/``, ``maps/``.
    images
        The folder that holds the samples under their names; over those that are DICOM, maps are laid.

    Raises
    ------
    UsageError
        If there is no finding with entries that the library still holds.
    EnvironmentFault
        If highdicom is not installed, or a file cannot be written.
    """
    _check_installed()
    case = Case.of(filed)
    chosen = dict(_chosen(filed.findings, library))
    if not chosen:
        raise UsageError(
            f"Library {library.name!r} holds no entry of a finding",
            "Export a bundle that has findings of entries",
        )
    captures = _captured(case, chosen)
    report = structured_report(case, filed.findings, captures)
    done = Exported(sum(map(len, captures.values())), reports=1)
    for finding, objects in captures.items():
        for number, one in enumerate(objects, start=1):
            _save(one, out / "captures" / f"{finding}-{number}.dcm")
    _save(report, out / "report.dcm")
    if images is not None:
        _write_maps(case, chosen, images, out, done)
    return done


def _check_installed() -> None:
    try:
        import highdicom  # noqa: F401, PLC0415 - only this export needs it
    except ImportError:
        raise EnvironmentFault("highdicom is not installed", "Run `pip install 'foveal[medical]'`") from None


def _chosen(findings: Findings, library: Library) -> Iterator[tuple[str, list[Entry]]]:
    """Give the strongest entries of each finding that has some."""
    for finding in findings.artefacts:
        ids = [one.id for one in sorted(finding.entries, key=lambda one: -one.activation) if one.id]
        held = {entry.id: entry for entry in library.query(ids=ids[:PER_FINDING]).entries()} if ids else {}
        if entries := [held[one] for one in ids[:PER_FINDING] if one in held]:
            yield finding.id, entries


def _captured(case: Case, chosen: Mapping[str, Sequence[Entry]]) -> dict[str, list[Dataset]]:
    """Make the captures, numbered through."""
    made: dict[str, list[Dataset]] = {}
    number = 0
    for finding, entries in chosen.items():
        for entry in entries:
            number += 1
            made.setdefault(finding, []).append(secondary_capture(case, entry, finding, number))
    return made


def _write_maps(
    case: Case, chosen: Mapping[str, Sequence[Entry]], images: Path, out: Path, done: Exported
) -> None:
    """Lay the maps over those samples that are DICOM images or series."""
    for finding, entries in chosen.items():
        for number, entry in enumerate(entries, start=1):
            try:
                made = _map(case, entry, finding, images, number)
            except UsageError:
                done.left_out.append(f"{entry.sample}: no map can be laid over this file")
                continue
            if made is not None:
                _save(made, out / "maps" / f"{finding}-{number}.dcm")
                done.maps += 1


def _map(case: Case, entry: Entry, finding: str, images: Path, number: int) -> Dataset | None:
    """Lay one map over its sample; None where that is no DICOM."""
    path = (images / entry.sample).resolve()
    if not path.is_relative_to(images.resolve()) or not path.exists():
        return None
    data = read_folder(path)
    if not (is_dicom(data) or (is_zip(data) and len(entry.window) == 6)):
        return None
    sources = [data] if is_dicom(data) else slices_of(data, entry.sample)
    with discreet(entry.sample):
        return segmentation(case, entry, finding, sources, number)


def _save(dataset: Dataset, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
    except OSError as error:
        raise EnvironmentFault(
            f"cannot write {path}: {error.strerror}", "Choose another folder with -o"
        ) from error
