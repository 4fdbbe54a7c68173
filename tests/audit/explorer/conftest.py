"""An explorer of a made-up audit."""

from __future__ import annotations

import os
import shutil
from datetime import datetime, timezone

import pytest
from hostile_audit import FEATURES, fill, findings, generator

from foveal.library import Library
from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.writing import write_bundle
from foveal_audit.explorer.exhibits import open_exhibits
from foveal_audit.explorer.guard import Guard

UTC = timezone.utc


@pytest.fixture(scope="session")
def exhibit(tmp_path_factory):
    """Make a library and the bundles of two audits of it; gives the library's name, place and the bundles."""
    folder = tmp_path_factory.mktemp("explorer")

    def make(uri, name="ex<b>plored"):
        library = Library(name, uri)
        fill(library)
        now, before = folder / f"now {len(uri)}", folder / f"before {len(uri)}"
        earlier = findings(library, "genuine").model_copy(
            update={"created": datetime(2026, 3, 1, tzinfo=UTC)}
        )
        later = findings(library).model_copy(update={"created": datetime(2026, 4, 1, tzinfo=UTC)})
        write_bundle(AuditResult(earlier), before, documents={})
        generators = {FEATURES[0]: generator(library)}
        write_bundle(AuditResult(later), now, documents={}, generators=generators)
        return name, now, before

    return make


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A tracking store of our own, with its cache."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOVEAL_CACHE_DIR", str(folder / "cache"))
        patch.chdir(folder)
        yield f"sqlite:///{folder}/mlflow.db"


@pytest.fixture(scope="session")
def exhibits(exhibit, store):
    name, now, before = exhibit(store)
    return open_exhibits(now, name, [before], store)


@pytest.fixture(scope="session")
def guard():
    return Guard()


@pytest.fixture(scope="session")
def chromium():
    """Where Chromium is; a machine without one must say so, not pass."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    assert found, "Set CHROMIUM to a Chromium or Chrome"
    return found
