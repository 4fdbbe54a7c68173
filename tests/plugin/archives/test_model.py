from __future__ import annotations

import json
import sys
from zipfile import ZipFile

import pytest
import torch

from foveal.archives import AuditedModel, load_model
from foveal.archives.mar import MANIFEST, write_archive
from foveal.archives.model import _state_sha256, ordered_labels
from foveal.config import FovealConfig
from foveal.errors import UsageError
from foveal.samples.transform import ImageTransform

X = torch.linspace(0, 1, 3 * 8 * 8).reshape(1, 3, 8, 8)
CONFIG = "preprocess: {size: [8, 8], channels: 3, mean: [0.5], std: [0.25]}\nfoveal: {sample_rate: 0.5}\n"


@pytest.fixture
def archive(tmp_path, model_file, weights):
    """Build an archive by hand: what is given replaces or, as None, removes a file of it."""

    def build(manifest=None, **files):
        model = {"modelName": "tiny", "handler": "h.py", "modelFile": "tiny.py", "serializedFile": "tiny.pt"}
        model = {**model, "configFile": "model-config.yaml", **(manifest or {})}
        content = {
            MANIFEST: json.dumps({"model": {key: value for key, value in model.items() if value}}).encode(),
            "tiny.py": model_file,
            "tiny.pt": weights,
            "model-config.yaml": CONFIG.encode(),
            "index_to_name.json": b'{"1": "dog", "0": "cat", "2": ["n3", "owl"]}',
            **{name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()},
        }
        path = tmp_path / "built.mar"
        with path.open("wb") as out:
            write_archive({name: text for name, text in content.items() if text is not None}, out)
        return path

    return build


def test_an_archive_is_loaded_as_it_is_served(archive, twin, monkeypatch):
    monkeypatch.delenv("FOVEAL_SAMPLE_RATE", raising=False)
    path = archive()
    model = load_model(str(path))
    assert (model.name, model.labels, model.source) == ("tiny", ("cat", "dog", "owl"), str(path))
    assert model.transform == ImageTransform((8, 8), 3, (0.5,), (0.25,))
    assert model.config.sample_rate == 0.5
    assert model.example().shape == (1, 3, 8, 8)
    with torch.inference_mode():
        assert torch.equal(model.module(X), twin(X))


def test_its_unpacked_folder_is_the_same_model(archive, tmp_path):
    path = archive()
    with ZipFile(path) as file:
        file.extractall(tmp_path / "folder")
    one, other = load_model(str(path)), load_model(str(tmp_path / "folder"))
    assert (one.sha256, one.config, one.labels) == (other.sha256, other.config, other.labels)
    assert not list((tmp_path / "folder").rglob("__pycache__"))


def test_settings_beside_the_manifest_where_there_is_no_model_config(archive):
    settings = json.dumps({"preprocess": {"size": [4, 4]}, "foveal": {"layer": "block"}}).encode()
    path = archive(
        {"configFile": None}, **{"MAR-INF__FOVEAL_dot_json": settings, "model-config_dot_yaml": None}
    )
    model = load_model(str(path))
    assert (model.transform.size, model.config.layer) == ((4, 4), "block")


def test_the_class_that_the_settings_name(archive):
    path = archive(**{"model-config_dot_yaml": (CONFIG + "model: {class: network}\n").encode()})
    assert type(load_model(str(path)).module).__name__ == "Tiny"


def message(uri):
    with pytest.raises(UsageError) as caught:
        load_model(str(uri))
    return str(caught.value)


def test_preprocessing_is_never_guessed(archive):
    path = archive(**{"model-config_dot_yaml": b"minWorkers: 1\n"})
    assert message(path) == (
        f"{path} does not say how its samples are preprocessed. Add a preprocess section (size, channels, "
        "mean, std) to its model-config.yaml, or build it with foveal pack."
    )


