"""``foveal methods``: what attribution methods there are, what they cost, and whether they can be trusted."""

from __future__ import annotations

import json
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from foveal.attribution import Method

_COLUMNS = ("method", "map", "cost", "sanity", "what it does, and what it needs for that")
#: What a map lies on, for people.
_PLACES = {"layer": "layer", "input": "input", "either": "input or layer"}
_SANITY = {
    "passes": "passes",
    "mixed": "mixed: passes on one network, fails on another",
    "fails": "FAILS: for viewing only",
    "not measured": "not measured",
}


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("methods")(methods)


def methods(
    name: Annotated[str | None, typer.Argument(help="Show one method with formula, source, options.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Report as JSON.")] = False,
) -> None:
    """List the attribution methods: where their maps lie, what they cost and need, and their sanity check.

    A method whose maps hardly change when the network's weights are randomised fails: for viewing only.
    """
    from foveal.attribution import all_methods, get_method  # noqa: PLC0415 - start-up stays light

    chosen = list(all_methods().values()) if name is None else [get_method(name)]
    if as_json:
        reports = [_describe(method) for method in chosen]
        typer.echo(json.dumps(reports if name is None else reports[0], indent=2, ensure_ascii=False))
    else:
        typer.echo(_table(chosen) if name is None else _card(chosen[0]))


def _describe(method: Method) -> dict[str, Any]:
    from foveal.explaining.requests import all_options  # noqa: PLC0415

    return {
        "name": method.name,
        "place": method.place,
        "cost": method.cost,
        "needs": list(method.needs),
        "sanity": method.sanity,
        "summary": method.summary,
        "formula": method.formula,
        "source": method.source,
        "options": all_options(method, {}),
    }


def _table(chosen: list[Method]) -> str:
    rows = [_COLUMNS, *(_row(method) for method in chosen)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    )


def _row(method: Method) -> tuple[str, ...]:
    needs = f" Needs: {', '.join(method.needs)}." if method.needs else ""
    verdict = _SANITY[method.sanity].partition(":")[0]
    return (method.name, _PLACES[method.place], method.cost, verdict, f"{method.summary}{needs}")


def _card(method: Method) -> str:
    """Show one method in full."""
    import inspect  # noqa: PLC0415

    from foveal.attribution import InputMethod, LayerMethod  # noqa: PLC0415
    from foveal.explaining.requests import all_options  # noqa: PLC0415

    facts = {
        "formula": method.formula,
        "source": method.source,
        "map on": _PLACES[method.place],
        "cost": method.cost,
        "needs": ", ".join(method.needs) or "nothing but a differentiable model",
        "sanity": _SANITY[method.sanity],
        "options": ", ".join(f"{key}={value}" for key, value in all_options(method, {}).items()) or "none",
    }
    function = method.attribute if isinstance(method, InputMethod) else None
    function = method.combine if isinstance(method, LayerMethod) else function
    text = inspect.getdoc(function) or method.summary
    lines = [fill(f"{key + ':':9}{value}", 100, subsequent_indent=" " * 9) for key, value in facts.items()]
    return "\n".join([method.name, *lines, "", text])
