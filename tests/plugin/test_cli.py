"""The shell around the commands: how each ending is told, what it loads, what plugs in."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest
import typer
from typer.testing import CliRunner

import foveal
from foveal import cli
from foveal.errors import EnvironmentFault, UsageError

HEAVY = ["torch", "numpy", "PIL", "scipy", "mlflow", "pyarrow", "pydantic", "sklearn", "rich.progress"]


def failing(error):
    def register(app):
        @app.command("fail")
        def fail() -> None:
            raise error

    return register


@pytest.fixture
def run(monkeypatch):
    """Run the command line with further commands plugged in."""

    def invoke(*args, register=None):
        points = [EntryPoint("extra", "extra:register", cli.GROUP)] if register else []
        monkeypatch.setattr(cli, "entry_points", lambda group: points if group == cli.GROUP else [])
        monkeypatch.setattr(EntryPoint, "load", lambda _: register)
        return CliRunner().invoke(cli.build_app(), args)

    return invoke


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            UsageError("Sample 'a' is bad", "Give another"),
            2,
            "foveal: error: Sample 'a' is bad. Give another.\n",
        ),
        (EnvironmentFault("No Java", "Install it"), 3, "foveal: error: No Java. Install it.\n"),
        (KeyboardInterrupt(), 4, "foveal: interrupted\n"),
    ],
)
def test_endings(run, error, code, line):
    result = run("fail", register=failing(error))
    assert (result.exit_code, result.stderr, result.stdout) == (code, line, "")


def test_an_unexpected_error_keeps_its_traceback(run):
    result = run("fail", register=failing(ZeroDivisionError("ours")))
    assert isinstance(result.exception, ZeroDivisionError)


def test_wrong_usage_is_2(run):
    for args in (["explian"], ["explain", "--nope"]):
        result = run(*args)
        assert result.exit_code == 2
        assert "Usage: foveal" in result.stderr
        assert result.stdout == ""


def test_a_wrong_or_missing_value_is_one_line(run):
    def register(app):
        @app.command("count")
        def count(number: int = typer.Argument(min=0)) -> None:
            typer.echo(number)

    line = re.compile(r"foveal: error: [^\n]*'number'[^\n]*\. See: [^\n]*count --help\.\n")
    for args in (["count"], ["count", "--", "-1"], ["count", "x"]):
        result = run(*args, register=register)
        assert result.exit_code == 2
        assert line.fullmatch(result.stderr)
        assert result.stdout == ""


def test_version(run):
    result = run("--version")
    assert (result.exit_code, result.stdout) == (0, f"foveal {foveal.__version__}\n")


def test_help_lists_every_built_in_command(run):
    result = run("--help")
    assert result.exit_code == 0
    for name in cli.BUILT_IN:
        assert f"\n  {name.replace('_', '-')} " in result.stdout


def test_a_broken_plug_in_leaves_the_others_alone(run, monkeypatch):
    monkeypatch.setattr(cli, "entry_points", lambda group: [EntryPoint("x", "no_such_thing:register", group)])
    result = CliRunner().invoke(cli.build_app(), ["--version"])
    assert result.exit_code == 0
    monkeypatch.setattr(typer, "echo", lambda text, err: captured.append((text, err)))
    captured = []
    cli.build_app()
    warning = "foveal: warning: the commands of 'no_such_thing:register' are left out: "
    assert captured == [(warning + "No module named 'no_such_thing'", True)]


def test_start_up_is_light():
    """With every installed command registered, nothing heavy is imported."""
    code = (
        "import sys; from foveal.cli import build_app; build_app()\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_worker_stays_light():
    """What the serving worker imports brings in the standard library, torch, numpy and Pillow only."""
    rooms = (
        "errors records features config samples attribution capture crops spool rules observer archives.eager"
    )
    names = [f"foveal.{room}" for room in rooms.split()]
    heavy = ["mlflow", "pyarrow", "pydantic", "scipy", "sklearn", "pandas", "captum", "typer", "rich", "yaml"]
    code = (
        "import sys, torch; before = set(sys.modules); from importlib import import_module\n"
        f"[import_module(name) for name in {names}]\n"
        f"print([name for name in {heavy} if name in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
