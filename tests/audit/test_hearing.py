"""What experts said, in the next audit: known again by entries, written down, with no say in verdicts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pytest

from foveal.library import sayings
from foveal.library.annotations import Annotations
from foveal_audit import hearing
from foveal_audit.bundle import experts
from foveal_audit.bundle.experts import Experts
from foveal_audit.bundle.schema import EntryRef
from foveal_audit.hearing import Audience, hear


class Kept:
    """A library's run in memory."""

    def __init__(self):
        self.files = {}

    def find(self):
        return self

    def names_in(self, folder):
        return sorted(path.partition("/")[2] for path in self.files if path.startswith(f"{folder}/"))

    def read_all(self, paths):
        return [self.files[path] for path in paths]

    def local(self, path):
        return None

    def put(self, path, content):
        self.files[path] = bytes(content)


@dataclass
class Shelf:
    tracking: Kept


@pytest.fixture
def past(monkeypatch):
    """Make up an earlier audit that lists these entries: id, source, sample, window."""

    def make(*refs):
        listed = [EntryRef(id=id_, source=source, sample=sample, window=window, activation=1)
                  for id_, source, sample, window in refs]  # fmt: skip
        found = SimpleNamespace(assessments=[SimpleNamespace(entries=listed)])
        monkeypatch.setattr(hearing, "logged", lambda _: [SimpleNamespace(findings=found)])

    make()
    return make


@pytest.fixture
def shelf(past):
    return Shelf(Kept())


def audience(**facets):
    """Make up an audit of facets by id, with the ids of their entries; features are called like them."""
    ids = sorted({id_ for own in facets.values() for id_ in own})
    windows = [SimpleNamespace(windows=SimpleNamespace(ids=np.array(own))) for own in facets.values()]
    stated = [SimpleNamespace(id=name, feature=f"of {name}") for name in facets]
    owner = np.arange(len(ids))
    boxes = np.tile([10, 10, 20, 20], (len(ids), 1))
    whole = SimpleNamespace(ids=np.array(ids), owner=owner, boxes=boxes)
    samples = SimpleNamespace(names=np.char.add("sample of ", ids), sources=np.full(len(ids), "training"))
    evidence = SimpleNamespace(counts={"contribution": len(ids)}, contribution=whole, samples=samples)
    evidence.of = lambda _: whole
    return Audience(stated, windows, [], evidence)


ONE, TWO, THREE = "A-00000001", "A-00000002", "A-00000003"


def about(heard):
    return {said.subject: (said.about, said.known) for said in heard.said}


def test_nothing_was_said(shelf):
    assert hear(shelf, audience(**{ONE: ["a"]})) == Experts()


def test_a_facet_is_known_by_its_name_and_by_its_entries(shelf):
    kept = Annotations(shelf.tracking)
    said = {"verdict": "artefact", "name": "marker", "code": "RID1", "confidence": 0.8, "note": "n"}
    kept.add("Ann", ONE, **said, entries=("a", "b"))
    kept.add("Ann", TWO, verdict="genuine", entries=("c", "d"))
    kept.add("Ann", THREE, verdict="unsure")
    kept.add("Ann", "A-00000009", verdict="unsure", entries=("x", "y"))
    heard = hear(shelf, audience(**{ONE: ["a", "b", "e"], THREE: ["c", "d"]}))
    known = {ONE: (ONE, "name"), TWO: (THREE, "entries"), THREE: (THREE, "name"), "A-00000009": ("", "")}
    assert about(heard) == known
    first = next(said for said in heard.said if said.subject == ONE)
    (opinion,) = first.opinions
    assert (first.verdict, first.name, first.code) == ("artefact", "marker", "RID1")
    assert (opinion.who, opinion.confidence, opinion.note) == ("Ann", 0.8, "n")
    assert (heard.events, heard.heads, heard.problems) == (4, kept.heads(), [])


def test_a_name_that_means_something_else_now_is_not_believed(shelf):
    kept = Annotations(shelf.tracking)
    kept.add("Ann", ONE, verdict="artefact", entries=("a", "b", "c"))
    heard = hear(shelf, audience(**{ONE: ["d", "e"], TWO: ["a", "b", "c"]}))
    assert about(heard) == {ONE: (TWO, "entries")}
    split = {ONE: ["d", "e"], TWO: ["a", "f"], THREE: ["b"], "A-00000004": ["c"]}
    heard = hear(shelf, audience(**split))
    assert about(heard) == {ONE: ("", "")}


