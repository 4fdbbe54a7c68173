"""The catalog in the cache: it follows the library, and whatever happens to it, it is made again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb
import pytest

from foveal.library import Library, updating


def catalog(cache):
    (found,) = cache.rglob("catalog.duckdb")
    return found


@pytest.fixture
def filled(library, observe):
    library.add([observe("a"), observe("b")], "one")
    library.add([observe("c")], "two")
    assert library.query().count() == 6
    return library


@pytest.mark.parametrize("content", [None, b"", b"garbage", "cut", "flipped", "zeros"])
def test_a_damaged_or_deleted_catalog_is_made_again(filled, again, cache, content):
    file = catalog(cache)
    whole = file.read_bytes()
    damaged = {
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:5000] + bytes(byte ^ 255 for byte in whole[5000:]),
        "zeros": bytes(len(whole)),
    }
    if content is None:
        file.unlink()
    else:
        file.write_bytes(damaged[content] if isinstance(content, str) else content)
    for view in (filled, again(filled)):
        assert view.query(feature="fc1:7").count() == 3
        assert len(view.query().entries()) == 6


def test_a_catalog_that_somebody_else_made_is_replaced(filled, again, cache):
    file = catalog(cache)
    file.unlink()
    with duckdb.connect(str(file)) as connection:
        connection.execute(
            "CREATE TABLE facts (name VARCHAR, value VARCHAR); CREATE TABLE entries (x INTEGER)"
        )
    assert again(filled).query().count() == 6


def test_deleting_the_whole_cache_is_no_error(filled, again, cache):
    shutil.rmtree(cache)
    for view in (filled, again(filled)):
        assert view.query().count() == 6


def test_without_a_place_to_keep_it_the_catalog_lasts_as_long_as_the_library(
    filled, tmp_path, monkeypatch, again
):
    taken = tmp_path / "taken"
    taken.write_text("a file, no folder")
    monkeypatch.setenv("FOVEAL_CACHE_DIR", str(taken))
    assert again(filled).query(feature="fc1:7").count() == 3


def test_an_update_that_is_cut_off_anywhere_goes_on(library, again, observe, monkeypatch):
    """After each transaction in turn; what was in stays in, and the answers are those of one at once."""
    library.add([observe("a", label="first"), observe("b")], "one")
    library.add([observe("a", label="second")], "two")
    library.add([observe("c")], "three")
    library.assign({library.query(sample="c", feature="contribution").ids()[0]: "contribution:4"}, "audit")
    expected = (library.features(), library.query(sample="a").facets("label"), library.query().table())
    monkeypatch.setattr(updating, "_AT_ONCE", 1)
    whole, arrive, arrived = updating._whole, updating._arrive, []
    monkeypatch.setattr(
        updating, "_arrive", lambda c, shards, s: arrived.extend(shards) or arrive(c, shards, s)
    )
    for allowed in range(9):
        library.forget_index()
        left = iter(range(allowed))

        @contextmanager
        def cut(connection, left=left):
            if next(left, None) is None:
                raise KeyboardInterrupt
            with whole(connection):
                yield

        monkeypatch.setattr(updating, "_whole", cut)
        with suppress(KeyboardInterrupt):
            again(library).query().count()
        monkeypatch.setattr(updating, "_whole", whole)
        view = again(library)
        assert (view.features(), view.query(sample="a").facets("label")) == expected[:2]
        assert view.query().table().equals(expected[2])
        assert sorted(shard.name for shard in arrived) == ["one", "three", "two"]
        arrived.clear()


def test_another_assignment_takes_the_place_of_the_one_before(library, again, observe, monkeypatch):
    monkeypatch.setattr(updating, "_AT_ONCE", 1)
    for name in "abc":
        library.add([observe(name)], name)
    ids = {name: library.query(sample=name, feature="contribution").ids()[0] for name in "abc"}
    library.assign({ids["a"]: "contribution:1", ids["b"]: "contribution:2"}, "first")
    assert library.features() == {"contribution": 1, "contribution:1": 1, "contribution:2": 1, "fc1:7": 3}
    library.assign({ids["b"]: "contribution:1", ids["c"]: "contribution:1"}, "second")
    library.add([observe("d")], "d")
    for view in (library, again(library)):
        assert view.features() == {"contribution": 2, "contribution:1": 2, "fc1:7": 4}


def test_what_does_not_fit_into_memory_lies_beside_the_catalog_and_goes(filled, again, cache):
    (folder,) = (path.parent for path in cache.rglob("catalog.duckdb"))
    left = folder / "overflow-99-killed"
    left.mkdir()
    (left / "duckdb_temp_storage-0.tmp").touch()
    view = again(filled)
    place = view._catalog.ask(
        lambda connection: connection.execute("SELECT current_setting('temp_directory')").fetchall()[0][0]
    )
    limit = view._catalog.ask(
        lambda connection: connection.execute("SELECT current_setting('memory_limit')").fetchall()[0][0]
    )
    assert Path(place).parent == folder
    assert limit == "122.0 MiB"
    filled.store.replace(filled.store.shards()[1:], [], "none")
    assert view.query().count() == 4
    assert not left.exists()


def test_manifests_are_read_once(filled, again, observe, monkeypatch):
    filled.add([observe("d")], "three")
    view, read = again(filled), []
    peek = view.tracking.read
    monkeypatch.setattr(view.tracking, "read", lambda path: read.append(path) or peek(path))
    assert view.query().count() == 8
    assert read == ["manifests/three.json"]


def test_shards_that_are_replaced_leave_the_catalog_and_what_was_superseded_counts_again(
    library, again, observe
):
    library.add([observe("a", label="first"), observe("b")], "one")
    library.add([observe("a", label="second")], "two")
    assert library.query(sample="a").facets("label") == {"second": 2}
    other = again(library)
    assert other.query().count() == 4
    library.store.replace(library.store.shards()[1:], [], "none")
    for view in (library, other, again(library)):
        assert view.query(sample="a").facets("label") == {"first": 2}
        assert view.samples()["label"].to_pylist() == ["first", "nodule"]


def test_readers_and_writers_at_the_same_time_see_whole_shards(library, again, observe):
    """Every shard holds three samples: a count that is no multiple of three would be half of one."""
    library.add([observe(f"start {m}", features=("fc1:7",)) for m in range(3)], "start")
    counted, done = [], threading.Event()

    def write():
        for n in range(8):
            library.add([observe(f"{n} {m}", features=("fc1:7",)) for m in range(3)], f"shard-{n}")
        library.store.replace(
            library.store.shards()[:4], [observe("start 0", features=("fc1:7",))] * 3, "less"
        )
        done.set()

    def read(view):
        while not done.is_set():
            counted.append(view.query().count())
            view.query().entries()

    threads = [
        threading.Thread(target=write),
        *(threading.Thread(target=read, args=(again(library),)) for _ in "ab"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted
    assert all(number % 3 == 0 or number == 16 for number in counted)
    assert library.query().count() == 16


@pytest.mark.slow
def test_several_processes_share_one_catalog(filled, cache):
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from foveal.library import Library\n"
        "library = Library(sys.argv[1], sys.argv[2])\n"
        "print(sum(library.query().count() for _ in range(5)), len(library.query().sample(2)))\n"
    )
    catalog(cache).unlink()
    command = [sys.executable, "-c", program, filled.name, filled.tracking_uri]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, env=dict(os.environ)) for _ in range(2)]
    assert [process.communicate()[0].split() for process in started] == [[b"30", b"2"]] * 2


def test_the_index_can_be_dropped_at_once(filled, cache):
    filled.nearest(filled.query().ids()[0], 1)
    assert len(list(cache.rglob("neighbours-*"))) == 5
    filled.forget_index()
    assert [path.suffix for path in cache.rglob("*") if path.is_file()] in ([".lock"], [".lock", ".lock"])
    assert Library(filled.name, filled.tracking_uri).query().count() == 6
    assert Path(filled.url).is_dir()
