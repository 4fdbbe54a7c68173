"""Stems that cannot collide and files that are whole or not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.explaining import files


@pytest.mark.parametrize(
    ("paths", "stems"),
    [
        (["a.png", "b.png"], ["a", "b"]),
        (["x/a.png", "y/a.png", "a.jpg"], ["a", "a-2", "a-3"]),
        (["x/a.png", "y/a.png", "a-2.png"], ["a", "a-3", "a-2"]),
        (["a-2.png", "x/a.png", "y/a.png"], ["a-2", "a", "a-3"]),
        (["A.png", "a.png"], ["A", "a-2"]),
    ],
)
def test_stems(paths, stems):
    assert files.unique_stems([Path(path) for path in paths]) == stems


@given(st.lists(st.from_regex(r"(x/|y/)?[aA](-[23])?\.(png|jpg)", fullmatch=True), max_size=12))
def test_stems_never_collide(paths):
    stems = files.unique_stems([Path(path) for path in paths])
    assert len({stem.casefold() for stem in stems}) == len(paths)


def test_a_failing_write_leaves_the_old_file_and_no_draft(tmp_path, monkeypatch):
    target = tmp_path / "a.json"
    files._write_whole(target, b"old")
    monkeypatch.setattr(
        Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OSError, match="No space left"):
        files._write_whole(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
