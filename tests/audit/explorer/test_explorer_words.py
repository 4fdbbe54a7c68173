"""Experts share out the work: to whom, several at once, open again; and audits over time. No browser."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from hostile_audit import FEATURES, HOSTILE, fill, findings

from foveal.library import Library
from foveal.library.annotations import Annotations, Event
from foveal.library.opinions import Standing, standings
from foveal_audit.audits import Audit
from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.experts import Experts, Said
from foveal_audit.bundle.writing import write_bundle
from foveal_audit.explorer.app import make_app
from foveal_audit.explorer.comparing import commonness, lines, strongest
from foveal_audit.explorer.deciding import decisions, responses
from foveal_audit.explorer.drifting import course
from foveal_audit.explorer.exhibits import open_exhibits
from foveal_audit.explorer.triage import queue
from foveal_audit.recalling import recalled

BASE = "http://127.0.0.1:8123"


@pytest.fixture(scope="module")
def shown(store, tmp_path_factory):
    """An audit of a library of its own, so that what is said here is said nowhere else."""
    folder = tmp_path_factory.mktemp("words")
    library = Library("words", store)
    fill(library)
    write_bundle(AuditResult(findings(library)), folder / "now", documents={})
    write_bundle(AuditResult(findings(library, "genuine")), folder / "before", documents={})
    return open_exhibits(folder / "now", "words", [folder / "before"], store)


@pytest.fixture
def client(shown, guard):
    client = TestClient(make_app(shown, guard), BASE, headers={"origin": BASE})
    client.get(f"/?token={guard.token}")
    return client


@pytest.fixture
def ids(shown):
    return [one.id for one in (*shown.findings.assessments, *shown.findings.gaps)]


def event(subject, verdict="", kind="annotate", time="2026-01-01T00:00:00+00:00", **more):
    return Event("0" * 64, time, more.pop("who", "Ann"), subject, kind, verdict, **more)


def post(client, path, **said):
    answer = client.post(path, json={"who": "Ann", **said})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_one_verdict_for_several_keeps_what_was_said_of_each(client, shown, ids):
    client.post("/api/annotations", json={"who": "Ann", "subject": ids[0], "name": "marker", "note": "n"})
    told = post(client, "/api/decide", subjects=ids[:2], verdict="artefact")
    assert len(told["events"]) == 2
    assert {one["verdict"] for one in told["standings"].values()} == {"artefact"}
    assert told["standings"][ids[0]]["name"] == "marker"
    assert [one["note"] for one in told["standings"][ids[0]]["opinions"]] == ["n"]
    known = shown.said()
    assert known[ids[0]].entries == {ref.id for ref in shown.finding(ids[0]).entries}
    undone = post(client, "/api/undo-all", events=told["events"])
    assert undone["standings"][ids[0]]["verdict"] == ""
    assert undone["standings"][ids[1]] is None
    assert Annotations(shown.library.tracking).verify() == []


def test_findings_are_assigned_and_the_reader_is_awaited(client, shown, ids):
    told = post(client, "/api/assign", subjects=ids[1:3], reader=HOSTILE)
    assert [one["assigned"] for one in told["standings"].values()] == [shown.said()[ids[1]].assigned] * 2
    page = client.get("/triage").text
    assert "assigned to" in page
    assert "<img src=x" not in page
    assert "assigned to" in client.get(f"/finding/{ids[1]}").text
    assert post(client, "/api/assign", subjects=ids[1:3], reader="")["standings"][ids[1]]["awaited"] == []


def test_what_is_opened_again_is_open_and_what_has_no_verdict_cannot_be(client, shown, ids):
    subject = ids[0]
    post(client, "/api/decide", subjects=[subject], verdict="genuine")
    assert _settled(shown)[subject]
    told = post(client, "/api/reopen", subjects=ids[:1], note="a new scanner")["standings"][subject]
    assert (told["verdict"], told["opened"], told["earlier"][0]["verdict"]) == ("", "Ann", "genuine")
    assert not _settled(shown)[subject]
    answer = client.post("/api/reopen", json={"who": "Ann", "subjects": ids[:1]})
    assert answer.json() == {"fault": "None of these has a verdict", "mend": "What has none is open already"}
    assert "opened again by" in client.get(f"/finding/{subject}/panel").text
    again = post(client, "/api/decide", subjects=[subject], verdict="artefact")["standings"][subject]
    assert (again["verdict"], again["opened"]) == ("artefact", "")


def _settled(shown):
    return {case.subject.id: case.settled for case in queue(shown.findings, shown.said())}


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/api/decide", {"subjects": [], "verdict": "artefact"}),
        ("/api/decide", {"subjects": ["A-00000000"], "verdict": "artefact"}),
        ("/api/decide", {"verdict": "yes"}),
        ("/api/decide", {"who": "", "verdict": "artefact"}),
        ("/api/assign", {"reader": "x" * 201}),
        ("/api/assign", {"reader": None}),
        ("/api/reopen", {"note": 5}),
        ("/api/undo-all", {"events": ["0" * 64]}),
    ],
)
def test_of_several_all_or_none_are_kept(client, shown, ids, path, said):
    before = shown.annotations.heads()
    given = {"who": "Ann", **({} if path == "/api/undo-all" else {"subjects": ids[:2]}), **said}
    answer = client.post(path, json=given)
    assert answer.status_code in (400, 422)
    assert shown.annotations.heads() == before


@pytest.mark.parametrize("path", ["/api/decide", "/api/assign", "/api/reopen", "/api/undo-all"])
def test_other_pages_share_out_nothing(client, shown, ids, path):
    before = shown.annotations.heads()
    said = {"who": "Eve", "subjects": ids, "verdict": "genuine", "reader": "Eve", "events": []}
    headers = {"origin": "http://evil.example"}
    assert client.post(path, json=said, headers=headers).status_code == 403
    assert shown.annotations.heads() == before


def test_two_who_decide_on_several_at_once_lose_nothing(client, shown, ids):
    """One through the page, one through another explorer of the same library."""
    other = Annotations(Library(shown.library.name, shown.library.tracking_uri).tracking)
    before = {one.id for one in shown.annotations.events()}

    def through_the_page(n):
        paths = {"/api/decide": {"verdict": "unsure"}, "/api/assign": {"reader": "Bob"}}
        return [id_ for path, said in paths.items() for id_ in _of(client, path, ids, n, said)]

    def elsewhere(n):
        told = [{"who": f"other {n}", "subject": one, "kind": "reopen"} for one in ids]
        return [made.id for made in other.add_all(told)]

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(work, n) for n in range(3) for work in (through_the_page, elsewhere)]
        acknowledged = {id_ for job in jobs for id_ in job.result()}
    events = shown.annotations.events()
    assert {one.id for one in events} - before == acknowledged
    assert len(acknowledged) == 3 * (3 * len(ids))
    assert shown.annotations.verify() == []


def _of(client, path, ids, n, said):
    told = client.post(path, json={"who": f"page {n}", "subjects": ids, **said})
    assert told.status_code == 200
    return told.json()["events"]


def test_a_finding_is_read_again_where_the_audit_has_changed_its_verdict_since(shown):
    now, before = shown.findings, shown.others[0].findings
    changed = now.artefacts[1].id
    old, young = ((now.created + timedelta(days=days)).isoformat() for days in (-1, 1))
    for time, overtaken in ((old, True), (young, False)):
        said = standings([event(changed, "artefact", time=time)])
        (case,) = [one for one in queue(now, said, before) if one.subject.id == changed]
        assert (case.change, case.overtaken, case.settled) == ("updated", overtaken, not overtaken)
    unchanged = now.artefacts[0].id
    said = standings([event(unchanged, "artefact", time=old)])
    (case,) = [one for one in queue(now, said, before) if one.subject.id == unchanged]
    assert case.settled


def test_how_common_something_is(shown):
    facet, gap = shown.findings.assessments[0], shown.findings.gaps[0]
    known = shown.findings.model_copy(
        update={"library": shown.findings.library.model_copy(update={"samples": {"training": 160}})}
    )
    assert commonness(facet, known, "training") == 40 / 160
    assert commonness(facet, known, "production") is None
    assert commonness(gap, known, "production") == 0.2
    assert commonness(gap, known, "training") is None


def test_a_facet_is_shown_by_its_strongest_entries_one_a_sample(shown):
    facet = shown.findings.assessments[0]
    named = {ref.id: ref for ref in facet.entries}
    refs = [named[id_] for id_ in strongest(facet)]
    assert len({ref.sample for ref in refs}) == len(refs) == 5
    assert [ref.activation for ref in refs] == sorted(
        (ref.activation for ref in facet.entries), reverse=True
    )[:5]
    assert strongest(shown.findings.gaps[0]) == []


def test_a_facet_is_followed_from_audit_to_audit(shown):
    now = shown.findings
    library = now.library.model_copy(update={"samples": {"training": 40, "production": 40}})
    grown = library.model_copy(update={"samples": {"training": 40, "production": 60}})
    counts = {"training": 40, "production": 50}
    later = [one.model_copy(update={"n_entries": counts}) for one in now.assessments]
    first = now.model_copy(update={"library": library, "created": now.created - timedelta(days=9)})
    second = now.model_copy(update={"library": grown, "assessments": later})
    third = first.model_copy(update={"assessments": [], "created": now.created - timedelta(days=20)})
    audits = [
        Audit(str(n), f"audit {n}", lambda one=one: one) for n, one in enumerate((first, second, third))
    ]
    stops = course(second.assessments[0], audits[1], [audits[0], audits[2], audits[1]])
    assert [stop.audit.key for stop in stops] == ["2", "0", "1"]
    assert [stop.one is None for stop in stops] == [True, False, False]
    assert [stop.production for stop in stops] == [None, 1.0, 50 / 60]
    assert [stop.added for stop in stops] == [None, None, 0.5]
    assert stops[1].training == 1.0


def test_pages_of_the_course_and_of_two_audits_show_strips_and_run_nothing(client, shown, ids):
    for id_ in ids:
        page = client.get(f"/course/{id_}").text
        assert page.count("<tr>") == 3
        assert "<img src=x" not in page
    text = client.get(f"/course/{ids[0]}").text
    address = text.partition('<img class="strip-small" src="')[2].partition('"')[0].replace("&amp;", "&")
    answer = client.get(address)
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert client.get("/strip/chosen?ids=nothing").status_code == 200
    page = client.get("/compare?a=bundle-0&b=bundle-1").text
    assert "0 new, 0 gone, 1 updated, 3 unchanged." in page
    assert page.count("/strip/chosen?") == 6
    assert client.get("/course/A-0").json()["fault"] == "There is no finding 'A-0'"


def test_the_panel_argues_as_the_report_does(client, shown, ids):
    page = client.get(f"/finding/{ids[0]}/panel").text
    assert "The model uses it" in page
    assert "What argues that it has nothing to do with the task" in page
    assert "How it went from audit to audit" in page


def test_a_decision_says_what_the_audit_and_experts_think_of_what_it_shows(client, shown):
    facet = shown.findings.assessments[0]
    ref = next(ref for ref in facet.entries if ref.source == "training")
    (one,) = decisions(shown.library, ref.sample)
    said = {facet.id: Standing(facet.id, (event(facet.id, "artefact"),))}
    found = {response.row["feature"]: response for response in responses(one, shown.findings, said)}
    assert set(found) == set(FEATURES)
    own = found[facet.feature]
    assert ([each.id for each in own.facets], own.certain) == ([facet.id], True)
    assert own.said == [said[facet.id]]
    assert responses(one, None, {})[0].facets == []
    page = client.get("/why", params={"request": ref.sample}).text
    assert f'href="/finding/{facet.id}"' in page
    assert "<img src=x" not in page


def test_words_follow_a_facet_to_the_name_that_a_later_audit_gives_it(shown):
    now = shown.findings
    old, young = ((now.created + timedelta(days=days)).isoformat() for days in (-1, 1))
    own = [one.id for one in now.assessments]
    said = [
        Said(subject="A-00000001", about=own[0], known="entries"),
        Said(subject=own[1], about=own[2], known="entries"),
        Said(subject=own[2]),
        Said(subject=FEATURES[1], about=FEATURES[1], known="name"),
    ]
    audit = now.model_copy(update={"experts": Experts(events=4, said=said)})
    told = [
        event("A-00000001", "artefact", time=old),
        event(own[1], "genuine", time=old),
        event(own[2], "unsure", time=old),
        event(own[1], "artefact", time=young),
        event(FEATURES[1], "genuine", time=old),
    ]
    found = recalled(told, audit)
    assert {subject: one.verdict for subject, one in found.items()} == {
        own[0]: "artefact",
        own[2]: "genuine",
        f"{own[2]} of an earlier audit": "unsure",
        own[1]: "artefact",
        FEATURES[1]: "genuine",
    }
    assert set(recalled(told, None)) == {"A-00000001", own[1], own[2], FEATURES[1]}


def test_annotated_features_and_gaps_name_their_entries(shown):
    feature = shown.entries_of(FEATURES[1])
    assert set(feature) <= set(shown.library.query(feature=FEATURES[1]).ids())
    assert len(feature) == 50
    assert shown.entries_of("no such thing") == ()
    gap = shown.findings.gaps[0]
    assert shown.entries_of(gap.id) == ()  # this library has no windows of contributions


def test_a_comparison_says_what_experts_think(shown):
    one = shown.findings.artefacts[0]
    said = standings([event(one.id, "artefact")])
    rows = lines(shown.findings, shown.others[0].findings, said)
    assert [row.said.verdict for row in rows if row.said] == ["artefact"]
    assert rows[0].change == "updated"
    gone = lines(shown.findings, shown.findings.model_copy(update={"gaps": [], "assessments": []}), {})
    assert {row.change for row in gone} <= {"new", "unchanged"}
