"""Places of sounds in the explorer: when, and at which frequencies."""

import re
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from placed_samples import model_of, write_placed
from ready_stores import ready_store

from foveal.collecting import collect
from foveal.library import Library
from foveal_audit.bundle.schema import Assessment, EntryRef
from foveal_audit.explorer.app import make_app
from foveal_audit.explorer.exhibits import open_exhibits
from foveal_audit.explorer.guard import Guard
from foveal_audit.explorer.measuring import measures

PLACE = r"0\.[34]\d\u20130\.[45]\d s, 1\.[89]\d*\u20132\.[012]\d* kHz"


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("placed")
    (folder / "data").mkdir()
    write_placed("sound", folder / "data", 3)
    store = ready_store(folder / "mlflow.db")
    collect(model_of("sound"), folder / "data", "training", Library("placed", store))
    return open_exhibits(None, "placed", tracking_uri=store)


def asked(exhibits):
    guard = Guard()
    client = TestClient(make_app(exhibits, guard), "http://127.0.0.1:8123")
    client.get("/", params={"token": guard.token})
    return client


def test_a_decision_tells_seconds_and_hertz(sounds):
    page = asked(sounds).get("/why", params={"request": "s1.wav"}).text
    assert len(re.findall(PLACE + ", activation", page)) == 2  # the contribution's window, and the class's
    assert "steps" not in page


def test_so_do_entries(sounds):
    entries = asked(sounds).get("/api/entries", params={"start": 0, "count": 10}).json()["entries"]
    assert len(entries) == 6
    assert all(re.fullmatch(PLACE, one["place"]) for one in entries)
    assert not any({"spacing", "band"} & set(one) for one in entries)


def facet(ids):
    refs = [EntryRef(sample="s", window=(0, 8), activation=1.0, source="training", id=id_) for id_ in ids]
    return Assessment(
        id="A-00000001", feature="class:1", facet=0, n_entries={}, reliance=0, irrelevance=0,
        artefact_score=0, q_value=None, verdict="undecidable", entries=refs,
    )  # fmt: skip


def test_a_finding_tells_what_its_windows_have_in_common(sounds):
    with sounds.reading() as library:
        ids = library.query(feature="class:1").ids()
    large, band = measures(sounds, facet(ids))
    assert large == "A crop is 0.10 s."
    assert re.fullmatch(
        r"At least half of the entries have evidence at 1\.[89]\d*\u20132\.[012]\d* kHz\.", band
    )
    assert measures(sounds, facet([])) == []
    assert measures(SimpleNamespace(library=None), facet(ids)) == []
