"""Leave the hook's line in this Python environment, or take it away."""

from __future__ import annotations

import argparse
import sys
import sysconfig
from pathlib import Path

#: Read by Python at every start; does nothing unless the variable is set.
LINE = (
    'import os; os.environ.get("FOVEAL_HOOK") == "1" and '
    '__import__("foveal_handlers.hook", fromlist=["activate"]).activate()\n'
)
FILE = "foveal_hook.pth"


def install(folder: Path) -> str:
    """Leave the line in a folder of packages."""
    (folder / FILE).write_text(LINE, encoding="ascii")
    return f"{folder / FILE} is there. Start TorchServe with FOVEAL_HOOK=1 and FOVEAL_SPOOL_DIR set."


def remove(folder: Path) -> str:
    """Take the line away."""
    (folder / FILE).unlink(missing_ok=True)
    return f"{folder / FILE} is gone. TorchServe serves its archives as they are."


def status(folder: Path) -> str:
    """Say whether the line is there."""
    path = folder / FILE
    if not path.is_file():
        return f"{path} is not there. Install it with: python -m foveal_handlers.hook install"
    return f"{path} is there" + ("." if path.read_text(encoding="ascii") == LINE else ", but an old one.")


_COMMANDS = {"install": install, "remove": remove, "status": status}


def main(words: list[str] | None = None) -> int:
    """Do what the command line says; 0 where it worked, 3 where the folder cannot be written."""
    parser = argparse.ArgumentParser("python -m foveal_handlers.hook", description=__doc__)
    parser.add_argument("command", choices=_COMMANDS)
    packages = Path(sysconfig.get_path("purelib"))
    parser.add_argument("--folder", type=Path, default=packages, help="default: %(default)s")
    given = parser.parse_args(words)
    try:
        said = _COMMANDS[given.command](given.folder)
    except OSError as error:
        sys.stderr.write(f"{given.folder / FILE} cannot be written ({error}). Use an account that may.\n")
        return 3
    sys.stdout.write(f"{said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
