"""Libraries in one shared MLflow store, each test with a name of its own."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from foveal.library import Library

_NUMBERS = count()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep fetched shards out of the user's own cache."""
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def library(tracking_uri: str) -> Library:
    return Library(f"library {next(_NUMBERS)}", tracking_uri)


@pytest.fixture
def again(tracking_uri: str):
    """Open a library anew, as another process would."""
    return lambda library: Library(library.name, tracking_uri)
