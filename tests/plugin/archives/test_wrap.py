"""Wrapping and unwrapping: every form of archive comes back byte for byte."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from plain_archives import HANDLER, YAML, archived, content_of, files, laid_out, tarred, zipped

from foveal.archives.entries import KINDS, WRAPPED, read_entry
from foveal.archives.mar import (
    MANIFEST,
    SETTINGS,
    archive_sha256,
    file_sha256,
    model_name,
    opened,
    read_manifest,
    read_own_settings,
)
from foveal.archives.recipes import ORIGINAL, RECIPE
from foveal.archives.unwrapping import unwrap
from foveal.archives.wrapping import wrap
from foveal.errors import EnvironmentFault, UsageError

ENTRY = WRAPPED[1]
FORMS = ("default", "zip-store", "tgz", "no-archive")


def snapshot(path):
    return content_of(path) if path.is_dir() else path.read_bytes()


def fault(call, *arguments):
    with pytest.raises((UsageError, EnvironmentFault)) as caught:
        call(*arguments)
    return str(caught.value)


def there_and_back(source, tmp_path, config=None):
    """Wrap and unwrap; gives the report and what the wrapped archive holds."""
    before = snapshot(source)
    suffix = ".tar.gz" if source.name.endswith(".gz") else source.suffix
    wrapped, again = tmp_path / f"wrapped{suffix}", tmp_path / f"again{suffix}"
    report = wrap(source, wrapped, config)
    unwrapped = unwrap(wrapped, again)
    assert snapshot(again) == before == snapshot(source)
    assert unwrapped["sha256"] == report.original_sha256
    with opened(wrapped) as folder:
        assert archive_sha256(folder) == archive_sha256(wrapped) == report.sha256
        return report, content_of(folder)


@pytest.mark.parametrize("config", [None, YAML])
@pytest.mark.parametrize("form", FORMS)
def test_what_torch_model_archiver_builds(tmp_path, form, config):
    source = archived(tmp_path, form, config)
    with opened(source) as folder:
        original = content_of(folder)
    report, content = there_and_back(source, tmp_path)
    assert ORIGINAL not in content
    model = json.loads(content[MANIFEST])
    assert model["model"]["handler"] == ENTRY
    assert json.loads(original[MANIFEST]) == model | {"model": model["model"] | {"handler": "h.py"}}
    added = {ENTRY, SETTINGS, RECIPE}
    assert content.keys() - original.keys() == added
    unchanged = original.keys() - {MANIFEST, "model-config.yaml"}
    assert {name: content[name] for name in unchanged} == {name: original[name] for name in unchanged}
    assert content[ENTRY] == read_entry(WRAPPED[0])
    assert report.handler == "h.py"
    assert report.name == model["model"]["modelName"]
    assert report.container == {"tgz": "tgz", "no-archive": "folder"}.get(form, "zip")


@pytest.mark.parametrize(
    "handler",
    ["h.py", "h", "h:answer", "h.py:answer", "sub/h.py:answer", "image_classifier", "vision_handler"],
)
def test_every_kind_of_handler(tmp_path, handler):
    source = zipped(tmp_path / "a.mar", files(handler, serializedFile="weights.pt"))
    report, content = there_and_back(source, tmp_path)
    wrapped = json.loads(content[SETTINGS])["wrapped"]
    assert report.handler == wrapped["handler"] == handler
    assert wrapped == {
        "version": 1,
        "handler": handler,
        "archive_sha256": file_sha256(source),
        "container": "zip",
        "changed": {"recipe": RECIPE, "replaced": [MANIFEST]},
        "files": sorted(content),
    }


def test_the_registered_version(tmp_path):
    source = zipped(tmp_path / "a.mar", files())
    wrap(source, tmp_path / "w.mar", registered="models:/nodules/3")
    with opened(tmp_path / "w.mar") as folder:
        assert read_own_settings(folder)["wrapped"]["registered"] == "models:/nodules/3"
    with pytest.raises(UsageError) as caught:
        wrap(source, tmp_path / "w.mar", registered="models:/nodules@best")
    assert (
        str(caught.value) == "'models:/nodules@best' names no version of a model. Write models:/NAME/VERSION."
    )


def test_what_a_handler_unpacks_does_not_change_the_identity(tmp_path):
    """The worker hashes its folder at each start; it must find the hash that the file has."""
    report = wrap(laid_out(tmp_path / "a", files()), tmp_path / "w")
    laid_out(tmp_path / "w", {"unpacked/vocabulary.txt": b"by the handler"})
    assert archive_sha256(tmp_path / "w") == report.sha256
    (tmp_path / "w" / "weights.pt").write_bytes(b"others")
    assert archive_sha256(tmp_path / "w") != report.sha256


@pytest.mark.parametrize("make", [zipped, tarred])
def test_the_same_archive_gives_the_same_bytes(tmp_path, make):
    suffix = ".mar" if make is zipped else ".tar.gz"
    source = make(tmp_path / f"a{suffix}", files(config=YAML))
    for name in ("one", "two"):
        wrap(source, tmp_path / f"{name}{suffix}", {"foveal": {"max_windows": 2}})
    assert (tmp_path / f"one{suffix}").read_bytes() == (tmp_path / f"two{suffix}").read_bytes()


def test_what_is_wrapped_reads_like_the_original(tmp_path):
    """Entries lie as they lay, in their order, behind ours."""
    source = zipped(tmp_path / "a.mar", files(config=YAML))
    wrap(source, tmp_path / "w.mar")
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(tmp_path / "w.mar") as after:
        assert after.testzip() is None
        names = after.namelist()
        assert names == [SETTINGS, MANIFEST, ENTRY, "model-config.yaml", "h.py", "weights.pt", RECIPE]
        for name in names[4:6]:
            one, other = before.getinfo(name), after.getinfo(name)
            assert (one.compress_type, one.date_time, one.CRC) == (
                other.compress_type,
                other.date_time,
                other.CRC,
            )


def test_the_hash_of_every_form_is_that_of_its_content(tmp_path):
    content = files(config=YAML)
    folder = laid_out(tmp_path / "folder", content)
    forms = (zipped(tmp_path / "a.mar", content), tarred(tmp_path / "a.tar.gz", content), folder)
    assert len({archive_sha256(form) for form in forms}) == 1
    assert {model_name(form) for form in forms} == {"tiny"}
    with opened(forms[1]) as unpacked:
        assert content_of(unpacked) == content
        assert read_manifest(unpacked)["modelName"] == "tiny"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_later_file_of_the_same_name_counts(tmp_path):
    content = [("h.py", b"old"), (MANIFEST, files("old.py")[MANIFEST]), ("h.py", b"new"), *files().items()]
    with zipfile.ZipFile(tmp_path / "a.mar", "w") as archive:
        for name, data in content:
            archive.writestr(name, data)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        for name, data in content:
            info = tarfile.TarInfo(f"tiny/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    for name in ("a.mar", "a.tar.gz"):
        report, held = there_and_back(tmp_path / name, tmp_path)
        assert (report.handler, held["h.py"]) == ("h.py", HANDLER.encode())
        assert model_name(tmp_path / name) == "tiny"
        again = tmp_path / f"again{''.join(Path(name).suffixes)}"
        again.unlink()


@pytest.mark.parametrize(
    "command", ["tar cf - tiny | gzip -9", "tar cf - tiny | gzip -1", "tar -H pax -czf - tiny"]
)
def test_a_tar_that_others_compressed(tmp_path, command):
    laid_out(tmp_path / "tiny", {**files(), "text.txt": b"".join(b"line %d\n" % n for n in range(20_000))})
    made = subprocess.run(command, shell=True, cwd=tmp_path, check=True, capture_output=True).stdout
    (tmp_path / "a.tar.gz").write_bytes(made)
    there_and_back(tmp_path / "a.tar.gz", tmp_path)


def test_a_compression_nobody_knows_is_kept_whole(tmp_path):
    import gzip  # noqa: PLC0415

    source = tarred(tmp_path / "a.tar.gz", files())
    tar = gzip.decompress(source.read_bytes())
    source.write_bytes(gzip.compress(tar[:1000]) + gzip.compress(tar[1000:]))
    assert "is not a readable model archive" in fault(wrap, source, tmp_path / "w.tar.gz")
    source.write_bytes(gzip.compress(tar, 5, mtime=7) + b"\0\0 something behind it")
    _, content = there_and_back(source, tmp_path)
    assert content[ORIGINAL] == source.read_bytes()


@pytest.mark.parametrize("prefix", ["tiny/", "./"])
def test_whatever_stands_before_the_first_slash_of_a_tar(tmp_path, prefix):
    source = tarred(tmp_path / "a.tar.gz", files(config=YAML), prefix)
    there_and_back(source, tmp_path)
    with tarfile.open(tmp_path / "wrapped.tar.gz") as tar:
        assert all(name.startswith(prefix) for name in tar.getnames())


def test_a_header_with_all_that_gzip_knows(tmp_path):
    source = tarred(tmp_path / "a.tar.gz", files())
    body = source.read_bytes()
    start = body.index(b"\0", 10) + 1 if body[3] & 8 else 10
    head = bytes([*body[:3], 2 | 4 | 8 | 16, *body[4:10]]) + b"\3\0abc" + b"name\0" + b"comment\0"
    import zlib  # noqa: PLC0415

    source.write_bytes(head + (zlib.crc32(head) & 0xFFFF).to_bytes(2, "little") + body[start:])
    _, content = there_and_back(source, tmp_path)
    assert ORIGINAL not in content


def test_a_folder_keeps_modes_links_and_what_is_empty(tmp_path):
    source = laid_out(tmp_path / "a", {**files(config=YAML), "__pycache__/h.pyc": b"x"})
    (source / "empty").mkdir()
    (source / "link.pt").symlink_to("weights.pt")
    (source / MANIFEST).chmod(0o444)
    (source / "h.py").chmod(0o755)
    wrap(source, tmp_path / "w", {"foveal": {"max_windows": 1}})
    unwrap(tmp_path / "w", tmp_path / "again")
    again = tmp_path / "again"
    assert content_of(again) == {k: v for k, v in content_of(source).items() if "pycache" not in k}
    assert (again / "empty").is_dir()
    assert (again / "link.pt").readlink() == Path("weights.pt")
    assert ((again / MANIFEST).stat().st_mode & 0o777, (again / "h.py").stat().st_mode & 0o777) == (
        0o444,
        0o755,
    )


def test_a_served_folder_may_hold_what_python_left(tmp_path):
    wrap(laid_out(tmp_path / "a", files()), tmp_path / "w")
    laid_out(tmp_path / "w", {"__pycache__/h.pyc": b"x"})
    unwrap(tmp_path / "w", tmp_path / "again")
    assert content_of(tmp_path / "again") == files()


def test_links_that_lead_out_of_a_folder(tmp_path):
    source = laid_out(tmp_path / "a", files())
    (source / "far.pt").symlink_to(tmp_path / "elsewhere.pt")
    assert fault(wrap, source, tmp_path / "w") == (
        f"{source / 'far.pt'} is a link that leads out of the archive. Put the file itself there."
    )
    assert not (tmp_path / "w").exists()


# -- what is refused -----------------------------------------------------------------------------------------


def test_an_archive_that_is_wrapped_already(tmp_path):
    wrap(zipped(tmp_path / "a.mar", files()), tmp_path / "w.mar")
    assert fault(wrap, tmp_path / "w.mar", tmp_path / "ww.mar") == (
        f"{tmp_path / 'w.mar'} is wrapped already. Serve it as it is, or unwrap it first: foveal unwrap."
    )


@pytest.mark.parametrize("handler", [KINDS["vision"][1], "foveal_vision_entry", "foveal_vision_entry.py:f"])
def test_an_archive_that_was_built_audited(tmp_path, handler):
    source = zipped(tmp_path / "a.mar", files(handler))
    assert fault(wrap, source, tmp_path / "w.mar") == (
        f"{source} was built by foveal pack and is audited already. "
        "Serve it as it is; change its settings with: foveal pack --config."
    )


@pytest.mark.parametrize("name", [ENTRY, RECIPE, ORIGINAL, "foveal.py", "foveal/x.py", "foveal_handlers.py"])
def test_names_that_the_audit_needs(tmp_path, name):
    source = zipped(tmp_path / "a.mar", {**files(), name: b""})
    assert fault(wrap, source, tmp_path / "w.mar") == (
        f"{source} holds {name.split('/x')[0]!r}, a name that the audit needs. "
        "Rename it and build the archive again."
    )


def test_the_other_backend(tmp_path):
    content = {**files(), MANIFEST: b'{"runtime": "LSP", "model": {"modelName": "m", "handler": "H"}}'}
    source = zipped(tmp_path / "a.mar", content)
    assert fault(wrap, source, tmp_path / "w.mar") == (
        f"{source} is served by the runtime 'LSP'. Only Python handlers can be wrapped."
    )


def test_places_that_are_taken(tmp_path):
    source = zipped(tmp_path / "a.mar", files())
    (tmp_path / "link.mar").symlink_to(source)
    (tmp_path / "hard.mar").hardlink_to(source)
    for out in (source, tmp_path / "link.mar", tmp_path / "hard.mar"):
        for call in (wrap, unwrap):
            assert fault(call, source, out) == f"{out} is the archive itself. Give -o another path."
    folder = laid_out(tmp_path / "folder", files())
    assert fault(wrap, folder, folder / "w") == (
        f"{folder / 'w'} lies inside {folder}. Give -o a path outside of it."
    )
    (tmp_path / "taken").mkdir()
    for one in (source, folder):
        assert fault(wrap, one, tmp_path / "taken") == (
            f"{tmp_path / 'taken'} exists already. Give -o a path where nothing is yet, or remove it first."
        )


def test_names_that_torchserve_would_read_otherwise(tmp_path):
    assert fault(wrap, zipped(tmp_path / "a.mar", files()), tmp_path / "w.zip") == (
        "TorchServe would not read a zip from w.zip. Give -o a name that ends in .mar."
    )
    assert fault(wrap, tarred(tmp_path / "a.tar.gz", files()), tmp_path / "w.mar") == (
        "TorchServe would not read a tar.gz from w.mar. Give -o a name that ends in .tar.gz."
    )


def test_nothing_there(tmp_path):
    for call in (wrap, unwrap):
        source = tmp_path / "a.mar"
        assert fault(call, source, tmp_path / "w.mar") == (
            f"No model archive at {source}. Give the path of a .mar file or of its unpacked folder."
        )


def test_a_place_that_cannot_be_written(tmp_path):
    source = zipped(tmp_path / "a.mar", files())
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "w.mar"
    assert fault(wrap, source, out) == (
        f"{out} cannot be written (File exists). Check the disk and the folder's permissions."
    )


def test_an_archive_that_is_there_is_replaced_at_once_or_not_at_all(tmp_path, monkeypatch):
    source, out = zipped(tmp_path / "a.mar", files()), tmp_path / "w.mar"
    out.write_bytes(b"an older one")
    monkeypatch.setattr("foveal.archives.wrapping.restore", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        wrap(source, out)
    assert out.read_bytes() == b"an older one"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mar", "w.mar"]
    monkeypatch.undo()
    wrap(source, out)
    assert model_name(out) == "tiny"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mar", "w.mar"]


# -- archives that are not the wrapped ones any more ---------------------------------------------------------


def test_what_was_never_wrapped(tmp_path):
    source = zipped(tmp_path / "a.mar", files())
    assert fault(unwrap, source, tmp_path / "o.mar") == (
        f"{source} is not a wrapped archive. Give one that foveal wrap wrote."
    )


KEEP = "Use the original archive, or unwrap the file as foveal wrap wrote it."


def test_a_file_that_was_added_or_changed(tmp_path):
    wrapped = tmp_path / "w.mar"
    wrap(zipped(tmp_path / "a.mar", files(config=YAML)), wrapped)
    with zipfile.ZipFile(wrapped, "a") as archive:
        archive.writestr("more.txt", b"more")
    assert fault(unwrap, wrapped, tmp_path / "o.mar") == (
        f"{wrapped} was changed after it was wrapped (more.txt). {KEEP}"
    )
    with zipfile.ZipFile(wrapped, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("h.py", b"other")
    assert fault(unwrap, wrapped, tmp_path / "o.mar") == (
        f"{wrapped} was changed after it was wrapped (h.py, more.txt). {KEEP}"
    )
    assert not (tmp_path / "o.mar").exists()


def test_an_archive_that_was_packed_again(tmp_path):
    wrap(zipped(tmp_path / "a.mar", files()), tmp_path / "w.mar")
    with opened(tmp_path / "w.mar") as folder:
        content = content_of(folder)
    again = zipped(tmp_path / "again.mar", dict(sorted(content.items())))
    assert (
        fault(unwrap, again, tmp_path / "o.mar") == f"{again} was packed again after it was wrapped. {KEEP}"
    )
    tar = tarred(tmp_path / "again.tar.gz", content)
    assert fault(unwrap, tar, tmp_path / "o.mar") == (
        f"{tar} is a tgz, and was a zip when it was wrapped. {KEEP}"
    )
    assert not (tmp_path / "o.mar").exists()


def test_a_wrapped_folder_that_was_changed(tmp_path):
    wrap(laid_out(tmp_path / "a", files()), tmp_path / "w")
    (tmp_path / "w" / "weights.pt").write_bytes(b"others")
    assert fault(unwrap, tmp_path / "w", tmp_path / "o") == (
        f"{tmp_path / 'w'} was changed after it was wrapped (weights.pt). {KEEP}"
    )
    assert not (tmp_path / "o").exists()


def test_another_compressor(tmp_path, monkeypatch):
    import zlib  # noqa: PLC0415

    source = tarred(tmp_path / "a.tar.gz", {**files(), "text": b"abc def " * 999})
    wrap(source, tmp_path / "w.tar.gz")
    wrapped_with = zlib.ZLIB_RUNTIME_VERSION
    monkeypatch.setattr("zlib.ZLIB_RUNTIME_VERSION", "9.9")
    monkeypatch.setattr("foveal.archives.tars._deflated", lambda *_: [b"other bytes"])
    assert fault(unwrap, tmp_path / "w.tar.gz", tmp_path / "o.tar.gz") == (
        f"The original of {tmp_path / 'w.tar.gz'} was read with zlib {wrapped_with}, and this Python's 9.9 "
        f"compresses otherwise. Unwrap it with a Python that has zlib {wrapped_with}."
    )


@pytest.mark.parametrize("damage", [lambda r: b"", lambda r: r[:-9], lambda r: r[:30] + b"x" + r[31:]])
def test_a_damaged_recipe(tmp_path, damage):
    wrap(laid_out(tmp_path / "a", files()), tmp_path / "w")
    recipe = tmp_path / "w" / RECIPE
    recipe.write_bytes(damage(recipe.read_bytes()))
    message = fault(unwrap, tmp_path / "w", tmp_path / "o")
    assert message.startswith(f"{tmp_path / 'w'} cannot be unwrapped: its {RECIPE} is damaged (")
    assert message.endswith(
        "Keep the original archive, or unwrap an undamaged copy with the Foveal that wrapped it."
    )


def test_settings_that_cannot_be_read(tmp_path):
    source = laid_out(tmp_path / "a", {**files(), SETTINGS: b"{"})
    assert f"{source / SETTINGS} cannot be read (" in fault(wrap, source, tmp_path / "w")
    (source / SETTINGS).write_text("{}")
    assert read_own_settings(source) == {}
