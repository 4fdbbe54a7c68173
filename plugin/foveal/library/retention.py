"""Retention: samples older than so many days go, the record that they were there may stay."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from foveal.errors import UsageError
from foveal.library.erasing import erase
from foveal.library.receipt import Receipt
from foveal.library.wanted import Wanted
from foveal.records import Source

if TYPE_CHECKING:
    from foveal.library.store import Library


def retain(
    library: Library,
    days: float,
    spools: Sequence[Path] = (),
    *,
    sources: tuple[Source, ...] = ("production",),
    keep_events: bool = True,
    now: datetime | None = None,
) -> Receipt:
    """Erase what is older than a number of days.

    Parameters
    ----------
    library
        The library.
    days
        How long samples are kept; whole days are meant, but parts of one do.
    spools, keep_events
        See :func:`foveal.library.erasing.erase`.
    sources
        Whose samples grow old. Training samples are kept as long as the data set is, unless they are named.
    now
        The moment that counts as now.

    Returns
    -------
    Receipt
        As of an erasure by date.

    Raises
    ------
    UsageError, EnvironmentFault
        As :func:`foveal.library.erasing.erase`; and where `days` is negative.
    """
    if days < 0:
        raise UsageError(f"Samples cannot be kept for {days:g} days", "Give --days 0 or more")
    moment = (now or datetime.now(timezone.utc)) - timedelta(days=days)
    return erase(
        library, Wanted("before", f"{moment:%Y-%m-%dT%H:%M:%SZ}", sources), spools, keep_events=keep_events
    )
