"""What all DICOM objects of one export share: identifiers, dates, equipment.

Identifiers follow from the bundle's chain hash, so the same bundle gives the same objects. The pictures and
the report belong to a study of the audit's own, about nobody: an audit is of a model, not of a patient.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from foveal_audit.exports.filed import Filed

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_SPACE = UUID("5b1f3b52-7d52-5b5e-9a39-3a3f4b0e6a11")  # ours: gives the same bundle the same identifiers
MANUFACTURER, MODEL_NAME = "Foveal", "Foveal audit"


@dataclass(frozen=True)
class Case:
    """One export.

    Attributes
    ----------
    chain
        The bundle's chain hash.
    created
        When the audit ended; the date of every object.
    version
        Of the program that audited.
    """

    chain: str
    created: datetime
    version: str

    @classmethod
    def of(cls, filed: Filed) -> Case:
        """Make the case of a bundle."""
        version = (filed.findings.environment.model_extra or {}).get("foveal", "0")
        return cls(filed.chain, filed.findings.created, str(version))

    def uid(self, name: str) -> str:
        """Give the identifier of what is called so within this export."""
        return f"2.25.{uuid5(_SPACE, f'{self.chain}/{name}').int}"

    @property
    def nobody(self) -> dict[str, Any]:
        """Name whom the study of the audit's own is about: nobody."""
        return {
            "study_id": self.chain[:16],
            "patient_id": f"FOVEAL-{self.chain[:12]}",
            "patient_name": "Foveal^Audit",
        }

    @property
    def equipment(self) -> dict[str, Any]:
        """Name what made an object."""
        return {
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": MODEL_NAME,
            "software_versions": self.version,
            "device_serial_number": "0",
        }

    def dated(self, dataset: Dataset) -> Dataset:
        """Date an object by the audit and not by the export."""
        day, time = self.created.strftime("%Y%m%d"), self.created.strftime("%H%M%S")
        for keyword in dataset.dir("Date") + dataset.dir("Time"):
            if keyword in _DATES:
                setattr(dataset, keyword, day if keyword in _DAYS else time)
        for item in dataset.get("ContributingEquipmentSequence") or ():
            item.ContributionDateTime = day + time
        return dataset


_DAYS = frozenset({"ContentDate", "InstanceCreationDate", "SeriesDate", "DateOfSecondaryCapture"})
_DATES = _DAYS | {"ContentTime", "InstanceCreationTime", "SeriesTime", "TimeOfSecondaryCapture"}
