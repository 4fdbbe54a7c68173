"""What changed since the last audit, on a toy whose answer is written down by hand."""

from dataclasses import replace

import pytest

from foveal_audit.bundle.boxes import jaccard
from foveal_audit.bundle.changes import compare, with_changes
from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.manifest import verify_manifest
from foveal_audit.bundle.schema import Assessment, EntryRef, Findings, GapFinding
from foveal_audit.bundle.since import Change
from foveal_audit.bundle.writing import FINDINGS, write_bundle

MANIFEST = "ab" * 32
OTHER = "77" * 32


def entries(samples, left=0):
    return [
        EntryRef(sample=f"{one}.png", window=(0, left, 8, left + 8), activation=1.0, source="training")
        for one in samples
    ]


def facet(id_, feature, number, samples, *, left=0, score=0.1, verdict="genuine", many=None):
    listed = entries(samples, left)
    return Assessment(
        id=f"A-{id_:08x}",
        feature=feature,
        facet=number,
        n_entries={"training": many or len(listed)},
        reliance=0.5,
        irrelevance=0.2,
        artefact_score=score,
        q_value=None,
        verdict=verdict,
        entries=listed,
    )


def gap(id_, samples, share=0.1):
    return GapFinding(
        id=f"G-{id_:08x}",
        gap="uncovered_group",
        verdict="suspected",
        statement="Some are not covered.",
        share_of_production=share,
        samples=[f"request-{one}" for one in samples],
        action="acquire",
    )


@pytest.fixture
def findings(make_result):
    """Build findings of these facets and gaps about the made-up library, or about another model."""
    fields = make_result().findings.model_dump(
        exclude={"assessments", "findings", "summary", "schema_version"}
    )

    def build(facets, gaps=(), model=None):
        model = fields["model"] | ({"sha256": model} if model else {})
        return Findings.of(facets, gaps, **(fields | {"model": model}))

    return build


def told(since):
    return [(one.id, one.what, one.then, one.now, one.scores) for one in since.changes]


def test_a_toy_by_hand(findings):
    before = findings(
        [
            facet(1, "fc1:1", 0, range(8)),
            facet(2, "fc1:2", 0, range(8), score=0.9, verdict="suspected"),
            facet(3, "contribution:3", 0, range(20, 28)),
            facet(4, "fc1:4", 0, range(8), score=0.30),
            facet(5, "fc1:5", 0, range(8), score=0.30),
        ],
        [gap(1, range(10)), gap(2, range(50, 60), share=0.3)],
    )
    now = findings(
        [
            facet(1, "fc1:1", 0, range(8), score=0.8, verdict="suspected"),
            facet(33, "contribution:7", 1, range(20, 29)),  # the same windows under another number
            facet(4, "fc1:4", 0, range(8), score=0.36),
            facet(5, "fc1:5", 0, range(8), score=0.34),  # moved by too little
            facet(6, "fc1:6", 0, range(8), verdict="not_relied_on"),
        ],
        [gap(1, range(1, 12)), gap(9, range(90, 99))],
    )
    since = compare(before, now, MANIFEST)
    assert told(since) == [
        ("G-00000009", "new", None, "suspected", {}),
        ("A-00000001", "verdict", "genuine", "suspected", {"artefact_score": (0.1, 0.8)}),
        ("A-00000002", "gone", "suspected", None, {}),
        ("G-00000002", "gone", "suspected", None, {}),
        ("A-00000004", "scores", "genuine", "genuine", {"artefact_score": (0.3, 0.36)}),
        ("A-00000006", "new", None, "not_relied_on", {}),
    ]
    assert since.unchanged == 3  # facets 3 and 5, gap 1
    assert since.manifest == MANIFEST
    assert since.before.samples == before.library.samples
    assert since.before.fingerprint == before.fingerprint
    assert since.changes[0].title == "uncovered group"
    assert since.changes[1].title == "facet 0 of fc1:1"


def test_another_number_is_said_where_something_else_changed_too(findings):
    before = findings([facet(3, "contribution:3", 0, range(8))])
    now = findings([facet(33, "contribution:7", 1, range(8), verdict="undecidable")])
    (change,) = compare(before, now, MANIFEST).changes
    assert (change.id, change.id_then, change.what) == ("A-00000021", "A-00000003", "verdict")


def test_a_number_that_now_stands_for_something_else_is_no_change_of_a_verdict(findings):
    before = findings([facet(3, "contribution:3", 0, range(8))])
    now = findings([facet(3, "contribution:3", 0, range(30, 38), score=0.9, verdict="suspected")])
    assert [one.what for one in compare(before, now, MANIFEST).changes] == ["new", "gone"]


