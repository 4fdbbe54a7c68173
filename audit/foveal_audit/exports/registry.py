"""The formats, by the name a user gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from foveal.errors import UsageError, nearest
from foveal_audit.exports.cyclonedx import cyclonedx
from foveal_audit.exports.filed import Filed
from foveal_audit.exports.in_toto import in_toto
from foveal_audit.exports.sarif import sarif

Export = Callable[[Filed], str]

#: The format that is a folder of files, and made from the library too; see :mod:`foveal_audit.exports.dicom`.
DICOM = "dicom"
FORMATS: Mapping[str, Export] = MappingProxyType({"sarif": sarif, "cyclonedx": cyclonedx, "in-toto": in_toto})


def export_of(name: str) -> Export:
    """Find a format.

    Raises
    ------
    UsageError
        With the names that there are.
    """
    if name not in FORMATS:
        raise UsageError(f"There is no format {name!r}", nearest(name, [*FORMATS, DICOM]))
    return FORMATS[name]
