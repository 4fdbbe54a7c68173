"""``foveal bench``: the audit itself put to the test on planted truth."""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from foveal_audit.benchmarking.plans import Plan
    from foveal_audit.benchmarking.scoring import Score


class Tier(str, Enum):
    """What comes with the images: nothing; labels; labels, sites, regions and concepts."""

    A = "A"
    B = "B"
    C = "C"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("bench")(bench)


def bench(
    smoke: Annotated[
        bool, typer.Option("--smoke/--full", help="A few cases in minutes, or all of them.")
    ] = True,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to work in.")] = Path("foveal-bench"),
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes, one thread each.")] = 1,
    tier: Annotated[Tier | None, typer.Option(help="Audit every case with this tier's information.")] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=999, help="Other images and networks of the same plan.")
    ] = 0,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Use seeds that nothing was tuned on.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Cases of this name, task, network or kind; repeatable."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Leave those cases out; repeatable.")
    ] = None,
    leave_one_kind_out: Annotated[
        bool,
        typer.Option(
            "--leave-one-kind-out",
            help="Judge every case with weights that were fitted without its kinds of artefact.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """Plant artefacts and gaps, audit what was made, and say what the audit found, missed and made up.

    What DIR holds of the same cases, code and settings is not made again. Without --tier a smoke case comes
    with one tier's information, a full one with each.
    """
    from foveal.commands.progress import reporting  # noqa: PLC0415 - start-up stays light
    from foveal_audit.benchmarking.full import FULL  # noqa: PLC0415
    from foveal_audit.benchmarking.running import cpu_seconds, processes, run_plan  # noqa: PLC0415
    from foveal_audit.benchmarking.smoke import SMOKE  # noqa: PLC0415

    plan = (SMOKE if smoke else FULL).with_seed(seed, held_out=held_out)
    plan = plan.with_tier(tier.value) if tier else plan
    plan = _chosen(plan, only or (), without or ())
    with reporting() as progress, processes(jobs) as executor:
        scores = run_plan(plan, out, executor, progress)
    if leave_one_kind_out:
        scores = _unseen(plan, out, scores)
    told = {"leave_one_kind_out": leave_one_kind_out, "cpu_seconds": cpu_seconds(plan, out)}
    _tell(plan, scores, told, as_json=as_json)


def _unseen(plan: Plan, out: Path, scores: Sequence[Score]) -> list[Score]:
    from foveal_audit.benchmarking.fitting import shipped_rows  # noqa: PLC0415
    from foveal_audit.benchmarking.unseen import judge_unseen  # noqa: PLC0415

    return judge_unseen(plan, out, scores, shipped_rows())


def _chosen(plan: Plan, only: Sequence[str], without: Sequence[str]) -> Plan:
    from foveal.errors import UsageError, nearest  # noqa: PLC0415
    from foveal_audit.benchmarking.plans import names_of  # noqa: PLC0415

    known = set().union(*(names_of(trial.case) for trial in plan.trials))
    for name in (*only, *without):
        if name not in known:
            raise UsageError(f"The plan {plan.name} has no case named {name!r}", nearest(name, sorted(known)))
    chosen = plan.only(only) if only else plan
    chosen = chosen.without(without) if without else chosen
    if not chosen.trials:
        raise UsageError("No case is left", "Leave fewer out")
    return chosen


def _tell(plan: Plan, scores: Sequence[Score], told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({**_as_record(plan, scores), **told}, indent=1))
        return
    from rich.console import Console  # noqa: PLC0415

    from foveal_audit.benchmarking.table import show  # noqa: PLC0415

    show(scores, Console())
    if told["leave_one_kind_out"]:
        typer.echo("Verdicts by weights that saw no case with the kinds of artefact of the case they judge")
    costs = told["cpu_seconds"]
    typer.echo(f"CPU seconds a case: {sum(costs) / len(costs):.0f} in the mean, {max(costs):.0f} at most")


def _as_record(plan: Plan, scores: Sequence[Score]) -> dict[str, Any]:
    from foveal_audit.benchmarking.scoring import as_record  # noqa: PLC0415
    from foveal_audit.benchmarking.summary import (  # noqa: PLC0415
        against,
        by_gap,
        by_harmless,
        by_kind,
        plain,
        summarise,
    )

    def rows(made: Sequence[Any]) -> list[dict[str, Any]]:
        return [
            {
                "subject": row.subject,
                "detector": row.detector,
                "models": row.models,
                "figures": {name: plain(figure) for name, figure in row.figures.items()},
            }
            for row in made
        ]

    return {
        "plan": plan.name,
        "rows": rows(summarise(scores)),
        "kinds": rows(by_kind(scores)),
        "gaps": rows(by_gap(scores)),
        "harmless": rows(by_harmless(scores)),
        "against": against(scores),
        "cases": [as_record(score) for score in scores],
    }
