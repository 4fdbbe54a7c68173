from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foveal.archives.mar import MANIFEST, archive_sha256, model_name, opened, read_manifest, write_archive
from foveal.errors import UsageError

TINY = {
    MANIFEST: json.dumps({"model": {"modelName": "tiny", "handler": "h.py"}}).encode(),
    "h.py": b"x = 1\n",
    "weights.bin": bytes(range(256)),
}
#: SHA-256 of TINY in the canonical form, version 1: it must never change, records carry it.
TINY_SHA256 = "c4f2ff27e49b14de06b60e27b82ce079920253e5c065743c39bbe099d3d7beb1"


def written(files):
    out = io.BytesIO()
    write_archive(files, out)
    return out.getvalue()


def saved(path, files):
    path.write_bytes(written(files))
    return path


names = st.text("abcXYZ09_-.", min_size=1, max_size=8).filter(lambda name: name.strip("."))


@given(st.dictionaries(names, st.binary(max_size=200), max_size=6))
def test_the_same_content_has_the_same_bytes_in_any_order(files):
    assert written(files) == written(dict(reversed(files.items())))
    with zipfile.ZipFile(io.BytesIO(written(files))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files
        assert archive.testzip() is None


@given(st.dictionaries(names, st.binary(max_size=200), max_size=6), names, st.binary(min_size=1, max_size=9))
def test_other_content_has_other_bytes(files, name, more):
    assert written({**files, name: files.get(name, b"") + more}) != written(files)


def test_the_canonical_form_stays_what_it_was():
    assert hashlib.sha256(written(TINY)).hexdigest() == TINY_SHA256


def test_content_may_lie_in_files(tmp_path):
    path = tmp_path / "w"
    path.write_bytes(TINY["weights.bin"])
    os.utime(path, (1, 1))
    assert written({**TINY, "weights.bin": path}) == written(TINY)


def test_the_hash_is_that_of_the_file_and_of_its_folder(tmp_path):
    path = saved(tmp_path / "t.mar", TINY)
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "h.pyc").write_bytes(b"left by Python")
    assert archive_sha256(path) == archive_sha256(folder) == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_hash_of_a_compressed_archive_is_that_of_its_content(tmp_path):
    path = tmp_path / "deflated.mar"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in reversed(TINY.items()):
            archive.writestr(name, content)
    assert archive_sha256(path) == TINY_SHA256


def test_an_archive_is_unpacked_for_a_while(tmp_path):
    with opened(saved(tmp_path / "t.mar", TINY)) as folder:
        assert (folder / "h.py").read_bytes() == TINY["h.py"]
        assert read_manifest(folder) == {"modelName": "tiny", "handler": "h.py"}
    assert not folder.exists()


def test_a_folder_is_taken_as_it_is(tmp_path):
    with opened(saved(tmp_path / "t.mar", TINY)) as folder, opened(folder) as again:
        assert again == folder


def test_the_name_is_read_without_unpacking(tmp_path):
    path = saved(tmp_path / "t.mar", TINY)
    assert model_name(path) == "tiny"
    with opened(path) as folder:
        assert model_name(folder) == "tiny"


def message(location):
    with pytest.raises(UsageError) as caught, opened(location):
        pass
    return str(caught.value)


def test_nothing_there(tmp_path):
    path = tmp_path / "none.mar"
    assert (
        message(path)
        == f"No model archive at {path}. Give the path of a .mar file or of its unpacked folder."
    )


@pytest.mark.parametrize("cut", [0, 1, 100, -30])
def test_a_file_cut_short(tmp_path, cut):
    path = tmp_path / "t.mar"
    path.write_bytes(written(TINY)[:cut])
    assert message(path) == (
        f"{path} is not a readable model archive (File is not a zip file). "
        "Build it again, or copy it again in full."
    )


def test_a_zip_that_is_no_archive(tmp_path):
    path = saved(tmp_path / "t.mar", {"a.txt": b""})
    assert message(path) == (
        f"{path} is not a TorchServe archive: it has no MAR-INF/MANIFEST.json. "
        "Build one with: foveal pack --kind vision --model-file .. --weights .. -o OUT.mar."
    )
    assert "it has no MAR-INF/MANIFEST.json" in message(tmp_path)


def test_names_cannot_leave_the_folder(tmp_path):
    path = saved(tmp_path / "t.mar", {**TINY, "../../escaped.txt": b"x"})
    with opened(path) as folder:
        assert not (folder.parent / "escaped.txt").exists()
        assert not (folder.parent.parent / "escaped.txt").exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"model": {"handler": "h.py"}}'])
def test_a_broken_manifest(tmp_path, content):
    path = saved(tmp_path / "t.mar", {MANIFEST: content})
    with pytest.raises(UsageError, match="Build the archive again"), opened(path) as folder:
        read_manifest(folder)
    with pytest.raises(UsageError, match=r"The manifest of .*t\.mar cannot be read"):
        model_name(path)


def test_the_name_of_no_archive(tmp_path):
    for content in (b"", written({"a": b""})):
        path = tmp_path / "t.mar"
        path.write_bytes(content)
        with pytest.raises(UsageError) as caught:
            model_name(path)
        assert str(caught.value) == f"{path} is not a TorchServe archive. Build it again with foveal pack."
