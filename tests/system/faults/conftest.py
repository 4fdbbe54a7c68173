"""What goes wrong, and real parts for it to go wrong with."""

from __future__ import annotations

import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from ready_stores import ready_server, ready_store

from foveal.library import Added, Library
from foveal.spool import read_segment

#: Modules that the programs under fire import too.
PARTS = Path(__file__).parent / "parts"
sys.path.append(str(PARTS))

_NUMBERS = count()


@pytest.fixture(scope="session")
def parts():
    """The folder of the programs that are started."""
    return PARTS


@pytest.fixture(scope="session")
def database(tmp_path_factory):
    """An MLflow store without a server. Its tables are made: while it makes them, MLflow cannot be killed."""
    return ready_store(tmp_path_factory.mktemp("mlflow") / "mlflow.db")


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory):
    """A real MLflow server."""
    with ready_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Let no test read what another one fetched."""
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def library(database):
    """A library of its own for each test."""
    return Library(f"faults {next(_NUMBERS)}", database)


@pytest.fixture
def spool_folder(tmp_path):
    """One model's spool folder, not made yet."""
    return tmp_path / "spool" / "nodules"


@pytest.fixture
def spooled():
    """Name what lies in a spool folder, in the order of the segments."""

    def names(folder):
        files = sorted(path for path in folder.iterdir() if path.suffix in {".open", ".seg"})
        return [seen.sample.sample for path in files if path.is_file() for seen in read_segment(path)]

    return names


@pytest.fixture
def kept():
    """Name what a library holds, after a look that it holds nothing twice."""

    def names(library):
        found = library.samples(columns=["sample"])["sample"].to_pylist()
        assert len(found) == len(set(found))
        assert sum(shard["rows"]["samples"] for shard in library.shards()) == len(found)
        assert sorted(library.entries(columns=["id"])["id"].to_pylist()) == sorted(found)
        return set(found)

    return names


@pytest.fixture
def small_disk(tmp_path):
    """Mount disks of a few kilobytes; gives a function, which gives the folder."""
    mounted = []

    def mount(options):
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        if subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("Mounting a small disk needs more rights than this user has")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def remount():
    """Change a mounted disk's options."""

    def change(folder, options):
        subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)

    return change


class Notes:
    """Stands in for a library where thousands of segments are shipped: it notes what it is given."""

    def __init__(self):
        self.added, self.losses = {}, {}
        self.name = "notes"
        self.tracking = self.store = self

    def find(self):
        return None

    def shards(self):
        return []

    def made(self, observations):
        return list(observations)

    def add(self, observations, shard):
        new = shard not in self.added
        self.added[shard] = [seen.sample.sample for seen in observations]
        return Added(len(observations) * new, 0)

    def report_losses(self, origin, counts, samples=()):
        self.losses[origin] = dict(counts)

    def publish_note(self):
        pass


@pytest.fixture
def notes():
    """A library that only notes what it is given."""
    return Notes()
