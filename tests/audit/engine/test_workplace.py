"""Where work is kept until the bundle is written."""

from __future__ import annotations

from contextlib import suppress

import pytest

from foveal.errors import UsageError
from foveal_audit.engine.workplace import has_work, work_folder, workplace


def do(shelf, name="units/1"):
    with shelf.put(name) as folder:
        (folder / "a").write_text("a")


def cut_off(out, *, resume, names=()):
    with suppress(InterruptedError), workplace(out, resume=resume) as shelf:
        for name in names:
            do(shelf, name)
        raise InterruptedError


def test_it_lies_beside_the_bundle_and_goes_with_success(tmp_path):
    out = tmp_path / "new" / "bundle"
    assert work_folder(out) == tmp_path / "new" / "bundle.work"
    with workplace(out, resume=False) as shelf:
        do(shelf)
        assert has_work(out)
    assert list((tmp_path / "new").iterdir()) == []
    assert not has_work(out)


def test_finished_work_outlives_a_failure_and_nothing_else_does(tmp_path):
    out = tmp_path / "bundle"
    cut_off(out, resume=False)
    assert list(tmp_path.iterdir()) == []
    cut_off(out, resume=False, names=["units/1"])
    assert has_work(out)
    with workplace(out, resume=True) as shelf:
        assert shelf.find("units/1") is not None
    assert list(tmp_path.iterdir()) == []


def test_beginning_anew_throws_away_what_was_there(tmp_path):
    out = tmp_path / "bundle"
    cut_off(out, resume=False, names=["units/1"])
    with workplace(out, resume=False) as shelf:
        assert shelf.find("units/1") is None


def test_half_done_work_is_no_work(tmp_path):
    out = tmp_path / "bundle"
    (work_folder(out) / "units" / ".1.abc.partial").mkdir(parents=True)
    assert not has_work(out)


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path, resume):
    mine = work_folder(tmp_path / "bundle")
    mine.mkdir()
    (mine / "units").mkdir()
    with pytest.raises(UsageError) as caught, workplace(tmp_path / "bundle", resume=resume):
        pytest.fail("lent")
    assert caught.value.fault == f"{mine} is where the work would be kept, and it holds something else"
    assert (mine / "units").is_dir()
