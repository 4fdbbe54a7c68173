"""Data sets as people keep them, and what is wrong with them told row by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from foveal.errors import UsageError
from foveal.samples import list_samples


@pytest.fixture
def folder(tmp_path):
    for name in ("b/2.png", "b/1.JPG", "a/deep/3.tif", "top.bmp", "a/notes.txt", ".hidden/4.png", "a/.5.png"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return tmp_path / "data"


def manifest(folder: Path, text: str) -> Path:
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_folder_of_classes(folder):
    samples = list_samples(folder)
    assert [(sample.name, sample.label) for sample in samples] == [
        ("a/deep/3.tif", "a"),
        ("b/1.JPG", "b"),
        ("b/2.png", "b"),
        ("top.bmp", None),
    ]
    assert all(sample.path.is_absolute() and sample.path.is_file() for sample in samples)
    assert {sample.source for sample in samples} == {None}


def test_a_manifest(folder):
    path = manifest(
        folder,
        "\ufeffpath,label,source,site,scanner\n"
        'b/2.png,nodule,training,"A, north",\n'
        " top.bmp ,,,B,GE\n"
        "./b/1.JPG,none,production\n",
    )
    first, second, third = list_samples(path)
    assert (first.name, first.label, first.source) == ("b/2.png", "nodule", "training")
    assert first.metadata == {"site": "A, north"}
    assert (second.name, second.label, second.source) == ("top.bmp", None, None)
    assert second.metadata == {"site": "B", "scanner": "GE"}
    assert (third.name, third.path, third.metadata) == ("./b/1.JPG", (folder / "b/1.JPG").resolve(), {})


def test_one_file_may_be_of_two_sources(folder):
    path = manifest(folder, "path,source\nb/2.png,training\nb/2.png,production\n")
    assert [sample.source for sample in list_samples(path)] == ["training", "production"]


def test_absolute_paths(folder):
    (sample,) = list_samples(manifest(folder, f"path\n{folder / 'top.bmp'}\n"))
    assert sample.path == (folder / "top.bmp").resolve()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,label\na,b\n",
            "has no 'path' column, its columns are 'file', 'label'. Name the column with the files 'path'.",
        ),
        ("", "has no 'path' column, its columns are none. Name the column with the files 'path'."),
        ("path,site,site\n", "has the column 'site' twice. Give each column its own name."),
        ("path\n", "holds no rows. Add one row per sample."),
        (
            "path\ntop.bmp\nb/9.png\n",
            "row 3: file 'b/9.png' does not exist. Write paths relative to the manifest.",
        ),
        ("path\nb\n", "row 2: file 'b' does not exist. Write paths relative to the manifest."),
        ("path,label\ntop.bmp,x\n,y\n", "row 3 has an empty 'path'. Name the row's file or delete it."),
        ("path\ntop.bmp,1\n", "row 2 has more cells than the header. Quote cells with commas."),
        (
            "path\ntop.bmp\nb/1.JPG\ntop.bmp\n",
            "row 4 repeats 'top.bmp' of row 2. Name each sample once per source.",
        ),
        (
            "path,source\ntop.bmp,train\n",
            "row 2: unknown source 'train'. Did you mean 'training' or 'validation' or 'production'.",
        ),
    ],
)
def test_wrong_manifests(folder, text, message):
    path = manifest(folder, text)
    with pytest.raises(UsageError) as caught:
        list_samples(path)
    assert str(caught.value) == f"Manifest '{path}' {message}"


def test_a_manifest_that_is_no_text(folder):
    path = folder / "list.csv"
    path.write_bytes(b"path\n\xff\xfe\n")
    with pytest.raises(UsageError) as caught:
        list_samples(path)
    assert str(caught.value).startswith(f"Manifest '{path}' is not CSV text: ")
    assert str(caught.value).endswith(". Save it as CSV in UTF-8.")


def test_missing_and_empty_data(tmp_path):
    with pytest.raises(UsageError) as caught:
        list_samples(tmp_path / "nowhere")
    assert str(caught.value) == (
        f"Data '{tmp_path / 'nowhere'}' does not exist. Give a folder of images or a CSV manifest."
    )
    with pytest.raises(UsageError) as caught:
        list_samples(tmp_path)
    assert str(caught.value) == (
        f"Folder '{tmp_path}' holds no image. "
        "Give a folder with images, or with one sub-folder of images per class."
    )
