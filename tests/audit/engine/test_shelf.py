"""Results on the shelf are whole or not there."""

from __future__ import annotations

import json

import pytest

from foveal.errors import EnvironmentFault
from foveal_audit.engine.shelf import Shelf, content_of, size_of


def put(shelf, name, **files):
    with shelf.put(name) as folder:
        for file, text in files.items():
            (folder / file).write_text(text)
    return shelf.root / name


def test_a_result_is_found_by_its_name(tmp_path):
    shelf = Shelf(tmp_path / "new" / "shelf")
    assert shelf.find("judging/1") is None
    folder = put(shelf, "judging/1", a="one")
    assert shelf.find("judging/1") == folder
    assert (folder / "a").read_text() == "one"
    assert shelf.find("judging/2") is None


def test_a_failure_leaves_nothing(tmp_path):
    shelf = Shelf(tmp_path)
    with pytest.raises(ZeroDivisionError), shelf.put("units/1") as folder:
        (folder / "half").write_text(str(1 / 0))
    assert shelf.find("units/1") is None
    assert list((tmp_path / "units").iterdir()) == []


@pytest.mark.parametrize(
    "harm",
    [
        lambda folder: (folder / "a").write_text(""),
        lambda folder: (folder / "b").unlink(),
        lambda folder: (folder / "done.json").write_text("{"),
    ],
    ids=["truncated", "removed", "unlisted"],
)
def test_a_damaged_result_is_thrown_away(tmp_path, harm):
    shelf = Shelf(tmp_path)
    folder = put(shelf, "gaps/1", a="one", b="two")
    harm(folder)
    assert shelf.find("gaps/1") is None
    assert not folder.exists()


def test_the_same_result_made_twice_at_once_is_one(tmp_path):
    shelf = Shelf(tmp_path)
    with shelf.put("units/1") as slow:
        (slow / "a").write_text("equal")
        put(shelf, "units/1", a="equal")
    assert [path.name for path in (tmp_path / "units").iterdir()] == ["1"]
    assert shelf.find("units/1") is not None


def test_content_counts_and_not_the_name(tmp_path):
    shelf = Shelf(tmp_path)
    one, same, other = (put(shelf, f"units/{n}", a=text) for n, text in enumerate(["x", "x", "y"]))
    assert content_of(one) == content_of(same) != content_of(other)
    assert list(json.loads((one / "done.json").read_text())) == ["a"]
    assert size_of(one) == 1 + (one / "done.json").stat().st_size


def test_what_was_cut_off_is_swept_and_the_rest_stays(tmp_path):
    shelf = Shelf(tmp_path)
    done = put(shelf, "units/1", a="one")
    context = shelf.put("units/2")
    half = context.__enter__()
    shelf.sweep()
    assert not half.exists()
    assert shelf.find("units/1") == done


def test_a_disk_that_refuses_is_told(tmp_path):
    (tmp_path / "shelf").write_text("a file")
    with pytest.raises(EnvironmentFault) as caught, Shelf(tmp_path / "shelf").put("units/1"):
        pytest.fail("there was a folder")
    assert caught.value.fault.startswith(f"cannot keep results in {tmp_path / 'shelf'}: ")
    assert caught.value.mend == "Free some space, then go on with --resume"