def test_an_archive_without_a_model_file(archive):
    path = archive({"modelFile": None})
    assert message(path) == (
        f"{path}/tiny.pt is no TorchScript file. Give what torch.jit.save wrote, or pack weights with "
        "foveal pack."
    )
    path = archive({"modelFile": None, "serializedFile": "other.so"}, other_dot_so=b"")
    assert message(path) == (
        f"{path} holds no model file, only other.so. Only archives with a model file, an ONNX file or "
        "TorchScript can be audited: pack the network and its weights again."
    )


def test_errors_name_the_archive_and_not_where_it_was_unpacked(archive):
    path = archive(tiny_dot_py=b"import foveal_no_such_module\n")
    assert message(path) == (
        f"{path}: tiny.py cannot be imported (ModuleNotFoundError: No module named 'foveal_no_such_module'). "
        "Mend the file, or add what it imports with --extra-files."
    )


@pytest.mark.parametrize("file", ["m.pt", "m.pt2", "m.onnx"])
def test_no_file_of_a_network(file):
    assert message(file) == f"No model at {file}. Give the path of an .onnx, .pt or .pt2 file."


def test_nothing_there():
    assert (
        message("none.mar")
        == "No model archive at none.mar. Give the path of a .mar file or of its unpacked folder."
    )


@pytest.fixture
def factories(write, tmp_path, monkeypatch):
    write(
        "foveal_test_factories.py",
        """
        import torch
        from foveal.archives import AuditedModel
        from foveal.config import FovealConfig
        from foveal.samples.transform import ImageTransform
        from torch import nn

        def plain():
            torch.manual_seed(0)
            return nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Flatten()).train()

        def whole():
            transform, config = ImageTransform((5, 5)), FovealConfig()
            return AuditedModel("w", plain(), transform, ("a",), config, "0" * 64, "here")

        def number():
            return 7
        """,
    )
    monkeypatch.chdir(tmp_path)
    yield "python:foveal_test_factories"
    sys.modules.pop("foveal_test_factories", None)


def test_a_python_factory(factories):
    before = list(sys.path)
    one, again = load_model(f"{factories}:plain"), load_model(f"{factories}:plain")
    assert sys.path == before
    assert (one.name, one.labels, one.transform, one.config) == (
        "plain",
        (),
        ImageTransform(),
        FovealConfig(),
    )
    assert not one.module.training
    assert len(one.sha256) == 64
    assert one.sha256 == again.sha256
    with torch.no_grad():
        one.module[0].bias += 1
    assert one.example() is None


def test_the_hash_of_a_bare_network_is_that_of_its_weights(factories):
    module = load_model(f"{factories}:plain").module
    before = _state_sha256(module)
    with torch.no_grad():
        module[0].bias[0] += 1e-7
    assert _state_sha256(module) != before


def test_a_factory_that_says_all(factories):
    model = load_model(f"{factories}:whole")
    assert isinstance(model, AuditedModel)
    assert (model.name, model.sha256) == ("w", "0" * 64)


def test_factories_that_do_not_work(factories):
    assert message(f"{factories}:number") == (
        "python:foveal_test_factories:number returned int. "
        "Let the factory return a torch.nn.Module or an AuditedModel."
    )
    assert message(f"{factories}:plian") == (
        "python:foveal_test_factories:plian: foveal_test_factories has no function 'plian'. "
        "Did you mean 'plain'."
    )
    assert message("python:foveal_no_such:f").startswith(
        "python:foveal_no_such:f: module 'foveal_no_such' cannot be imported ("
    )
    assert message("python:").endswith("Write python:module:factory and run where it can be imported.")


@pytest.mark.parametrize(
    ("transform", "shape"),
    [
        (ImageTransform((4, 6), 1), (1, 1, 4, 6)),
        (ImageTransform((4, 6)), (1, 3, 4, 6)),
        (ImageTransform((4, 6), mean=(0.1, 0.2)), (1, 2, 4, 6)),
    ],
)
def test_a_blank_input(transform, shape):
    assert transform.blank().shape == shape


def test_labels_in_every_form():
    assert ordered_labels({"10": "k", "2": "c"}) == ("0", "1", "c", "3", "4", "5", "6", "7", "8", "9", "k")
    assert ordered_labels({"object_type_names": ["x", "y"]}) == ("x", "y")
    assert ordered_labels({}) == ()
