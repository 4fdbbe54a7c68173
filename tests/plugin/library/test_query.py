"""Questions about entries against a naive twin: random libraries, random filters, shards that come and go."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from itertools import count
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foveal.errors import UsageError
from foveal.library import Library, to_entries
from foveal.library.query import Filter
from foveal.library.schema import clean_text
from foveal.library.updating import moment

_NUMBERS = count()
_NAMES = ("r1", "r2", "ü/ç", "it's", 'a"b', "scan-\udcff")
_TIMES = ("2026-03-01T12:00:00Z", "2026-03-01T13:30:00.250+02:00", "2026-03-02", "yesterday")
_FEATURES = ("fc1:7", "fc1:10", "contribution")


@st.composite
def _recordings(draw):
    """What a shard is made of: samples by name, with what may differ from one recording to the next."""
    return {
        "config": draw(st.sampled_from("cd")),
        "model": draw(st.sampled_from("mn")),
        "source": draw(st.sampled_from(("training", "production"))),
        "samples": draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "name": st.sampled_from(_NAMES),
                        "time": st.sampled_from(_TIMES),
                        "predicted": st.integers(0, 2),
                        "label": st.sampled_from((None, "nodule", "Süd")),
                        "metadata": st.dictionaries(st.sampled_from(("site", "a.b")), st.sampled_from("12")),
                        "features": st.lists(st.sampled_from(_FEATURES), max_size=3),
                    }
                ),
                min_size=1,
                max_size=4,
            )
        ),
    }


_FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "feature": st.sampled_from((*_FEATURES, "contribution:1")),
        "source": st.sampled_from(("training", "production", "validation")),
        "predicted": st.integers(0, 3),
        "label": st.sampled_from(("nodule", "Süd", "none")),
        "since": st.sampled_from(("2026-03-01T11:30:00.250Z", datetime(2026, 3, 1, 12, tzinfo=timezone.utc))),
        "until": st.sampled_from(("2026-03-01T12:00:00+00:00", "2026-03-02")),
        "metadata": st.dictionaries(st.sampled_from(("site", "a.b", "c")), st.sampled_from("12"), max_size=2),
        "activation": st.sampled_from(((1.5, None), (None, 1.5), (0.5, 1.5))),
        "sample": st.sampled_from(_NAMES),
        "model_sha256": st.sampled_from("mn"),
        "config_sha256": st.sampled_from("cd"),
        "units": st.booleans(),
    },
)


def _meant(entry, unit, wanted):
    low, high = wanted.activation
    when = moment(entry.time)
    bounds = [
        (wanted.since, lambda bound: when is not None and when >= bound),
        (wanted.until, lambda bound: when is not None and when < bound),
    ]
    texts = ("source", "predicted", "label", "model_sha256", "config_sha256")
    return (
        wanted.feature in (None, unit if wanted.units else entry.feature)
        and all(getattr(wanted, name) in (None, getattr(entry, name)) for name in texts)
        and (wanted.sample is None or clean_text(wanted.sample) == entry.sample)
        and all(entry.metadata.get(key) == value for key, value in wanted.metadata.items())
        and (low is None or entry.activation >= low)
        and (high is None or entry.activation <= high)
        and all(
            bound is None or holds(moment(bound if isinstance(bound, str) else bound.isoformat()))
            for bound, holds in bounds
        )
    )


def _twin(recorded, units, wanted):
    """Go through everything: the last recording of a sample in what is selected counts."""
    latest = {}
    for observations in recorded:
        for observation in observations:
            sample = observation.sample
            if (wanted.model_sha256 in (None, sample.model_sha256)) and (
                wanted.config_sha256 in (None, sample.config_sha256)
            ):
                latest[sample.source, sample.sample, sample.row, sample.sample_sha256] = observation
    entries = [(entry, o.sample) for o in latest.values() for entry in o.entries]
    shown = [
        (e, s, units.get(e.id, e.feature) if e.feature == "contribution" else e.feature) for e, s in entries
    ]
    return sorted(entry.id for entry, _, unit in shown if _meant(entry, unit, wanted))


def _written(library, observe, recordings):
    written = []
    for number, made in enumerate(recordings):
        observations = [
            observe(
                one["name"],
                features=tuple(one["features"]),
                source=made["source"],
                model_sha256=made["model"],
                config_sha256=made["config"],
                **{key: one[key] for key in ("time", "predicted", "label", "metadata")},
            )
            for one in made["samples"]
        ]
        library.add(observations, f"shard-{number}")
        written.append(observations)
    return written


def _as_stored(written):
    """Give the records as a library gives them back: names that are no text are escaped."""
    return [
        [
            type(o)(
                type(o.sample)(**{**vars(o.sample), "sample": clean_text(o.sample.sample)}),
                tuple(type(e)(**{**vars(e), "sample": clean_text(e.sample)}) for e in o.entries),
            )
            for o in observations
        ]
        for observations in written
    ]


@settings(max_examples=6)
@given(
    recordings=st.lists(_recordings(), min_size=1, max_size=4),
    filters=st.lists(_FILTERS, min_size=4, max_size=4),
)
def test_any_question_is_answered_as_by_going_through_everything(tracking_uri, observe, recordings, filters):
    library = Library(f"queried {next(_NUMBERS)}", tracking_uri)
    written = _as_stored(_written(library, observe, recordings))
    windows = library.query(feature="contribution").ids()
    units = dict.fromkeys(windows[::2], "contribution:1")
    library.assign(units, "audit")
    for fields in [{}, *filters]:
        query, expected = library.query(**fields), _twin(written, units, Filter(**fields))
        assert query.ids() == expected
    assert query.count() == len(expected)
    assert sorted(query.table(["id"])["id"].to_pylist()) == expected
    whole = library.query()
    assert sorted(id_ for batch in whole.batches(size=2) for id_ in batch["id"].to_pylist()) == whole.ids()


def test_a_query_gives_the_entries_themselves(library, again, observe):
    library.add([observe(name) for name in "ba"], "one")
    library.add([observe(name) for name in "dc"], "two")
    query = again(library).query(feature="contribution")
    assert [entry.sample for entry in query.entries()] == ["a", "b", "c", "d"]
    assert query.table().equals(library.entries("contribution"))
    known = {entry.id: entry for entry in to_entries(library.entries())}
    for batch in query.batches(["id", "crop"]):
        for row in batch.to_pylist():
            assert row["crop"] == known[row["id"]].crop
    some = query.ids()[1:3]
    assert library.query(ids=some).ids() == some
    assert repr(query) == "Query(feature='contribution')"


def test_the_draw_depends_on_the_ids_and_the_seed_alone(library, again, observe):
    observations = [observe(str(n)) for n in range(20)]
    library.add(observations[:15], "one")
    library.add(observations[15:], "two")
    other = Library(f"{library.name} in another order", library.tracking_uri)
    other.add(observations[::-2], "odd")
    other.add(observations[-2::-2], "even")
    drawn = [entry.id for entry in library.query(feature="fc1:7").sample(5, seed=3)]
    assert [entry.id for entry in other.query(feature="fc1:7").sample(5, seed=3)] == drawn
    whole = again(library).query(feature="fc1:7").drawn(50, 3, ["id"])["id"].to_pylist()
    assert whole[:5] == drawn
    assert sorted(whole) == library.query(feature="fc1:7").ids()
    assert whole != library.query(feature="fc1:7").drawn(50, 4, ["id"])["id"].to_pylist()
    assert library.query(feature="none").sample(3) == library.query().sample(0) == []


def test_entries_come_in_order_a_piece_at_a_time(library, observe, monkeypatch):
    """The order of the table, through runs of a few rows; and of a choice those of the lowest ids."""
    monkeypatch.setattr("foveal.library.ordering._RUN", 1)
    for number in range(4):
        own = [
            observe(f"{name}{number}", sample_sha256=f"{hash_}{number}") for name, hash_ in ("cx", "ay", "bw")
        ]
        library.add(own, f"shard-{number}")
    query = library.query(feature="fc1:7")
    pieces = list(query.ordered(size=5))
    assert [len(piece) for piece in pieces] == [5, 5, 2]
    assert pa.concat_tables(pieces).combine_chunks().equals(query.table().combine_chunks())
    (chosen,) = query.ordered(["id", "sample"], limit=3)
    assert sorted(chosen["id"].to_pylist()) == query.ids()[:3]
    assert chosen["sample"].to_pylist() == sorted(chosen["sample"].to_pylist())
    assert list(library.query(feature="none").ordered()) == []
    assert pa.concat_tables(query.ordered(size=5, by="content")).equals(query.table(by="content"))
    told = query.table(["source", "sample_sha256", "sample", "row"], by="content").to_pylist()
    assert [tuple(row.values()) for row in told] == sorted(tuple(row.values()) for row in told)


def test_ids_that_several_entries_have_are_known(library, observe):
    library.add(
        [observe("a", features=("fc1:7",)), observe("a", features=("fc1:7",), sample_sha256="other")], "one"
    )
    library.add([observe("b", features=("fc1:7",))], "two")
    assert library.query().repeated() == [library.query(sample="a").ids()[0]]


def test_entries_are_counted_by_a_property(library, observe):
    library.add([observe("a", label=None), observe("b", metadata={"site": "Nord"}), observe("c")], "one")
    query = library.query(feature="fc1:7")
    assert query.facets("label") == {"nodule": 2, None: 1}
    assert query.facets("metadata.site") == {"Süd": 2, "Nord": 1}
    assert query.facets("predicted") == {"1": 3}
    with pytest.raises(UsageError) as caught:
        query.facets("labels")
    assert str(caught.value).startswith("Entries cannot be counted by 'labels'. Did you mean 'label'")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "prod"}, "'prod' is no source. Did you mean 'production'."),
        ({"since": "noon"}, "'noon' is no time. Write it as 2026-03-01 or 2026-03-01T12:00:00Z."),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(library, observe, fields, message):
    library.add([observe("a")], "one")
    with pytest.raises(UsageError) as caught:
        library.query(**fields).count()
    assert str(caught.value) == message


def test_counting_and_choosing_touch_no_crop(library, again, observe):
    library.add([observe("a"), observe("b")], "one")
    stored = Path(library.url) / "entries" / "one.parquet"
    stored.unlink()
    view = again(library)
    assert view.query(feature="fc1:7").count() == 2
    assert view.features() == {"contribution": 2, "fc1:7": 2}
    assert len(view.entries(columns=["id", "window", "metadata"])) == 4
    assert view.samples()["sample"].to_pylist() == ["a", "b"]


def test_of_a_large_shard_only_what_was_asked_for_is_read_and_checked(library, again, observe):
    """A byte that changed elsewhere in the file is not in the way; one in the crop itself is."""
    crops = {}
    observations = []
    for number in range(60):
        observation = observe(f"{number:02d}", features=("fc1:7",))
        (entry,) = observation.entries
        crops[entry.sample] = np.random.default_rng(number).bytes(40_000)
        entry = type(entry)(**{**vars(entry), "crop": crops[entry.sample]})
        observations.append(type(observation)(observation.sample, (entry,)))
    library.add(observations, "one")
    file = Path(library.url) / "entries" / "one.parquet"
    content = bytearray(file.read_bytes())
    content[content.index(crops["05"]) + 100] ^= 1
    file.write_bytes(content)
    view = again(library)
    assert view.query(sample="50").entries()[0].crop == crops["50"]
    with pytest.raises(Exception, match=r"^entries/one\.parquet of library .* was changed\. Bring it back"):
        view.query(sample="05").entries()


def test_a_shard_of_an_older_foveal_is_read_too(library, again, observe, monkeypatch):
    monkeypatch.setattr("foveal.library.made.with_index", lambda samples, entries, hashes: samples)
    library.add([observe("a"), observe("b")], "one")
    monkeypatch.undo()
    library.add([observe("c")], "two")
    view = again(library)
    assert view.query(feature="fc1:7").count() == 3
    assert [entry.sample for entry in view["contribution"].entries()] == ["a", "b", "c"]
    assert json.dumps(view.features()) == '{"contribution": 3, "fc1:7": 3}'
