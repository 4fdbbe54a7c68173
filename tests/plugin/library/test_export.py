"""Exports: what other programs read, whatever the features and samples are called."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from foveal.errors import EnvironmentFault, UsageError
from foveal.library.exporting import FORMATS, export
from foveal.library.exporting.naming import Keys, file_name
from foveal.library.exporting.packing import packed
from foveal.library.schema import to_entries
from foveal.samples.images import decode_image

HOSTILE = (
    "../../up",
    "/etc/passwd",
    "a\\b",
    "con\0trol",
    "line\nbreak",
    ".",
    "..",
    ".hidden",
    "ü" * 200,
    "fc1:7",
)


@pytest.fixture
def nodules(library, observe):
    library.add([observe("b"), observe("ü/a.png", label=None)], "one")
    library.add([observe("t.png", source="training")], "two")
    return library


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def by_id(library):
    return {entry.id: entry for entry in to_entries(library.entries())}


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_library_gives_the_same_bytes(nodules, again, tmp_path, kind):
    done = export(nodules, tmp_path / "one", kind)
    export(again(nodules), tmp_path / "two", kind)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert (done.entries, done.features) == (6, {"contribution": 3, "fc1:7": 3})
    assert done.files == len(files(tmp_path / "one"))
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["one", "two"]


def test_folders(nodules, tmp_path):
    export(nodules, tmp_path / "out", "folders")
    rows = list(csv.DictReader((tmp_path / "out" / "metadata.csv").open(newline="", encoding="utf-8")))
    known = by_id(nodules)
    assert [(row["feature"], row["source"], row["sample"]) for row in rows] == [
        ("contribution", "production", "b"),
        ("contribution", "production", "ü/a.png"),
        ("contribution", "training", "t.png"),
        ("fc1:7", "production", "b"),
        ("fc1:7", "production", "ü/a.png"),
        ("fc1:7", "training", "t.png"),
    ]
    for row in rows:
        entry = known[row["id"]]
        assert row["file_name"] == f"{row['feature']}/{row['id']}.png"
        assert (tmp_path / "out" / row["file_name"]).read_bytes() == entry.crop
        assert json.loads(row["window"]) == list(entry.window)
        assert json.loads(row["metadata"]) == {"site": "Süd"}
        assert float(row["activation"]) == entry.activation
    assert [row["label"] for row in rows[:3]] == ["nodule", "", "nodule"]


def test_webdataset(nodules, tmp_path, monkeypatch):
    """Members of a sample share what stands before the first dot, and follow each other."""
    monkeypatch.setattr("foveal.library.exporting.webdataset.SHARD", 4)
    export(nodules, tmp_path / "out", "webdataset")
    names, samples = [], {}
    for path in sorted((tmp_path / "out").iterdir()):
        with tarfile.open(path) as tar:
            for member in tar:
                assert (member.mtime, member.uid, member.uname, member.mode) == (0, 0, "", 0o644)
                key, _, ending = member.name.partition(".")
                names.append((path.name, key))
                samples.setdefault(key, {})[ending] = tar.extractfile(member).read()
    assert [names[at] for at in range(0, len(names), 3)] == list(dict.fromkeys(names))
    assert [path for path, _ in dict.fromkeys(names)] == ["entries-000000.tar"] * 4 + [
        "entries-000001.tar"
    ] * 2
    known = by_id(nodules)
    assert set(samples) == set(known)
    for key, members in samples.items():
        assert members["png"] == known[key].crop
        assert np.array_equal(np.load(io.BytesIO(members["map.npy"])), known[key].map)
        fields = json.loads(members["json"])
        assert (fields["id"], fields["feature"]) == (key, known[key].feature)
        assert fields["metadata"] == {"site": "Süd"}


def test_huggingface(nodules, tmp_path):
    """The layout that `datasets` documents: a card with the splits, and typed columns."""
    export(nodules, tmp_path / "out", "huggingface")
    assert sorted(files(tmp_path / "out")) == [
        "README.md",
        "data/production-00000.parquet",
        "data/training-00000.parquet",
    ]
    _, head, text = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    card = yaml.safe_load(head)
    assert card["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "training", "path": "data/training-*.parquet"},
                {"split": "production", "path": "data/production-*.parquet"},
            ],
        }
    ]
    assert "| production | 4 |" in text
    table = pq.read_table(tmp_path / "out" / "data" / "production-00000.parquet")
    typed = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(typed) == table.column_names
    assert typed["image"] == {"_type": "Image"}
    assert typed["window"] == {"feature": {"dtype": "int32", "_type": "Value"}, "_type": "List"}
    known = by_id(nodules)
    for row in table.to_pylist():
        assert row["image"] == {"bytes": known[row["id"]].crop, "path": f"{row['id']}.png"}
        assert row["map"] == known[row["id"]].map.ravel().tolist()


def test_a_choice(nodules, tmp_path):
    done = export(nodules, tmp_path / "a", "folders", features=["fc1:7"], source="training")
    assert done.features == {"fc1:7": 1}
    done = export(nodules, tmp_path / "b", "folders", limit=2)
    assert done.features == {"contribution": 2, "fc1:7": 2}


def test_many_rows_make_several_files(nodules, tmp_path, monkeypatch):
    monkeypatch.setattr("foveal.library.exporting.huggingface.FILE_ROWS", 3)
    export(nodules, tmp_path / "out", "huggingface")
    rows = {path.name: len(pq.read_table(path)) for path in sorted((tmp_path / "out" / "data").iterdir())}
    assert rows == {
        "production-00000.parquet": 3,
        "production-00001.parquet": 1,
        "training-00000.parquet": 2,
    }


@pytest.mark.parametrize("kind", FORMATS)
def test_hostile_names_stay_inside(library, observe, tmp_path, kind):
    library.add([observe(name, features=HOSTILE, metadata={name: name}) for name in HOSTILE], "one")
    before = set(tmp_path.rglob("*"))
    out = tmp_path / "deep" / "out"
    done = export(library, out, kind)
    assert done.entries == len(HOSTILE) ** 2
    made = {path for path in set(tmp_path.rglob("*")) - before if "cache" not in path.parts}
    assert all(path == out.parent or path == out or out in path.parents for path in made)
    names = [path.name for path in made]
    if kind == "webdataset":
        with tarfile.open(out / "entries-000000.tar") as tar:
            names = tar.getnames()
            # Early releases of Python 3.10 and 3.11 unpack without a filter only.
            tar.extractall(
                tmp_path / "again", **({"filter": "data"} if hasattr(tarfile, "data_filter") else {})
            )
    assert all(name not in (".", "..") and not name.startswith(("/", ".")) for name in names)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_crops_are_packed_and_keep_every_pixel(dtype):
    """The library leaves the packing to Parquet; a file of its own should not be larger than it has to be."""
    pixels = np.arange(48 * 40, dtype=dtype).reshape(48, 40, 1) // 40
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0]).save(file, "PNG", compress_level=0)
    small = packed(file.getvalue())
    assert len(small) < len(file.getvalue()) / 4
    assert np.array_equal(decode_image(small, "crop"), pixels)
    assert packed(small) == small
    assert packed(b"\x89PNG and no more") == b"\x89PNG and no more"


def test_names_stay_different():
    """Whatever is encoded or cut, no two features meet in one folder."""
    odd = [*HOSTILE, "", "%2E", "ü" * 201, "a/b", "a%2Fb", "A"]
    assert len({file_name(name) for name in odd}) == len(set(odd))
    assert max(len(file_name(name)) for name in odd) < 200
    keys = Keys(["x"])
    assert [keys.give("x"), keys.give("x"), keys.give("y")] == ["x", "x~2", "y"]


@pytest.mark.parametrize("kind", FORMATS)
def test_entries_of_one_id_get_files_of_their_own(library, observe, tmp_path, kind):
    """A request that uses the id of another one makes ids anew that are there already."""
    library.add([observe("a"), observe("a", sample_sha256="other")], "one")
    done = export(library, tmp_path / "out", kind)
    assert done.features == {"contribution": 2, "fc1:7": 2}
    if kind == "folders":
        assert len(list((tmp_path / "out").rglob("*.png"))) == 4


@pytest.mark.parametrize("kind", FORMATS)
def test_what_does_not_fit_into_memory_is_written_the_same(library, observe, tmp_path, monkeypatch, kind):
    for number in range(3):
        library.add([observe(f"{name}{number}") for name in "cab"], f"shard-{number}")
    export(library, tmp_path / "one", kind)
    monkeypatch.setattr("foveal.library.ordering._RUN", 1)
    export(library, tmp_path / "two", kind)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert not list((tmp_path / "two").glob(".*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "webdatset"}, "'webdatset' is no format of an export. Did you mean 'webdataset'."),
        ({"limit": 0}, "0 entries cannot be exported. Ask for 1 or more, or leave --limit out."),
        ({"source": "validation"}, "has no entries of source validation. Look with: foveal library show."),
        ({"features": ["fc1:8"]}, "has no entries of 'fc1:8'. Did you mean 'fc1:7'."),
    ],
)
def test_wrong_choices_leave_nothing_behind(nodules, tmp_path, options, message):
    with pytest.raises(UsageError) as caught:
        export(nodules, tmp_path / "x" / "out", **{"kind": "folders", **options})
    assert str(caught.value).endswith(message)
    assert not (tmp_path / "x" / "out").exists()
    assert list((tmp_path / "x").glob("*") if (tmp_path / "x").exists() else ()) == []


def test_a_folder_with_something_in_it_is_refused(nodules, tmp_path):
    (tmp_path / "note.txt").touch()
    with pytest.raises(UsageError) as caught:
        export(nodules, tmp_path, "folders")
    assert (
        str(caught.value) == f"'{tmp_path}' is not an empty folder. Give one that is empty or not there yet."
    )
    with pytest.raises(EnvironmentFault, match="Cannot write"):
        export(nodules, Path("/proc/nowhere/out"), "folders")
