"""Archives made to do harm are refused, and nothing is written outside."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile

import pytest
from plain_archives import YAML, files, laid_out, manifest, tarred, zipped

from foveal.archives.mar import MANIFEST, model_name, opened
from foveal.archives.recipes import RECIPE, Recipe
from foveal.archives.unwrapping import unwrap
from foveal.archives.wrapping import wrap
from foveal.errors import UsageError


@pytest.fixture
def nothing_else(tmp_path):
    """Insist that nothing is left beside the archive that a test makes."""
    yield
    assert {path.name for path in tmp_path.iterdir()} <= {"a.mar", "a.tar.gz", "a"}
    assert not (tmp_path.parent / "escaped.txt").exists()


def refusal(source, suffix=".mar"):
    with pytest.raises(UsageError) as caught:
        wrap(source, source.with_name(f"w{suffix}"))
    return str(caught.value)


def outside(source, name):
    return (
        f"{source} holds the name {name!r}, which leads outside of it. "
        "Do not use this archive; build it again from files that you trust."
    )


@pytest.mark.parametrize("name", ["../escaped.txt", "a/../../escaped.txt", "/escaped.txt"])
@pytest.mark.usefixtures("nothing_else")
def test_names_that_lead_out_of_a_zip(tmp_path, name):
    source = zipped(tmp_path / "a.mar", {**files(), name: b"x"})
    assert refusal(source) == outside(source, name)


@pytest.mark.parametrize("name", ["../escaped.txt", "a/../../escaped.txt", "/escaped.txt", "//escaped.txt"])
@pytest.mark.usefixtures("nothing_else")
def test_names_that_lead_out_of_a_tar(tmp_path, name):
    source = tarred(tmp_path / "a.tar.gz", {**files(), name: b"x"})
    told = refusal(source, ".tar.gz")
    assert told == outside(source, name)
    with pytest.raises(UsageError), opened(source):
        pass


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
@pytest.mark.usefixtures("nothing_else")
def test_members_of_a_tar_that_are_no_files(tmp_path, kind):
    source = tmp_path / "a.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        for name, data in files().items():
            info = tarfile.TarInfo(f"tiny/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        info = tarfile.TarInfo("tiny/link")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    assert refusal(source, ".tar.gz") == (
        f"{source} holds 'tiny/link', which is neither a file nor a folder. "
        "Build the archive again with the files that its links point to."
    )


@pytest.mark.parametrize("name", ["../outside.yaml", "/etc/hostname"])
@pytest.mark.usefixtures("nothing_else")
def test_a_configuration_outside(tmp_path, name):
    content = {**files(), MANIFEST: manifest(configFile=name)}
    folder = laid_out(tmp_path / "a", content)
    assert refusal(folder, "") == outside(folder, name)


@pytest.mark.usefixtures("nothing_else")
def test_bombs(tmp_path, monkeypatch):
    monkeypatch.setattr("foveal.archives.containers._ALWAYS_FINE", 2**20)
    bomb = {**files(), "bomb": bytes(3 * 2**20)}
    for source, suffix in (
        (zipped(tmp_path / "a.mar", bomb), ".mar"),
        (tarred(tmp_path / "a.tar.gz", bomb), ".tar.gz"),
    ):
        assert refusal(source, suffix) == (
            f"{source} unpacks to more than 200 times its size. "
            "Do not use this archive; build it again from files that you trust."
        )


def unreadable(source, why):
    return f"{source} is not a readable model archive ({why}). Build it again, or copy it again in full."


@pytest.mark.usefixtures("nothing_else")
def test_an_entry_that_only_a_stream_shows(tmp_path):
    """TorchServe reads the stream: an entry that the directory hides would run, and would not be audited."""
    hidden, out = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(hidden, "w") as archive:
        archive.writestr("h.py", b"evil")
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files().items():
            archive.writestr(name, data)
        out.write(hidden.getvalue()[: hidden.getvalue().index(b"PK\1\2")])
        archive.start_dir = out.tell()
    source = tmp_path / "a.mar"
    source.write_bytes(out.getvalue())
    assert refusal(source) == unreadable(source, f"an entry after {MANIFEST!r} is not in its directory")


@pytest.mark.usefixtures("nothing_else")
def test_entries_over_each_other(tmp_path):
    source = zipped(tmp_path / "a.mar", {**files(), "x": b"1", "y": b"2"}, zipfile.ZIP_STORED)
    made = bytearray(source.read_bytes())
    with zipfile.ZipFile(source) as archive:
        first = archive.getinfo("x").header_offset
    made[first + 30 : first + 31] = b"y"  # the entry that x's record points to is y's
    source.write_bytes(made)
    assert "is not a readable model archive" in refusal(source)
    at = made.rindex(b"PK\1\2")
    made[first + 30 : first + 31] = b"x"
    made[at + 42 : at + 46] = struct.pack("<L", first)
    source.write_bytes(made)
    assert "is not a readable model archive" in refusal(source)


@pytest.mark.parametrize("keep", [0, 1, 2, 20, 400, -1, -9, -200])
@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.usefixtures("nothing_else")
def test_files_cut_short(tmp_path, make, keep):
    suffix = ".mar" if make is zipped else ".tar.gz"
    source = make(tmp_path / f"a{suffix}", files(config=YAML))
    source.write_bytes(source.read_bytes()[:keep])
    assert f"{source} is not a" in refusal(source, suffix)
    with pytest.raises(UsageError):
        model_name(source)


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.usefixtures("nothing_else")
def test_every_byte_flipped(tmp_path, make):
    """Whatever is damaged, it ends with a word about it or with an archive that comes back."""
    suffix = ".mar" if make is zipped else ".tar.gz"
    source = make(tmp_path / f"a{suffix}", files())
    made = source.read_bytes()
    for at in range(0, len(made), 7):
        source.write_bytes(made[:at] + bytes([made[at] ^ 0x41]) + made[at + 1 :])
        wrapped, again = tmp_path / f"w{suffix}", tmp_path / f"again{suffix}"
        try:
            wrap(source, wrapped)
        except UsageError:
            continue
        unwrap(wrapped, again)
        assert again.read_bytes() == source.read_bytes()
        wrapped.unlink()
        again.unlink()


@pytest.mark.parametrize("make", [zipped, tarred])
def test_a_damaged_wrapped_archive_gives_the_original_or_nothing(tmp_path, make):
    suffix = ".mar" if make is zipped else ".tar.gz"
    source, wrapped, again = (tmp_path / f"{name}{suffix}" for name in ("a", "w", "again"))
    wrap(make(source, files(config=YAML)), wrapped)
    made, given = wrapped.read_bytes(), 0
    for at in range(0, len(made), 13):
        wrapped.write_bytes(made[:at] + bytes([made[at] ^ 0x10]) + made[at + 1 :])
        try:
            unwrap(wrapped, again)
        except UsageError:
            assert not again.exists()
            continue
        assert again.read_bytes() == source.read_bytes()
        given += 1
        again.unlink()
    assert given < 30  # a date, a mode: what nobody reads


def test_tars_that_contradict_themselves(tmp_path):
    source = tarred(tmp_path / "a.tar.gz", {**files(), "x": b"file", "x/y": b"below a file"})
    assert "is not a readable model archive" in refusal(source, ".tar.gz")
    source.write_bytes(gzip.compress(b"\1" * 5000))
    assert "is not a readable model archive" in refusal(source, ".tar.gz")


def test_a_manifest_without_end(tmp_path):
    content = {**files(), MANIFEST: b"[" * 100_000}
    assert "cannot be read (RecursionError" in refusal(zipped(tmp_path / "a.mar", content))


def test_settings_without_end(tmp_path):
    """A handful of lines that stand for endless lists is not unfolded."""
    laughs = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
    source = zipped(tmp_path / "a.mar", files(config=laughs))
    assert wrap(source, tmp_path / "w.mar").settings == "MAR-INF/FOVEAL.json"
    unwrap(tmp_path / "w.mar", tmp_path / "o.mar")


def test_a_recipe_that_writes_elsewhere(tmp_path):
    wrap(laid_out(tmp_path / "a", files()), tmp_path / "w")
    path = tmp_path / "w" / RECIPE
    recipe = Recipe.from_bytes(path.read_bytes(), path)
    hostile = Recipe("folder", recipe.sha256, recipe.files, replaced={"../escaped.txt": "eA=="})
    path.write_bytes(hostile.to_bytes())
    with pytest.raises(UsageError, match="leads outside of it"):
        unwrap(tmp_path / "w", tmp_path / "o")
    assert not (tmp_path / "escaped.txt").exists()
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("content", [{"container": 3}, {"pieces": 3}, [], {"files": None, "container": "x"}])
def test_recipes_of_nonsense(tmp_path, content):
    import zlib  # noqa: PLC0415

    wrap(laid_out(tmp_path / "a", files()), tmp_path / "w")
    head = json.dumps(content).encode()
    packed = zlib.compress(struct.pack("<Q", len(head)) + head)
    (tmp_path / "w" / RECIPE).write_bytes(b"FOVEAL recipe 1\n" + packed)
    with pytest.raises(UsageError, match="is damaged"):
        unwrap(tmp_path / "w", tmp_path / "o")
