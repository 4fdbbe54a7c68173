"""The audit's commands, found by the core through an entry point."""

from __future__ import annotations

import typer

from foveal_audit.commands import audit, bench, compare, demo, explore, export, verify, worklists


def register(app: typer.Typer) -> None:
    """Add the audit's commands to the program."""
    for command in (demo, audit, explore, worklists, compare, verify, export, bench):
        command.register(app)
