"""Lists, pictures, worklists, queues, decisions and notebooks of the explorer, without a browser."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from hostile_audit import FEATURES, HOSTILE, MODEL
from hypothesis import given
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal.library import Library
from foveal.library.annotations import Event
from foveal.library.opinions import Standing
from foveal.samples import encode_png
from foveal_audit.bundle.training import Row
from foveal_audit.explorer import deciding, tiles, worklists
from foveal_audit.explorer.app import make_app
from foveal_audit.explorer.browsing import MOST, ORDERS, Browser, Wanted, wanted_of
from foveal_audit.explorer.comparing import lines, state
from foveal_audit.explorer.exhibits import Exhibits, open_exhibits
from foveal_audit.explorer.features import feature_rows, histogram
from foveal_audit.explorer.notebook import show
from foveal_audit.explorer.triage import queue

BASE = "http://127.0.0.1:8123"


def said(subject, verdict, who="Ann", **more):
    return Standing(subject, (Event("0" * 64, "2026-01-01T00:00:00", who, subject, verdict=verdict, **more),))


@pytest.fixture
def library(exhibits):
    return exhibits.library


@pytest.mark.parametrize("order", ORDERS)
def test_windows_of_a_list_are_what_the_whole_list_says(library, order):
    browser, wanted = Browser(), Wanted(feature="fc1:7", source="training", order=order)
    whole = browser.window(library, wanted, 0, MOST)
    assert whole["total"] == len(whole["entries"]) == 40
    pieces = [browser.window(library, wanted, at, 7)["entries"] for at in range(0, 42, 7)]
    assert [one["id"] for piece in pieces for one in piece] == [one["id"] for one in whole["entries"]]
    column, down = {"activation": ("activation", True), "weakest": ("activation", False),
                    "newest": ("time", True),
                    "oldest": ("time", False), "sample": ("sample", False)}[order]  # fmt: skip
    values = [one[column] for one in whole["entries"]]
    assert values == sorted(values, reverse=down)


def test_filters_are_the_librarys_own(library):
    wanted = wanted_of(
        [("feature", "fc1:7"), ("low", "10"), ("metadata.site", "A"), ("source", ""), ("x", "y")]
    )
    found = Browser().window(library, wanted, 0, 200)
    expected = library.query(feature="fc1:7", activation=(10, None), metadata={"site": "A"}).ids()
    assert sorted(one["id"] for one in found["entries"]) == expected
    assert expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([("order", "newst")], "There is no order 'newst'. Did you mean 'newest' or 'oldest' or 'weakest'."),
        ([("low", "x")], "'x' is no number for 'low'. Give one."),
        ([("low", "nan")], "'nan' is no number for 'low'. Give one."),
        ([("predicted", "9" * 30)], f"'{'9' * 30}' is no number for 'predicted'. Give one."),
    ],
)
def test_a_wrong_filter_is_named(given, message):
    with pytest.raises(UsageError) as caught:
        wanted_of(given)
    assert str(caught.value) == message


def test_a_script_in_place_of_a_crop_is_no_picture(library):
    entries = Browser().window(library, Wanted(feature="fc1:7"), 0, 80)["entries"]
    assert {bool(one["crop"]) for one in entries} == {True, False}
    assert all(one["crop"].startswith(("data:image/png;base64,", "")) for one in entries)


def test_a_window_of_values_makes_black_and_white():
    pixels = np.array([[[0], [64], [128], [255]]], np.uint8)
    image = tiles.crop_picture(encode_png(pixels), "x", (0.25, 0.5))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 1, 255, 255]
    deep = pixels.astype(np.uint16) * 257
    image = tiles.crop_picture(encode_png(deep), "x", (0.25, 0.5))
    assert np.asarray(image)[0, :, 0].tolist() == [0, 1, 255, 255]


def test_the_layer_of_a_map_shows_evidence_for_and_hides_evidence_against():
    layer = np.asarray(tiles.map_layer([1, -1, 0, -1], [2, 2], (32, 32)))
    assert layer.shape == (tiles.LAYER, tiles.LAYER, 4)
    assert layer[0, 0, 3] > 200
    assert layer[-1, -1, 3] == layer[0, -1, 3] == 0
    assert tiles.map_layer([1.0], [1, 1, 1, 1], (8, 8)) is None
    assert tiles.map_layer([1.0], [2, 2], (8, 8)) is None
    assert np.asarray(tiles.map_layer([np.nan, -1, -2, -1], [2, 2], (8, 8)))[..., 3].max() == 0


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_a_histogram_draws_each_bin_once(values):
    class Fixed(Browser):
        def listed(self, library, wanted):
            return pa.table({"activation": pa.array(map(float, values))})

    svg = histogram(Fixed(), None, "x")
    heights = [float(one) for one in re.findall(r'height="([0-9.]+)"/>', svg)]
    counts = np.histogram(np.array(values, float), 24)[0]
    assert len(heights) == 24
    assert np.allclose(heights, 28 * counts / counts.max(), atol=0.06)


def test_dismissed_features_give_the_training_samples_that_contain_them(library, exhibits):
    facet = exhibits.findings.artefacts[0]
    told = {
        FEATURES[1]: said(FEATURES[1], "artefact", name="=cmd()", code="RID1"),
        facet.id: said(facet.id, "site-specific"),
        FEATURES[2]: said(FEATURES[2], "genuine"),
        "nothing": said("nothing", "artefact"),
    }
    rows = list(csv.DictReader(io.StringIO(worklists.unwanted_csv(library, exhibits.findings, told))))
    whole = {row["entry"] for row in rows if row["subject"] == FEATURES[1]}
    assert whole == set(library.query(feature=FEATURES[1], source="training").ids())
    part = {row["entry"] for row in rows if row["subject"] == facet.id}
    assert part == {ref.id for ref in facet.entries if ref.source == "training"}
    assert {row["subject"] for row in rows} == {FEATURES[1], facet.id}
    assert {row["of"] for row in rows if row["subject"] == facet.id} == {"40"}
    assert {row["name"] for row in rows if row["subject"] == FEATURES[1]} == {"'=cmd()"}


def test_a_dismissed_facet_gives_all_its_training_samples_that_are_still_there(library, exhibits):
    facet = exhibits.findings.artefacts[0]
    ids = library.query(feature=FEATURES[1], source="training").ids()
    name = library.query(feature=FEATURES[1], source="training").table(["sample"])["sample"][0].as_py()

    def row(**changes):
        base = {"facet": facet.id, "sample": name, "label": "b", "window": "0 0 4 4", "activation": 1.0}
        return Row(**base | {"entry": ""} | changes)

    listed = [
        *(row(entry=id_) for id_ in ids),
        row(),
        row(sample="lost"),
        row(entry="lost"),
        row(facet="A-other"),
    ]
    table = worklists.unwanted_csv(library, exhibits.findings, {facet.id: said(facet.id, "artefact")}, listed)
    rows = list(csv.DictReader(io.StringIO(table)))
    assert len(ids) > len(facet.entries) / 2
    assert sorted(one["entry"] for one in rows) == ["", *ids]
    whole = next(one for one in rows if not one["entry"])
    assert (whole["sample"], whole["label"], whole["window"], whole["row"]) == (name, "b", "0 0 4 4", "")
    assert worklists.unwanted_csv(library, exhibits.findings, {facet.id: said(facet.id, "artefact")}, []) == (
        ",".join(worklists.UNWANTED_COLUMNS) + "\n"
    )


def test_only_accepted_gaps_are_to_be_acquired(exhibits):
    gap = exhibits.findings.gaps[0]
    for verdict, count in (("genuine", 1), ("artefact", 0), ("unsure", 0), ("", 0)):
        table = worklists.acquisition_csv(exhibits.findings, {gap.id: said(gap.id, verdict, note="soon")})
        rows = list(csv.DictReader(io.StringIO(table)))
        assert len(rows) == count
    split = Standing(gap.id, (*said(gap.id, "genuine").opinions, *said(gap.id, "artefact", "Bob").opinions))
    assert worklists.acquisition_csv(exhibits.findings, {gap.id: split}).count("\n") == 1


def test_the_queue_begins_with_what_presses(exhibits):
    cases = queue(exhibits.findings, {}, exhibits.others[0].findings)
    assert [case.subject.verdict for case in cases] == ["confirmed", "suspected", "suspected", "genuine"]
    assert [case.change for case in cases] == ["unchanged", "updated", "unchanged", "unchanged"]
    assert [case.is_gap for case in cases] == [False, False, True, False]
    told = {cases[0].subject.id: said(cases[0].subject.id, "artefact", second_reader="Bob")}
    assert not queue(exhibits.findings, told)[0].settled
    told = {cases[0].subject.id: said(cases[0].subject.id, "artefact")}
    assert queue(exhibits.findings, told)[0].settled


def test_two_audits_are_told_apart(exhibits):
    now, before = exhibits.audit.findings, exhibits.others[0].findings
    (changed,) = [line for line in lines(now, before, {}) if line.change != "unchanged"]
    told = (changed.one.id, changed.then.verdict, changed.now.verdict, changed.change)
    assert told == (now.artefacts[1].id, "genuine", "suspected", "updated")
    assert [state("", "a"), state("a", ""), state("a", "a"), state("a", "b")] == [
        "new",
        "gone",
        "unchanged",
        "updated",
    ]


def test_a_decision_is_laid_out_where_it_was_seen(library):
    (one,) = deciding.decisions(library, "training/00001.png")
    assert [label for label, _, _ in one.scores(["disc", "ring"])] == ["ring", "disc"]
    assert sum(share for _, _, share in one.scores([])) == pytest.approx(1)
    image = np.asarray(deciding.frame(one))
    assert image.shape == (420, 420, 3)
    assert (image[400:, 400:] == 118).all()  # nothing was kept there
    assert (image[60, 60:200] != 118).any()
    assert deciding.decisions(library, "nothing.png") == []


def test_features_of_the_audit_come_first_then_the_largest(exhibits):
    rows = feature_rows({"a": 5, "b": 9, "fc1:7": 1}, exhibits.findings, {"b": said("b", "unsure")})
    assert [row.name for row in rows] == [*(one.feature for one in exhibits.findings.assessments), "b", "a"]
    assert [row.said for row in rows if row.name == "b"] == [[said("b", "unsure")]]


def test_what_cannot_be_opened_is_named(exhibits, store, tmp_path):
    with pytest.raises(UsageError) as caught:
        open_exhibits(None, None)
    assert (
        str(caught.value) == "There is nothing to explore. Give a BUNDLE, or a library with --library NAME."
    )
    with pytest.raises(UsageError, match=r"holds no findings.json that can be read. Check the bundle"):
        open_exhibits(tmp_path, None)
    with pytest.raises(UsageError, match="No library 'ex'"):
        open_exhibits(None, "ex", tracking_uri=store)


def test_a_bundle_without_its_library_is_shown_and_says_what_is_missing(exhibits, guard, store):
    alone = Exhibits(None, exhibits.audit)
    client = TestClient(make_app(alone, guard), BASE, headers={"accept": "text/html"})
    client.get(f"/?token={guard.token}")
    assert client.get("/").status_code == client.get("/triage").status_code == 200
    answer = client.get("/entries")
    assert answer.status_code == 400
    assert "cannot be reached from here" in answer.text


@pytest.fixture(scope="module")
def client(exhibits, guard):
    client = TestClient(make_app(exhibits, guard), BASE, headers={"origin": BASE})
    client.get(f"/?token={guard.token}")
    return client


def test_what_a_reader_leaves_out_stays_and_only_own_words_are_undone(client, exhibits):
    subject = f"fc1:{HOSTILE}"
    first = {"who": "Eve", "subject": subject, "verdict": "artefact", "note": HOSTILE, "confidence": 0.5}
    assert client.post("/api/annotations", json=first).status_code == 200
    told = client.post(
        "/api/annotations", json={"who": "Eve", "subject": subject, "verdict": "unsure"}
    ).json()
    (own,) = told["standing"]["opinions"]
    assert (own["verdict"], own["note"], own["confidence"]) == ("unsure", HOSTILE, 0.5)
    answer = client.post("/api/undo", json={"who": "Mallory"})
    assert (answer.status_code, answer.json()["fault"]) == (
        400,
        "'Mallory' has said nothing that can be taken back",
    )
    assert client.post("/api/undo", json={"who": "Eve"}).json()["standing"]["verdict"] == "artefact"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"who": 1, "subject": "x"}',
                                  b'{"who": "a", "subject": "x", "y": 1}',
                                  b'{"who": "a", "subject": "x", "verdict": "yes"}',
                                  b'{"who": "", "subject": "x"}',
                                  b'{"who": "a", "subject": "x", "confidence": 7}'])  # fmt: skip
def test_what_is_no_annotation_is_refused(client, exhibits, body):
    before = exhibits.annotations.heads()
    answer = client.post("/api/annotations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert exhibits.annotations.heads() == before


@pytest.mark.parametrize("path", ["/api/entries?order=x", "/api/entries?span=1", "/api/entries?since=soon",
                                  "/api/similar?id=x", "/frames/x?seed=1", "/decision?request=x",
                                  "/finding/A-0",
                                  "/compare?a=x", "/run/x", "/api/entries?source=x"])  # fmt: skip
def test_wrong_questions_get_the_fault_and_the_mend(client, path):
    answer = client.get(path)
    assert answer.status_code == 400
    assert set(answer.json()) == {"fault", "mend"}


def test_no_annotated_text_becomes_markup(client, exhibits):
    for path in ("/", "/log", "/triage", f"/finding/{exhibits.findings.artefacts[0].id}"):
        text = client.get(path).text
        assert "<img src=x" not in text
        assert "<script>window" not in text
        assert "\u202e" not in text


def test_notebooks_show_libraries_features_and_findings_and_run_nothing(library, exhibits):
    shown = [
        library._repr_html_(),
        library[FEATURES[1]]._repr_html_(),
        library[FEATURES[2]]._repr_html_(),
        show(exhibits.findings, library)._repr_html_(),
        Library("not <b>there", library.tracking_uri)._repr_html_(),
    ]
    for html in shown:
        assert "<script" not in html
        assert "<img src=x" not in html
        assert "<b>there" not in html
    assert "data:image/png;base64," in shown[1]
    assert "Confirmed reliance: facet 0 of contribution:1" in shown[3]
    assert "not made yet" in shown[4]
    assert MODEL not in shown[0]
