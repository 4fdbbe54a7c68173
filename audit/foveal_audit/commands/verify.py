"""``foveal verify``: whether a bundle is what the audit wrote, and its verdicts follow from its numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from foveal_audit.bundle.schema import Assessment, Findings

_ALTERED = 1
_WHY_NOT_FINE = (
    "whoever can write to the bundle can say so of a file: compare with the erasure's receipt, "
    "then give --allow-redacted"
)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("verify")(verify)


def verify(
    bundle: Annotated[
        Path, typer.Argument(help="The folder that `foveal audit -o` wrote.", show_default=False)
    ],
    previous: Annotated[
        Path | None, typer.Option(help="The earlier bundle that this one should follow.", show_default=False)
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option(help="PEM file with the Ed25519 key that must have signed.", show_default=False),
    ] = None,
    allow_redacted: Annotated[
        bool, typer.Option("--allow-redacted", help="Take it that samples were erased from the bundle since.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Recompute the hashes, chain, signature and verdicts of BUNDLE.

    Exits with 1 and names each altered file where something does not hold. A bundle that samples were erased
    from is not what was signed either: it also exits with 1, unless --allow-redacted is given.
    """
    result = check(bundle, previous, public_key)
    typer.echo(json.dumps(result, indent=1) if as_json else _as_text(result))
    if not result["intact"] or (result["redacted"] and not allow_redacted):
        raise typer.Exit(_ALTERED)


def check(bundle: Path, previous: Path | None = None, public_key: Path | None = None) -> dict[str, Any]:
    """Check a bundle.

    Returns
    -------
    dict
        ``bundle``, ``intact``, ``problems`` (one line each), ``files``, ``chain``, ``previous``,
        ``signed_by``, ``redacted`` (files that an erasure changed or took out, with their hash now) and
        ``verdicts`` (how many were derived again; ``None`` without a rule to do so).

    Raises
    ------
    UsageError
        The folder is not a bundle.
    """
    from foveal_audit.bundle.manifest import read_manifest, verify_manifest  # noqa: PLC0415
    from foveal_audit.bundle.redactions import read_redactions  # noqa: PLC0415
    from foveal_audit.bundle.writing import FINDINGS  # noqa: PLC0415

    problems = verify_manifest(bundle, previous, public_key)
    facts: dict[str, Any] = {"files": 0, "chain": None, "previous": None, "signed_by": None}
    facts |= {"verdicts": None, "redacted": {}}
    if not problems:
        manifest = read_manifest(bundle)
        redacted = read_redactions(bundle).files()
        fingerprint = None if FINDINGS in redacted else manifest.fingerprint
        problems, verdicts = _check_findings(bundle, fingerprint, redacted=bool(redacted))
        facts = {
            "files": len(manifest.files),
            "chain": manifest.chain,
            "previous": manifest.previous,
            "signed_by": manifest.public_key,
            "verdicts": verdicts,
            "redacted": redacted,
        }
    return {"bundle": str(bundle), "intact": not problems, "problems": problems, **facts}


def _check_findings(bundle: Path, fingerprint: str | None, *, redacted: bool) -> tuple[list[str], int | None]:
    """Read the findings, which checks that they agree with themselves, and derive their verdicts again."""
    from pydantic import ValidationError  # noqa: PLC0415

    from foveal_audit.bundle.schema import Findings  # noqa: PLC0415
    from foveal_audit.bundle.writing import FINDINGS  # noqa: PLC0415

    try:
        findings = Findings.model_validate_json((bundle / FINDINGS).read_bytes())
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "missing"
        return [f"{FINDINGS}: not valid findings ({reason})"], None
    if fingerprint not in (None, findings.fingerprint):
        return [f"{FINDINGS}: does not have the fingerprint of the manifest"], None
    unlisted = _check_training(bundle, findings, redacted=redacted)
    wrong, derived = _check_verdicts(findings)
    return [*unlisted, *wrong], derived


def _check_training(bundle: Path, findings: Findings, *, redacted: bool) -> list[str]:
    """Hold the list of training windows against the findings; earlier audits have none."""
    from foveal_audit.bundle.training import misfits, read_training  # noqa: PLC0415

    try:
        rows = read_training(bundle)
    except ValueError as error:
        return [f"{error}"]
    return [] if rows is None else misfits(rows, findings.assessments, redacted=redacted)


def _check_verdicts(findings: Findings) -> tuple[list[str], int | None]:
    from foveal_audit.bundle.writing import FINDINGS  # noqa: PLC0415

    derive = _rule()
    if derive is None:
        return [], None
    settings = findings.config.model_dump()
    derived = [(one, derive(one, settings)) for one in findings.assessments]
    wrong = [(one, verdict) for one, verdict in derived if verdict != one.verdict]
    lines = [f"{FINDINGS}: {one.id} says {one.verdict}, its numbers say {verdict}" for one, verdict in wrong]
    return lines, len(derived)


def _rule() -> Callable[[Assessment, Mapping[str, Any]], str] | None:
    """Find the rule that turns an assessment's numbers and the settings into its verdict."""
    rule: Callable[[Assessment, Mapping[str, Any]], str] | None
    rule = getattr(import_module("foveal_audit.judgement"), "rederive", None)
    return rule


def _as_text(result: dict[str, Any]) -> str:
    if not result["intact"]:
        return "\n".join([f"altered  {result['bundle']}", *_indented(result["problems"])])
    signer = f"signed by {result['signed_by']}" if result["signed_by"] else "not signed"
    verdicts = result["verdicts"]
    derived = "verdicts not derived again" if verdicts is None else f"{verdicts} verdicts derived again"
    follows = f"follows {result['previous']}" if result["previous"] else "first of its chain"
    lines = [f"{result['files']} files, {derived}", f"chain {result['chain']}, {follows}", signer]
    lines += [f"{name}: {_erased(now)}" for name, now in sorted(result["redacted"].items())]
    if not result["redacted"]:
        return "\n".join([f"intact  {result['bundle']}", *_indented(lines)])
    return "\n".join([f"redacted  {result['bundle']}", *_indented([*lines, _WHY_NOT_FINE])])


def _erased(now: str | None) -> str:
    what = "taken out" if now is None else "changed"
    return f"{what} when samples were erased; what it said before cannot be checked"


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
