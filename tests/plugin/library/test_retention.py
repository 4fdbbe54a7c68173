"""Retention: what is older than so many days goes."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from foveal.errors import UsageError
from foveal.library.retention import retain
from foveal.library.tombstones import Tombstones

NOW = datetime(2026, 3, 31, tzinfo=timezone.utc)


def test_old_production_goes_and_training_stays(library, observe):
    library.add(
        [observe("old", time="2026-02-28T00:00:00Z"), observe("new", time="2026-03-02T00:00:00Z")], "one"
    )
    library.add([observe("file", source="training", time="2020-01-01T00:00:00Z")], "two")
    receipt = retain(library, 30, now=NOW)
    assert library.samples()["sample"].to_pylist() == ["new", "file"]
    assert receipt.requested == {"by": "before", "sources": ["production"], "value": "2026-03-01T00:00:00Z"}
    assert len(list((Path(library.url) / "events").iterdir())) == 1
    assert retain(library, 30, now=NOW).id == ""
    retain(library, 30, now=NOW, sources=("training",), keep_events=False)
    assert library.samples()["sample"].to_pylist() == ["new"]
    assert len(list((Path(library.url) / "events").iterdir())) == 1


def test_only_the_latest_date_is_kept_on_the_list(library, observe):
    """A timer does this for years: the dates that mean nothing any more go."""
    library.add([observe("new", time="2026-03-30T00:00:00Z")], "one")
    for day in (1, 2, 3):
        retain(library, 30, now=NOW + timedelta(days=day))
    retain(library, 40, now=NOW)
    retain(library, 20, now=NOW, sources=("training", "production"))
    files = sorted(path.name for path in (Path(library.url) / "tombstones").iterdir())
    assert files == ["before-20260311T000000Z-training_production.json"]
    erased = observe("late", time="2026-03-10T23:59:59Z"), observe("kept", time="2026-03-11T00:00:00Z")
    assert [one.sample.sample for one in Tombstones(library.tracking).spared(erased)] == ["kept"]


def test_days_have_to_be_some(library):
    with pytest.raises(UsageError) as caught:
        retain(library, -1)
    assert str(caught.value) == "Samples cannot be kept for -1 days. Give --days 0 or more."
