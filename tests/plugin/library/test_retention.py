"""Retention: what is older than so many days goes."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from foveal.errors import UsageError
from foveal.library.retention import retain

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


def test_days_have_to_be_some(library):
    with pytest.raises(UsageError) as caught:
        retain(library, -1)
    assert str(caught.value) == "Samples cannot be kept for -1 days. Give --days 0 or more."
