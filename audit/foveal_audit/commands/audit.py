"""``foveal audit``: judge a model on its library and write the bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from foveal.archives import AuditedModel
    from foveal.library import Library
    from foveal_audit.bundle.schema import Findings
    from foveal_audit.knowledge import Knowledge
    from foveal_audit.publishing import Published
    from foveal_audit.settings import AuditSettings

#: Findings at or above this make the command exit with 1.
_FAILING = {"never": (), "confirmed": ("confirmed",), "suspected": ("confirmed", "suspected")}


class FailOn(str, Enum):
    """What makes the command exit with 1."""

    NEVER = "never"
    CONFIRMED = "confirmed"
    SUSPECTED = "suspected"


ModelArgument = Annotated[
    str, typer.Argument(help="A .mar, .onnx, .pt or .pt2, models:/NAME/VERSION, or python:module:factory.")
]
OutOption = Annotated[Path, typer.Option("-o", "--out", metavar="BUNDLE", help="The folder to write.")]
LibraryOption = Annotated[
    str | None, typer.Option(metavar="NAME", help="The library; by default the model's name.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Source of all chance.")]
QuickOption = Annotated[bool, typer.Option("--quick", help="Fewer tests, nodes and generators.")]
FeaturesOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="Nodes, channels and classes to examine: fc1, fc1:7, layer4:12, class:*; by default those whose "
        "libraries differ most. Separate by commas, or repeat.",
        show_default=False,
    ),
]
PlanOption = Annotated[
    bool, typer.Option("--plan", help="Measure a sample, say what the audit would take, and stop.")
]
ResumeOption = Annotated[
    bool, typer.Option("--resume", help="Go on from what an audit that was cut off had finished.")
]
ExecutorOption = Annotated[
    str, typer.Option(metavar="local|ray", help="Where the work is done.", show_default=True)
]
JobsOption = Annotated[
    int | None,
    typer.Option(min=1, help="Worker processes; by default as many as cores.", show_default=False),
]
ConceptsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Known concepts: a folder each, with 5 exemplars or more.", show_default=False
    ),
]
RoisOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="CSV path,y0,x0,y1,x1: where the outcome lies.", show_default=False),
]
FailOnOption = Annotated[FailOn, typer.Option(help="Exit with 1 at findings of this verdict or a surer one.")]
PreviousOption = Annotated[
    Path | None, typer.Option(help="Bundle of the audit that this one follows.", show_default=False)
]
KeyOption = Annotated[
    Path | None, typer.Option(help="PEM file with an Ed25519 key to sign with.", show_default=False)
]
PdfOption = Annotated[
    bool, typer.Option("--pdf/--no-pdf", help="Write report.pdf too, which takes some seconds.")
]
WholeOption = Annotated[
    bool,
    typer.Option(
        "--whole-pictures/--no-whole-pictures",
        help="Show whole pictures beside crops in the report: more of a sample than the library keeps.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Report as JSON.")]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("audit")(audit)


def audit(
    model: ModelArgument,
    out: OutOption,
    *,
    library: LibraryOption = None,
    seed: SeedOption = 0,
    quick: QuickOption = False,
    features: FeaturesOption = None,
    plan: PlanOption = False,
    resume: ResumeOption = False,
    executor: ExecutorOption = "local",
    jobs: JobsOption = None,
    concepts: ConceptsOption = None,
    rois: RoisOption = None,
    fail_on: FailOnOption = FailOn.NEVER,
    previous: PreviousOption = None,
    key: KeyOption = None,
    pdf: PdfOption = True,
    whole_pictures: WholeOption = True,
    as_json: JsonOption = False,
) -> None:
    """Find what MODEL relies on and what it never learned, and write the evidence to BUNDLE.

    The library must hold training samples of the model (foveal collect); with production samples, gaps are
    looked for too. The bundle is also logged to MLflow. Until it is written, finished work is kept in
    BUNDLE.work: an audit that was cut off goes on from there with --resume.
    """
    from foveal.archives import load_model  # noqa: PLC0415 - start-up stays light
    from foveal.library import Library  # noqa: PLC0415
    from foveal.library.connection import quiet  # noqa: PLC0415

    quiet()
    settings = _settings(quick, seed, features)
    audited = load_model(model)
    knowledge = _knowledge(audited, rois, concepts)
    asked = Library(library or audited.name)
    if plan:
        _tell_plan(audited, asked, settings, jobs, as_json=as_json)
        return
    how = _How(knowledge, resume, executor, jobs, previous, key, pdf, whole_pictures)
    with _kept(out):
        published = _run(audited, asked, settings, out, how)
    _tell(published, out, as_json=as_json)
    if any(finding.verdict in _FAILING[fail_on.value] for finding in published.findings.findings):
        raise typer.Exit(1)


@dataclass(frozen=True)
class _How:
    """How an audit is done, what experts know, and what its bundle is tied to."""

    knowledge: Knowledge
    resume: bool
    executor: str
    jobs: int | None
    previous: Path | None
    key: Path | None
    pdf: bool
    whole_pictures: bool


def _settings(quick: bool, seed: int, features: list[str] | None) -> AuditSettings:
    """Say how thorough the audit is; a name that is none is told before anything is loaded."""
    from foveal_audit.settings import QUICK, AuditSettings, feature_names  # noqa: PLC0415 - start-up stays light

    base = QUICK if quick else AuditSettings()
    return replace(base, seed=seed, features=feature_names(features or ()))


def _knowledge(model: AuditedModel, rois: Path | None, concepts: Path | None) -> Knowledge:
    """Read what experts know before anything else is done: a mistake in it is told at once."""
    from foveal_audit.bench import reader_of  # noqa: PLC0415 - start-up stays light
    from foveal_audit.gaps.concepts import read_concepts  # noqa: PLC0415
    from foveal_audit.knowledge import Knowledge  # noqa: PLC0415
    from foveal_audit.rois import read_rois  # noqa: PLC0415

    if concepts is not None:
        read_concepts(concepts, reader_of(model))
    return Knowledge(read_rois(rois) if rois else {}, concepts)


def _run(model: AuditedModel, library: Library, settings: AuditSettings, out: Path, how: _How) -> Published:
    from foveal.commands.progress import reporting  # noqa: PLC0415 - start-up stays light
    from foveal_audit.bundle.writing import check_place  # noqa: PLC0415
    from foveal_audit.engine.executors import opened  # noqa: PLC0415
    from foveal_audit.engine.running import Engine  # noqa: PLC0415
    from foveal_audit.engine.workplace import has_work, workplace  # noqa: PLC0415
    from foveal_audit.publishing import publish  # noqa: PLC0415

    check_place(out, how.previous, how.key)
    if how.resume and not has_work(out):
        typer.echo(f"foveal: nothing is kept of an earlier audit for {out}: beginning anew", err=True)
    with (
        reporting() as progress,
        workplace(out, resume=how.resume) as shelf,
        opened(how.executor, how.jobs) as executor,
    ):
        engine = Engine(model, shelf, executor)
        return publish(
            model,
            library,
            settings,
            out,
            previous=how.previous,
            key=how.key,
            progress=progress,
            engine=engine,
            knowledge=how.knowledge,
            pdf=how.pdf,
            whole_pictures=how.whole_pictures,
        )


def _tell_plan(
    model: AuditedModel, library: Library, settings: AuditSettings, jobs: int | None, *, as_json: bool
) -> None:
    from foveal_audit.engine.executors import cores  # noqa: PLC0415 - start-up stays light
    from foveal_audit.engine.planning import measure  # noqa: PLC0415
    from foveal_audit.publishing import require  # noqa: PLC0415

    require(library, model)
    plan = measure(model, library, settings, jobs or cores())
    if as_json:
        totals = {"jobs": plan.jobs, "seconds": plan.seconds, "wait": plan.wait, "disk": plan.disk}
        typer.echo(json.dumps({**totals, "stages": [asdict(row) for row in plan.rows]}, indent=1))
        return
    for row in plan.rows:
        typer.echo(
            f"{row.stage:22}{row.pieces:5} pieces{row.seconds:9.1f} CPU s{row.disk / 1e6:9.1f} MB"
            f"  measured on {row.measured}"
        )
    typer.echo(
        f"in all {plan.seconds:.0f} CPU s, about {plan.wait:.0f} s with {plan.jobs} worker processes, "
        f"and {plan.disk / 1e6:.0f} MB of disk"
    )


@contextmanager
def _kept(out: Path) -> Iterator[None]:
    """Say how to go on where an audit is cut off after some of its work was done."""
    from foveal.cli import INTERRUPTED  # noqa: PLC0415 - the command is registered there
    from foveal.errors import EnvironmentFault  # noqa: PLC0415
    from foveal_audit.engine.workplace import has_work, work_folder  # noqa: PLC0415

    words = f"what is done is kept in {work_folder(out)}: the same command with --resume goes on from there"
    try:
        yield
    except KeyboardInterrupt as error:
        if not has_work(out):
            raise
        typer.echo(f"foveal: interrupted; {words}", err=True)
        raise typer.Exit(INTERRUPTED) from error
    except EnvironmentFault:
        if has_work(out):
            typer.echo(f"foveal: {words}", err=True)
        raise


def _tell(published: Published, out: Path, *, as_json: bool) -> None:
    """Say what was found, and where all of it is."""
    if published.warning:
        typer.echo(f"foveal: warning: {published.warning}", err=True)
    words = _as_json if as_json else _as_text
    typer.echo(words(published.findings, out, published.url))


def _as_json(findings: Findings, out: Path, url: str) -> str:
    told = {
        "bundle": str(out),
        "url": url,
        "summary": findings.summary.model_dump(mode="json"),
        "findings": [one.model_dump(mode="json", exclude={"entries"}) for one in findings.findings],
        "changed": _changed(findings) or None,
        "since": findings.since.model_dump(mode="json") if findings.since else None,
    }
    return json.dumps(told, indent=1)


def _changed(findings: Findings) -> str:
    """Say in a line what changed since the audit before; nothing for the first."""
    from foveal_audit.report.changing import since_view  # noqa: PLC0415 - start-up stays light

    return since_view(findings).line


def _as_text(findings: Findings, out: Path, url: str) -> str:
    lines = [line for line in (findings.summary.headline, _changed(findings)) if line]
    for finding in findings.artefacts:
        lines.append(
            f"  {finding.id}  {finding.verdict} artefact  {finding.feature}"
            f"  score {finding.artefact_score:.2f}"
        )
    for gap in findings.gaps:
        lines.append(f"  {gap.id}  {gap.gap}  {gap.statement}")
    lines += [f"  not examined: {line}" for line in findings.not_examined]
    return "\n".join([*lines, f"report  {out / 'report.html'}", f"MLflow  {url}"])
