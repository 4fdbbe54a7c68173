from __future__ import annotations

import hashlib
import json
import os
import time
from zipfile import ZipFile

import pytest
import torch
import yaml

from foveal.archives import load_model
from foveal.archives.entries import read_entry
from foveal.archives.pack import KINDS, SERVING_DEFAULTS, pack
from foveal.config import FovealConfig
from foveal.errors import EnvironmentFault, UsageError
from foveal.samples.transform import ImageTransform


@pytest.fixture
def make(model_file, weights, tmp_path):
    """Pack the tiny model; what is given replaces an argument."""

    def make(out="store/tiny.mar", **changes):
        arguments = {
            "kind": "vision",
            "model_file": model_file,
            "weights": weights,
            "size": (8, 8),
            **changes,
        }
        kind, *files = (arguments.pop(name) for name in ("kind", "model_file", "weights"))
        return pack(kind, *files, tmp_path / out, **arguments)

    return make


def content(path):
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_what_an_archive_holds(make, model_file, weights):
    files = content(make(mean=(0.5,), std=(0.25,), channels=3, labels=("a", "b", "ü")))
    assert json.loads(files.pop("MAR-INF/MANIFEST.json"))["model"] == {
        "modelName": "tiny",
        "modelVersion": "1.0",
        "handler": "foveal_vision_entry.py",
        "modelFile": "tiny.py",
        "serializedFile": "tiny.pt",
        "configFile": "model-config.yaml",
    }
    settings = yaml.safe_load(files.pop("model-config.yaml"))
    assert settings == {
        **SERVING_DEFAULTS,
        "preprocess": {"size": [8, 8], "channels": 3, "mean": [0.5], "std": [0.25]},
        "foveal": FovealConfig().to_mapping(),
    }
    assert json.loads(files.pop("index_to_name.json")) == {"0": "a", "1": "b", "2": "ü"}
    assert files.pop("foveal_vision_entry.py") == read_entry("vision.py")
    assert files == {"tiny.py": model_file.read_bytes(), "tiny.pt": weights.read_bytes()}


def test_the_packed_model_is_the_given_one(make, twin):
    path = make(mean=(0.5,), std=(0.25,), channels=3, labels=("a", "b", "c"))
    model = load_model(str(path))
    assert (model.name, model.labels) == ("tiny", ("a", "b", "c"))
    assert model.transform == ImageTransform((8, 8), 3, (0.5,), (0.25,))
    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(model.module(x), twin(x))


def test_the_same_inputs_give_the_same_bytes(make, model_file, weights):
    first = make().read_bytes()
    for path in (model_file, weights):
        os.utime(path, (time.time() + 9000,) * 2)
        path.chmod(0o600)
    assert make("elsewhere/tiny.mar").read_bytes() == first
    assert make("elsewhere/other.mar", name="tiny").read_bytes() == first
    assert make("elsewhere/other.mar").read_bytes() != first


def test_this_machines_variables_stay_out_of_the_archive(make, monkeypatch):
    first = make().read_bytes()
    monkeypatch.setenv("FOVEAL_SPOOL_DIR", "/here")
    monkeypatch.setenv("FOVEAL_LAYER", "block")
    assert make().read_bytes() == first


def test_a_configuration_is_joined_with_the_options(make):
    config = {
        "batchSize": 4,
        "preprocess": {"size": [16, 16], "mean": [0.1]},
        "foveal": {"sample_rate": 0.25, "keep": {"metadata": ["site"]}},
    }
    settings = yaml.safe_load(content(make(config=config))["model-config.yaml"])
    assert settings["batchSize"] == 4
    assert settings["preprocess"] == {"size": [8, 8], "channels": None, "mean": [0.1], "std": [1.0]}
    assert settings["foveal"]["sample_rate"] == 0.25
    assert settings["foveal"]["keep"]["metadata"] == ["site"]
    assert config["preprocess"] == {"size": [16, 16], "mean": [0.1]}


def test_extra_files_lie_beside_the_model_file(make, write):
    part = write("foveal_test_width.py", "WIDTH = 3\n")
    main = write(
        "n.py",
        """
        from foveal_test_width import WIDTH
        from torch import nn
        class N(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, WIDTH, 3)
                self.fc = nn.Linear(WIDTH, 2)
            def forward(self, x):
                return self.fc(self.conv(x).mean((2, 3)))
        """,
    )
    path = make(model_file=main, weights=None, extra_files=[part])
    assert content(path)["foveal_test_width.py"] == b"WIDTH = 3\n"
    assert load_model(str(path)).module.fc.weight.shape == (2, 3)


def test_the_named_class_is_written_down(make):
    path = make(model_class="network")
    assert yaml.safe_load(content(path)["model-config.yaml"])["model"] == {"class": "network"}


def test_nothing_is_left_beside_the_archive(make, tmp_path):
    path = make()
    assert [child.name for child in path.parent.iterdir()] == ["tiny.mar"]
    before = path.read_bytes()
    with pytest.raises(UsageError):
        make(labels=("a",))
    assert [child.name for child in path.parent.iterdir()] == ["tiny.mar"]
    assert path.read_bytes() == before


def message(call, **changes):
    with pytest.raises(UsageError) as caught:
        call(**changes)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["sequence", "image"])
def test_a_kind_that_cannot_be_packed_yet(make, kind):
    assert message(make, kind=kind) == f"Kind {kind!r} cannot be packed. Kinds that can: {', '.join(KINDS)}."
    assert set(KINDS) >= {"vision", "signal", "audio", "volume"}


