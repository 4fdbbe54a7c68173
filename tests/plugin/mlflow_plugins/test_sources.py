"""Feature libraries as sources of MLflow's data sets."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from mlflow.data.dataset_source_registry import get_dataset_source_from_json, resolve_dataset_source

from foveal.errors import UsageError
from foveal.library import Library
from foveal.mlflow_plugins.sources import REFERENCES, FeatureLibrarySource


@pytest.fixture
def filled(tracking_uri, observe, request):
    library = Library(request.node.name, tracking_uri)
    library.add([observe("a.png"), observe("b.png", ("fc1:8",), sample_sha256="t" * 64)], "one")
    return library


@pytest.mark.parametrize(
    ("uri", "library", "feature"),
    [
        ("foveal:nodules", "nodules", None),
        ("foveal:nodules/contribution:12", "nodules", "contribution:12"),
        ("foveal:lung nodules/class:3", "lung nodules", "class:3"),
        ("foveal:a%2Fb/c%2Fd:1", "a/b", "c/d:1"),
    ],
)
def test_a_uri_names_library_and_feature(uri, library, feature, recwarn):
    source = resolve_dataset_source(uri)
    assert (type(source), source.library, source.feature) == (FeatureLibrarySource, library, feature)
    assert source.uri == uri
    assert not [str(one.message) for one in recwarn if "interpreted" in str(one.message)]


def test_a_uri_without_a_name_is_refused():
    with pytest.raises(UsageError) as caught:
        FeatureLibrarySource._resolve("foveal:")
    assert str(caught.value) == "'foveal:' names no library. Write foveal:NAME or foveal:NAME/FEATURE."


def test_a_source_is_read_back_from_what_was_written():
    source = FeatureLibrarySource("nodules", "class:3", "production", "https://me:secret@host:5000/path")
    again = get_dataset_source_from_json(source.to_json(), source._get_source_type())
    assert source._get_source_type() == "foveal_library"
    assert json.loads(again.to_json()) == json.loads(source.to_json())
    assert again.tracking_uri == "https://host:5000/path"
    assert again.uri == "foveal:nodules/class:3"


def test_loading_gives_the_references(filled):
    table = FeatureLibrarySource(filled.name, tracking_uri=filled.tracking_uri).load()
    assert tuple(table.columns) == REFERENCES
    assert sorted(table["feature"]) == ["contribution", "fc1:7", "fc1:8"]
    one = FeatureLibrarySource(filled.name, "fc1:8", tracking_uri=filled.tracking_uri).load(
        ["sample", "crop"]
    )
    assert one["sample"].tolist() == ["b.png"]
    assert isinstance(one["crop"][0], bytes)
    none = FeatureLibrarySource(filled.name, "fc1:8", "training", filled.tracking_uri).load()
    assert len(none) == 0


def test_an_unknown_library_or_feature_is_named(filled):
    with pytest.raises(UsageError) as caught:
        FeatureLibrarySource(filled.name, "fc1:9", tracking_uri=filled.tracking_uri).load()
    assert caught.value.fault == f"Library {filled.name!r} has no entries of 'fc1:9'"
    assert caught.value.mend == "Did you mean 'fc1:8' or 'fc1:7'"
    with pytest.raises(UsageError, match=r"^No library 'nobody' at "):
        FeatureLibrarySource("nobody", tracking_uri=filled.tracking_uri).load()


def test_the_plug_ins_are_there_after_importing_mlflow_without_a_warning():
    program = """
import sys, mlflow
assert callable(mlflow.data.from_feature_library) and callable(mlflow.data.from_sample_files)
assert "FeatureLibrarySource" in dir(mlflow.data.sources)
heavy = {"torch", "captum", "pyarrow.parquet", "foveal.library", "foveal_audit"} & set(sys.modules)
assert not heavy, heavy
"""
    command = [sys.executable, "-W", "error::UserWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_importing_foveal_gained_nothing():
    program = "import sys, foveal; print([m for m in sys.modules if 'mlflow' in m])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
