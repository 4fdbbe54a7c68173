"""Writers and shippers are killed over and over; what was acknowledged is in the library, each once."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from ready_stores import ready_server

from foveal.library import Library
from foveal.shipper import ship
from foveal.spool import loss_counters

SIZES = {
    "few": {"writers": 40, "shippers": 20},
    "thousand": {"writers": 500, "shippers": 500},
}


def kill_all(parts, told):
    """Let both nurseries go to work side by side and give how their children ended."""
    paces = {"writers": {"longest": 0.1, "calls": 12}, "shippers": {}}
    running = [
        subprocess.Popen([sys.executable, parts / "nursery.py", kind, json.dumps(told | pace)])
        for kind, pace in paces.items()
    ]
    assert [nursery.wait() for nursery in running] == [0, 0]
    return {kind: json.loads(Path(f"{told['ends']}.{kind}").read_text()) for kind in paces}


def check(tmp_path, spool_folder, parts, kept, uri, kills, durability="process"):
    acknowledged = tmp_path / "acknowledged"
    library = Library(f"killed {kills['writers']}", uri)
    spool_folder.mkdir(parents=True)
    told = {
        "path": [*sys.path, str(parts)],
        "seed": 11,
        "spool": str(spool_folder),
        "acknowledged": str(acknowledged),
        "library": library.name,
        "uri": uri,
        "roll_bytes": 10_000,
        "pause": 0.02,
        "durability": durability,
        "kills": kills,
        "ends": str(tmp_path / "ends"),
    }
    began = time.monotonic()
    told_of = kill_all(parts, told)
    ends, busy = ({kind: one[what] for kind, one in told_of.items()} for what in ("ends", "busy"))
    at_once = library.counts()["production"].samples if library.exists() else 0
    shipped = ship(spool_folder, library)
    found, names = kept(library), Counter(acknowledged.read_text().split())
    logging.getLogger(__name__).warning(
        "killed %s, %s of them with segments waiting: %d acknowledged, %d shipped under fire, %d kept, "
        "%d lost, %d torn in the end, %.0f s",
        *(ends, busy, len(names), at_once, len(found), len(set(names) - found), shipped.torn),
        time.monotonic() - began,
    )
    assert ends == {kind: {"-9": number} for kind, number in kills.items()}
    assert max(names.values()) == 1
    assert set(names) <= found
    assert len(found - set(names)) <= kills["writers"]  # written, and killed before it could be noted down
    assert at_once > 0
    assert busy["shippers"] > kills["shippers"] / 4
    assert shipped.quarantined == 0
    assert loss_counters(spool_folder) == {}
    assert {path.suffix for path in spool_folder.iterdir()} <= {".lock", ".losses"}


@pytest.mark.slow
def test_sixty_kills_beside_a_store_without_a_server(tmp_path, spool_folder, parts, kept, database):
    check(tmp_path, spool_folder, parts, kept, database, SIZES["few"])


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_thousand_kills(tmp_path, spool_folder, parts, kept, database):
    check(tmp_path, spool_folder, parts, kept, database, SIZES["thousand"])


@pytest.mark.full
@pytest.mark.timeout(3600)
def test_a_thousand_kills_beside_a_server(tmp_path, spool_folder, parts, kept):
    with ready_server(tmp_path / "server") as server:
        check(tmp_path, spool_folder, parts, kept, server.uri, SIZES["thousand"])
