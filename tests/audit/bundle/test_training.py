"""The table of all training windows: written, read again, and held against the findings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal_audit.bundle.evidence import AuditResult
from foveal_audit.bundle.schema import Assessment, EntryRef
from foveal_audit.bundle.training import (
    COLUMNS,
    TRAINING,
    Row,
    TrainingWindows,
    misfits,
    read_training,
    training_csv,
)
from foveal_audit.bundle.writing import write_bundle

ONE, OTHER = "A-00000001", "A-00000002"


def windows(facet=ONE, samples=("b.png", "a.png"), activations=(1.0, 2.5), **changes):
    count = len(samples)
    fields = {
        "labels": ["smooth"] * count,
        "windows": [(0, 0, 4, 4)] * count,
        "entries": [f"e{row}" for row in range(count)],
    }
    return TrainingWindows(facet, samples, activations=activations, **(fields | changes))


def written(folder, text):
    (folder / TRAINING).write_bytes(text.encode("utf-8", "backslashreplace"))
    return folder


def test_the_table_has_the_strongest_first():
    assert training_csv([windows(), windows(OTHER, ("=c",), (1 / 3,), entries=[""])]) == (
        "facet,sample,label,window,activation,entry\n"
        "A-00000001,a.png,smooth,0 0 4 4,2.5,e1\n"
        "A-00000001,b.png,smooth,0 0 4 4,1,e0\n"
        "A-00000002,=c,smooth,0 0 4 4,0.333333,\n"
    )


BOXES = st.lists(st.integers(-5, 99), min_size=2, max_size=6).map(tuple)
ROWS = st.lists(
    st.tuples(st.text(), st.text(), BOXES, st.floats(-1e9, 1e9), st.text()), min_size=1, max_size=5
)


@given(ROWS)
def test_any_names_are_read_as_they_were_written(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("t")
    one = TrainingWindows(ONE, *map(list, zip(*rows, strict=True)))
    read = read_training(written(folder, training_csv([one])))
    expected = [
        (ONE, sample, label, " ".join(map(str, box)), float(f"{activation:.6g}"), entry)
        for sample, label, box, activation, entry in rows
    ]
    assert sorted(tuple(row.model_dump().values()) for row in read) == sorted(expected)


def test_a_bundle_without_the_table_lists_nothing(tmp_path):
    assert read_training(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n", f"{TRAINING}: does not have the columns {', '.join(COLUMNS)}"),
        ("", f"{TRAINING}: does not have the columns {', '.join(COLUMNS)}"),
        (",".join(COLUMNS) + "\nA,s,l,0 4,much,e\n", f"{TRAINING}: 'much' is no activation"),
        (",".join(COLUMNS) + "\nA,s\n", f"{TRAINING}: a row is cut short"),
        (
            ",".join(COLUMNS) + "\nA,s,l,0 4,nan,e\n",
            f"{TRAINING}: row 1, activation: Input should be a finite number",
        ),
        (
            ",".join(COLUMNS) + "\nA,s,l,0 4,1,e\nA,s,l,4;5,1,e\n",
            f"{TRAINING}: row 2, window: String should match pattern '^-?\\d+( -?\\d+)*$'",
        ),
    ],
)
def test_what_is_no_such_table_is_told(tmp_path, text, fault):
    with pytest.raises(ValueError) as told:  # noqa: PT011 - the words are compared
        read_training(written(tmp_path, text))
    assert str(told.value) == fault


def test_a_row_too_long_is_refused(tmp_path):
    with pytest.raises(ValueError, match=f"^{TRAINING}: row 1, "):
        read_training(written(tmp_path, ",".join(COLUMNS) + "\nA,s,l,0 4,1,e,more\n"))


def assessed(facet=ONE, training=2, entries=()):
    return Assessment(
        id=facet, feature="fc1:7", facet=0, n_entries={"training": training, "production": 9}, reliance=0,
        irrelevance=0, artefact_score=0, q_value=None, verdict="genuine", entries=list(entries),
    )  # fmt: skip


def ref(sample, source="training"):
    return EntryRef(sample=sample, window=(0, 0, 4, 4), activation=1.0, source=source, id="e")


def rows_of(*facets):
    return [
        Row(facet=one.facet, sample=sample, label="", window="0 0 4 4", activation=1.0, entry="")
        for one in facets
        for sample in one.samples
    ]


def test_a_table_that_fits_the_findings_is_fine():
    listed = [assessed(entries=[ref("a.png"), ref("never", "production")]), assessed(OTHER, 0)]
    assert misfits(rows_of(windows()), listed) == []


@pytest.mark.parametrize(
    ("found", "said", "after_an_erasure"),
    [
        (assessed(OTHER, 0), [f"{TRAINING}: there is no facet {ONE}"], True),
        (
            assessed(training=3),
            [f"{TRAINING}: lists 2 training windows of {ONE}, findings.json counts 3"],
            False,
        ),
        (
            assessed(training=1),
            [f"{TRAINING}: lists 2 training windows of {ONE}, findings.json counts 1"],
            True,
        ),
        (
            assessed(entries=[ref("c.png")]),
            [f"{TRAINING}: lacks training windows of {ONE} that findings.json lists"],
            True,
        ),
    ],
)
def test_what_does_not_fit_is_named(found, said, after_an_erasure):
    assert misfits(rows_of(windows()), [found]) == said
    assert misfits(rows_of(windows()), [found], redacted=True) == (said if after_an_erasure else [])


def test_a_bundle_has_the_table_where_the_audit_made_one(result, tmp_path):
    plain = write_bundle(result, tmp_path / "plain", documents={})
    assert not (plain / TRAINING).exists()
    listed = AuditResult(**vars(result) | {"training": [windows()]})
    bundle = write_bundle(listed, tmp_path / "bundle", documents={})
    assert [row.sample for row in read_training(bundle)] == ["a.png", "b.png"]
    assert f'"{TRAINING}"' in (bundle / "manifest.json").read_text()
