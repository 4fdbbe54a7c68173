"""The command ``foveal``: the commands of all rooms under one name, with one way to end."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Annotated, NoReturn, TypeAlias

import typer
from typer.core import TyperGroup

from foveal import __version__
from foveal.errors import FovealError

Register: TypeAlias = Callable[[typer.Typer], None]

#: Modules of ``foveal.commands``, in the order of the help; each has ``register(app)``.
BUILT_IN = (
    "explain",
    "kinds",
    "tiles",
    "methods",
    "collect",
    "ship",
    "library",
    "pack",
    "wrap",
    "unwrap",
    "onnx_audit",
    "serve",
    "doctor",
)

#: Entry points of this group are further ``register(app)`` functions: the audit's, and other people's.
GROUP = "foveal.commands"

#: A command was interrupted; what it had finished stays, and the same command goes on from there.
INTERRUPTED = 4


class _Guarded(TyperGroup):
    """Ends every command as the design says: fine 0, usage 2, environment 3, interrupted 4."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override] # typer hides the base's type
        """Run the command; our errors and wrong values become one line, unexpected ones keep a traceback."""
        try:
            return super().invoke(ctx)
        except FovealError as error:
            _stop(f"error: {error}", error.exit_code, error)
        except typer.BadParameter as error:
            _stop(f"error: {_wrong_option(error)}", error.exit_code, error)
        except KeyboardInterrupt as error:
            _stop("interrupted", INTERRUPTED, error)


def build_app() -> typer.Typer:
    """Build the application with the built-in commands and those of installed entry points."""
    app = typer.Typer(
        name="foveal",
        cls=_Guarded,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for name in BUILT_IN:
        import_module(f"foveal.commands.{name}").register(app)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        _plug_in(app, point)
    return app


def main() -> None:
    """Run the command line."""
    build_app()()


def _plug_in(app: typer.Typer, point: EntryPoint) -> None:
    """Add the commands of an entry point; a broken one must not take the others down with it."""
    try:
        register: Register = point.load()
    except (ImportError, AttributeError) as error:
        typer.echo(f"foveal: warning: the commands of {point.value!r} are left out: {error}", err=True)
    else:
        register(app)


def _root(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True)] = False,
) -> None:
    """See what a served classifier looks at, keep what it saw, find its artefacts and training-set gaps."""


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"foveal {__version__}")
        raise typer.Exit


def _wrong_option(error: typer.BadParameter) -> str:
    """Say what is wrong with an option or argument, and where to look."""
    fault = error.format_message().replace("Value error, ", "").rstrip(".")
    return f"{fault}. See: {error.ctx.command_path if error.ctx else 'foveal'} --help."


def _stop(line: str, code: int, cause: BaseException) -> NoReturn:
    typer.echo(f"foveal: {line}", err=True)
    raise typer.Exit(code) from cause