def test_entries_that_the_library_has_lost_do_not_count(shelf):
    Annotations(shelf.tracking).add("Ann", ONE, verdict="artefact", entries=("a", "g1", "g2", "g3"))
    assert about(hear(shelf, audience(**{TWO: ["a"], THREE: ["b"]}))) == {ONE: (TWO, "entries")}
    assert about(hear(shelf, audience(**{ONE: ["b"]}))) == {ONE: (ONE, "name")}


def test_words_outlive_the_model(shelf, past):
    """Another model gives all entries other ids, and facets other names: their places tell."""
    ids = ("x1", "x2", "x3", "x4")
    Annotations(shelf.tracking).add("Ann", ONE, verdict="artefact", entries=ids)
    names = [f"sample of {name}" for name in "abcd"]
    facets = {TWO: ["a", "b", "c"], THREE: ["d", "e"]}

    def known(source, window):
        past(*((id_, source, name, window) for id_, name in zip(ids, names, strict=True)))
        return about(hear(shelf, audience(**facets)))

    assert known("training", (11, 9, 21, 19)) == {ONE: (TWO, "places")}
    assert known("training", (0, 0, 12, 12)) == {ONE: ("", "")}
    assert known("production", (11, 9, 21, 19)) == {ONE: ("", "")}


def test_features_and_facets_are_kept_apart(shelf):
    kept = Annotations(shelf.tracking)
    kept.add("Ann", f"of {ONE}", verdict="artefact", entries=("a", "b"))
    kept.add("Ann", "of something else", verdict="artefact", entries=("c",))
    heard = hear(shelf, audience(**{ONE: ["a", "b"], TWO: ["c"]}))
    known = {f"of {ONE}": (f"of {ONE}", "name"), "of something else": (f"of {TWO}", "entries")}
    assert about(heard) == known


def test_a_gap_is_known_by_the_windows_of_its_samples(shelf):
    """Its id is made of its samples, so that one sample more gives it another."""
    made = audience(**{ONE: ["a", "b", "c", "d"]})
    gap = SimpleNamespace(members=[1, 2])
    grown = replace(made, gaps=[(SimpleNamespace(id="G-00000002"), gap)])
    Annotations(shelf.tracking).add("Ann", "G-00000001", verdict="genuine", entries=("b", "c"))
    assert about(hear(shelf, grown)) == {"G-00000001": ("G-00000002", "entries")}


def test_disagreement_assignment_and_opening_again_are_written_down(shelf):
    kept = Annotations(shelf.tracking)
    kept.add("Ann", ONE, verdict="artefact", second_reader="Bob")
    kept.add("Bob", ONE, verdict="genuine")
    kept.add("Ann", TWO, verdict="artefact")
    kept.add("Bob", TWO, "reopen")
    kept.add("Bob", TWO, "assign", second_reader="Cid")
    one, two = hear(shelf, audience(**{ONE: ["a"], TWO: ["b"]})).said
    assert (one.verdict, one.disagreement, one.awaited) == ("", True, [])
    assert (two.verdict, two.opened, two.assigned, two.awaited) == ("", "Bob", "Cid", ["Cid"])
    assert [(opinion.verdict, opinion.aside) for opinion in two.opinions] == [("artefact", True)]


def test_a_chain_that_does_not_hold_is_said(shelf):
    kept = Annotations(shelf.tracking)
    first = kept.add("Ann", ONE, verdict="artefact")
    kept.add("Bob", ONE, verdict="genuine")
    shelf.tracking.files[first.path] = first.content().replace(b"Ann", b"Eve")
    problems = hear(shelf, audience(**{ONE: ["a"]})).problems
    assert problems[0] == f"{first.path}: altered or cut off"


def test_the_verdicts_of_experts_are_those_of_the_library():
    assert get_args(experts.ExpertVerdict) == get_args(sayings.Verdict)


def test_words_change_the_fingerprint_and_silence_leaves_it_as_it_was(made_findings):
    assert "experts" in made_findings.model_dump()
    spoken = made_findings.model_copy(update={"experts": Experts(events=1, heads=["0" * 64])})
    assert spoken.fingerprint != made_findings.fingerprint


@pytest.fixture
def made_findings(result):
    return result.findings