@pytest.mark.parametrize("name", ["a b", "-x", "ü", "a/b"])
def test_a_name_that_cannot_be_served(make, name):
    assert message(make, name=name) == (
        f"Model name {name!r} cannot be served. Give a --name of letters, digits, '_', '-' and '.', "
        "beginning with a letter or digit."
    )


def test_files_that_are_not_there(make, tmp_path):
    path = tmp_path / "no.py"
    assert message(make, model_file=path) == f"No model file at {path}. Check the path."
    assert message(make, weights=path) == f"No weights at {path}. Check the path."
    assert message(make, extra_files=[path]) == f"No extra file at {path}. Check the path."


@pytest.mark.parametrize("name", ["torch", "json", "foveal"])
def test_a_file_that_would_hide_a_module(make, write, name):
    path = write(f"{name}.py", "x = 1\n")
    assert message(make, model_file=path) == (
        f"{name}.py would hide the module {name!r} from the serving worker. Give the file another name."
    )


def test_two_files_of_one_name(make, write):
    assert message(make, extra_files=[write("other/tiny.py", "x = 1\n")]) == (
        "Two files of the archive are called 'tiny.py'. Rename one of them."
    )


def test_unknown_settings(make):
    assert message(make, config={"minWorker": 2}) == (
        "Unknown key 'minWorker' in the configuration. Did you mean 'minWorkers' or 'maxWorkers' or 'model'."
    )
    assert message(make, config={"foveal": {"laier": "x"}}).startswith(
        "Unknown key 'foveal.laier'. Did you mean 'layer'"
    )


def test_weights_that_do_not_fit(make, tmp_path):
    path = tmp_path / "w.pt"
    torch.save({"fc.weight": torch.zeros(3, 4)}, path)
    text = message(make, weights=path, model_class="Tiny")
    assert text == (
        "tiny.mar: w.pt does not fit Tiny (3 missing: block.conv.weight, block.conv.bias, ...). "
        "Give the weights that Tiny was trained to."
    )


def test_a_file_that_imports_what_is_not_packed(make, write):
    write("foveal_test_sibling.py", "x = 1\n")
    path = write("n.py", "import foveal_test_sibling\nfrom torch import nn\nclass N(nn.Module): pass\n")
    assert message(make, model_file=path, weights=None) == (
        "tiny.mar: n.py cannot be imported (ModuleNotFoundError: No module named 'foveal_test_sibling'). "
        "Mend the file, or add what it imports with --extra-files."
    )


def test_a_size_or_channels_that_the_model_does_not_take(make):
    text = message(make, channels=1)
    assert text.startswith("tiny.py does not run on a 1x8x8 input (")
    assert text.endswith("Check --size and --channels.")


def test_the_wrong_number_of_labels(make):
    assert (
        message(make, labels=("a", "b"))
        == "2 labels for a model of 3 classes. Give one label per class, in order."
    )


def test_one_logit_speaks_for_the_second_of_two_classes(make, write):
    path = write(
        "one.py",
        """
        from torch import nn


        class One(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 1)

            def forward(self, x):
                return self.fc(self.conv(x).relu().mean((2, 3)))
        """,
    )
    told = {"model_file": path, "weights": None}
    files = content(make(labels=("healthy", "ill"), **told))
    assert json.loads(files["index_to_name.json"]) == {"0": "healthy", "1": "ill"}
    for labels in (("ill",), ("a", "b", "c")):
        assert message(make, labels=labels, **told) == (
            f"{len(labels)} labels for a model of 2 classes. Give one label per class, in order."
        )


def test_a_model_that_is_no_classifier(make, write):
    path = write("n.py", "from torch import nn\nclass N(nn.Identity): pass\n")
    assert message(make, model_file=path, weights=None) == (
        "n.py gives a tensor (1, 3, 8, 8) for one 3x8x8 input, not class scores. "
        "Pack a classifier that returns (batch, classes)."
    )


def test_a_layer_that_the_model_does_not_have(make):
    text = message(make, config={"foveal": {"layer": "blok"}})
    assert "blok" in text
    assert "'block'" in text


@pytest.mark.parametrize(("out", "reason"), [("file/x.mar", "File exists"), ("folder.mar", "Is a directory")])
def test_a_place_that_cannot_be_written(make, tmp_path, out, reason):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.mar").mkdir()
    with pytest.raises(EnvironmentFault) as caught:
        make(out=out)
    assert str(caught.value) == (
        f"{tmp_path / out} cannot be written ({reason}). Check the disk and the folder's permissions."
    )


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("guided-backprop", "fails the weight-randomisation check, it is for viewing only"),
        ("lrp", "needs passes of its own and cannot watch requests"),
        ("cam", "explains classes alone and cannot watch requests"),
    ],
)
def test_a_method_that_cannot_watch_requests_is_refused_before_anything_is_served(make, method, fault):
    with pytest.raises(UsageError) as caught:
        make(config={"foveal": {"method": method}})
    assert str(caught.value).startswith(f"Method {method!r} {fault}. Choose one of gradcam, ")


def test_without_the_handlers(make, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault) as caught:
        read_entry("vision.py")
    assert str(caught.value) == (
        "The package foveal_handlers is not installed beside foveal. "
        "Install Foveal again: pip install foveal[serve]."
    )
