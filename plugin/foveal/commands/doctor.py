"""``foveal doctor``: what may be wrong around Foveal, why, and the line to paste."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from foveal.errors import EnvironmentFault

if TYPE_CHECKING:
    from foveal.doctor import Answer, Surroundings

_MARKS = {"ok": "ok", "warning": "warn", "failure": "FAIL"}
_PLURALS = {"ok": "ok", "warning": "warnings", "failure": "failures", "skipped": "skipped"}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("doctor")(doctor)


def doctor(
    config: Annotated[
        Path | None, typer.Option(help="TorchServe's config.properties; TS_CONFIG_FILE by default.")
    ] = None,
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow's address; MLFLOW_TRACKING_URI by default.")
    ] = None,
    spool: Annotated[
        Path | None, typer.Option(help="Folder of the spool; FOVEAL_SPOOL_DIR by default.")
    ] = None,
    allow_unsafe: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="An unsafe setting that is meant: its check's name."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Look at what Foveal needs: versions, Java, TorchServe's settings, MLflow, the spool, its shipper.

    Ends with 3 where something fails, and with 0 otherwise; nothing is changed.
    """
    from foveal.doctor import Status, examine  # noqa: PLC0415 - start-up stays light

    answers = examine(_surroundings(config, tracking_uri, spool, allow_unsafe or []))
    typer.echo(json.dumps(_report(answers)) if as_json else _text(answers))
    failed = sum(answer.verdict.status is Status.FAILURE for answer in answers)
    if failed:
        raise typer.Exit(EnvironmentFault.exit_code)


def _surroundings(
    config: Path | None, tracking_uri: str | None, spool: Path | None, allowed: list[str]
) -> Surroundings:
    """Gather what is to be looked at."""
    from foveal.config import FovealConfig  # noqa: PLC0415
    from foveal.doctor import Surroundings  # noqa: PLC0415
    from foveal.servers.configuration import read_properties  # noqa: PLC0415
    from foveal.servers.dangers import require_known  # noqa: PLC0415

    require_known(allowed)
    environ = dict(os.environ)
    file = config or _path(environ.get("TS_CONFIG_FILE"))
    return Surroundings(
        environ,
        file,
        {} if file is None else read_properties(file),
        frozenset(allowed),
        tracking_uri or environ.get("MLFLOW_TRACKING_URI") or None,
        spool or _path(environ.get("FOVEAL_SPOOL_DIR")),
        FovealConfig.from_mapping({}, environ).spool.max_bytes,
    )


def _path(text: str | None) -> Path | None:
    """Take a path out of the environment."""
    return Path(text) if text else None


def _report(answers: list[Answer]) -> dict[str, Any]:
    """Make the report that programs read."""
    rows = [
        {
            "check": answer.check,
            "status": answer.verdict.status.value,
            "what": answer.verdict.what,
            "why": answer.why,
            "paste": answer.verdict.paste,
        }
        for answer in answers
    ]
    return {"ok": all(row["status"] != "failure" for row in rows), "checks": rows}


def _text(answers: list[Answer]) -> str:
    """Make the report that people read."""
    counts = Counter(answer.verdict.status.value for answer in answers)
    summary = ", ".join(f"{counts[status]} {word}" for status, word in _PLURALS.items() if counts[status])
    seen = [answer for answer in answers if answer.verdict.status.value != "skipped"]
    return "\n".join([*(line for answer in seen for line in _lines(answer)), *_skips(answers), f"{summary}."])


def _skips(answers: list[Answer]) -> list[str]:
    """Write what was not looked at: one line for each reason."""
    reasons: dict[str, list[Answer]] = {}
    for answer in answers:
        if answer.verdict.status.value == "skipped":
            reasons.setdefault(answer.verdict.what, []).append(answer)
    lines = []
    for what, left_out in reasons.items():
        names = ", ".join(dict.fromkeys(answer.check for answer in left_out))
        lines += [f"-     {what}: {names}", *(f"{'':6}paste: {paste}" for paste in _pastes(left_out))]
    return lines


def _pastes(answers: list[Answer]) -> list[str]:
    """List what to paste, each line once."""
    return list(dict.fromkeys(answer.verdict.paste for answer in answers if answer.verdict.paste))


def _lines(answer: Answer) -> list[str]:
    """Write one verdict: a line, and where something is to be mended the reason and what to paste."""
    status = answer.verdict.status.value
    first = f"{_MARKS[status]:<5} {answer.check:<21} {answer.verdict.what}"
    if status == "ok":
        return [first]
    pasted = answer.verdict.paste.rstrip("\n").splitlines()
    return [first, f"{'':6}why:   {answer.why}", *(f"{'':6}paste: {line}" for line in pasted)]
