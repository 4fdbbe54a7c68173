"""The entry files that Foveal puts into archives; they are data here, the core never imports them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from foveal.errors import EnvironmentFault

#: The entry file of each kind, inside the package foveal_handlers.mar, and its name in the archive. That name
#: must not be one that anybody imports: the archive's folder precedes the installed packages.
KINDS: dict[str, tuple[str, str]] = {"vision": ("vision.py", "foveal_vision_entry.py")}
#: The same for wrapped archives.
WRAPPED = ("wrapped.py", "foveal_wrapped_entry.py")


def read_entry(file: str) -> bytes:
    """Read an entry file of the package foveal_handlers.

    Raises
    ------
    EnvironmentFault
        When the package is not installed.
    """
    spec = importlib.util.find_spec("foveal_handlers")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "mar" / file
        if path.is_file():
            return path.read_bytes()
    raise EnvironmentFault(
        "The package foveal_handlers is not installed beside foveal",
        "Install Foveal again: pip install foveal[serve]",
    )
