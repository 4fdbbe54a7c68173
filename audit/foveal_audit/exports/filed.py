"""A bundle as filed: what it says, after a check that nobody altered it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from foveal.errors import UsageError
from foveal_audit.bundle.identity import sha256_file
from foveal_audit.bundle.manifest import MANIFEST, manifest_path, read_manifest, verify_manifest
from foveal_audit.bundle.redactions import read_redactions
from foveal_audit.bundle.schema import Findings
from foveal_audit.bundle.writing import FINDINGS, GENERATORS


@dataclass(frozen=True)
class Filed:
    """What an export is made from.

    Attributes
    ----------
    findings
        The content of ``findings.json``.
    files
        Path relative to the bundle, with forward slashes, and the file's sha256 as it is now.
    chain
        The bundle's chain hash; ``manifest`` is the sha256 of ``manifest.json`` itself.
    redacted
        Whether samples were erased from the bundle.
    """

    findings: Findings
    files: dict[str, str]
    chain: str
    manifest: str
    redacted: bool

    def generators(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Give each generator's folder and its files, in order."""
        folders: dict[str, dict[str, str]] = {}
        for path, digest in sorted(self.files.items()):
            if path.startswith(f"{GENERATORS}/"):
                folder, _, name = path.rpartition("/")
                folders.setdefault(folder, {})[name] = digest
        yield from folders.items()


def open_filed(bundle: Path) -> Filed:
    """Read a bundle whose files are what its manifest says.

    Raises
    ------
    UsageError
        The folder is no bundle, or one that was altered: an export would vouch for the alteration.
    """
    if problems := verify_manifest(bundle):
        raise _altered(bundle, problems[0])
    manifest = read_manifest(bundle)
    try:
        findings = Findings.model_validate_json((bundle / FINDINGS).read_bytes())
    except (OSError, ValidationError) as error:
        raise _altered(bundle, f"{FINDINGS}: not valid findings") from error
    redacted = read_redactions(bundle).files()
    files = {name: digest for name, digest in (manifest.files | redacted).items() if digest is not None}
    return Filed(findings, files, manifest.chain, sha256_file(manifest_path(bundle)), bool(redacted))


def refuse_inside(bundle: Path, out: Path) -> None:
    """Keep a bundle free of files that its manifest does not name.

    Raises
    ------
    UsageError
        ``out`` lies inside ``bundle``.
    """
    if out.resolve().is_relative_to(bundle.resolve()):
        raise UsageError(
            f"{out} lies inside the bundle", f"Choose another place: a bundle holds what its {MANIFEST} names"
        )


def _altered(bundle: Path, problem: str) -> UsageError:
    return UsageError(f"{bundle} was altered ({problem})", "Look at it with `foveal verify`")