def test_the_same_samples_elsewhere_in_the_picture_are_something_else(findings):
    before = findings([facet(3, "contribution:3", 0, range(8))])
    now = findings([facet(4, "contribution:4", 0, range(8), left=6)])
    assert [one.what for one in compare(before, now, MANIFEST).changes] == ["new", "gone"]


def test_facets_of_another_model_are_known_by_their_windows_and_nodes_keep_to_their_name(findings):
    before = findings([facet(1, "contribution:1", 0, range(8)), facet(2, "fc1:2", 0, range(8))])
    now = findings(
        [facet(8, "contribution:9", 0, range(8), left=1), facet(9, "fc1:3", 0, range(8))], model=OTHER
    )
    since = compare(before, now, MANIFEST)
    assert since.unchanged == 1
    assert [one.what for one in since.changes] == ["new", "gone"]


@pytest.mark.parametrize(("model", "unchanged"), [(None, 1), (OTHER, 0)])
def test_where_too_few_of_a_crowd_are_listed_the_id_decides(findings, model, unchanged):
    """Two choices of 20 of 5000 entries share nothing, whatever they are of."""
    before = findings([facet(1, "contribution:1", 0, range(20), many=5000)])
    now = findings([facet(1, "contribution:1", 0, range(100, 120), many=5000)], model=model)
    assert compare(before, now, MANIFEST).unchanged == unchanged


def test_choices_of_a_crowd_are_the_same_where_they_share_what_chance_would_give(findings):
    before = findings([facet(1, "contribution:1", 0, range(200), many=2000)])
    now = findings([facet(2, "contribution:2", 0, range(180, 380), many=2000)])  # 20 shared, 20 expected
    assert compare(before, now, MANIFEST).unchanged == 1
    other = findings([facet(2, "contribution:2", 0, range(196, 396), many=2000)])  # 4 shared
    assert compare(before, other, MANIFEST).unchanged == 0


@pytest.mark.parametrize(
    ("one", "other", "share"),
    [
        ((0, 0, 8, 8), (0, 0, 8, 8), 1),
        ((0, 0, 8, 8), (0, 4, 8, 12), 32 / 96),
        ((0, 0, 8, 8), (8, 8, 9, 9), 0),
        ((2, 6), (4, 8), 2 / 6),
        ((0, 0, 0, 2, 2, 2), (0, 0, 0, 2, 2, 4), 8 / 16),
        ((2, 6), (0, 0, 8, 8), 0),
    ],
)
def test_overlap_of_boxes(one, other, share):
    assert jaccard(one, other) == pytest.approx(share)


def test_the_bundle_says_what_changed_and_the_fingerprint_does_not(result, make_result, tmp_path):
    first = write_bundle(result, tmp_path / "first", documents={})
    shown = {"said.txt": lambda one: str(len(one.findings.since.changes))}
    second = write_bundle(make_result(seed=1), tmp_path / "second", documents=shown, previous=first)
    read = Findings.model_validate_json((second / FINDINGS).read_bytes())
    assert read.since.changes == []
    assert read.since.unchanged == len(read.assessments) + len(read.gaps)
    assert (second / "said.txt").read_text() == "0"
    assert read.fingerprint == make_result(seed=1).findings.fingerprint
    assert verify_manifest(second, previous=first) == []


def test_an_earlier_bundle_at_the_same_place_is_compared_with(result, tmp_path):
    out = write_bundle(result, tmp_path / "bundle", documents={})
    gone = replace(result, findings=Findings.of([], [], **_fields(result)))
    read = Findings.model_validate_json((write_bundle(gone, out, documents={}) / FINDINGS).read_bytes())
    flagged = [one.id for one in result.findings.findings]
    assert {one.id for one in read.since.changes[: len(flagged)]} == set(flagged)
    assert {one.what for one in read.since.changes} == {"gone"}


def _fields(result):
    return result.findings.model_dump(exclude={"assessments", "findings", "summary", "schema_version"})


def test_earlier_findings_that_cannot_be_read_are_said_so(result, tmp_path):
    first = write_bundle(result, tmp_path / "first", documents={})
    (first / FINDINGS).write_text("{}")
    since = with_changes(result, first, FINDINGS).findings.since
    assert (since.before, since.changes, since.unchanged) == (None, [], 0)


def test_the_first_audit_of_a_chain_has_nothing_to_say(result):
    assert with_changes(result, None, FINDINGS) is result
    assert isinstance(result, AuditResult)
    assert result.findings.since is None


def test_a_verdict_that_stays_is_a_change_of_scores():
    change = Change(id="A-1", kind="facet", title="t", then="genuine", now="genuine")
    assert change.what == "scores"
