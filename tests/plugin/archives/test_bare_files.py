"""Networks in files of their own: what is read from them, what from settings beside, what is refused."""

from __future__ import annotations

import hashlib
import json
import zipfile
from math import prod

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx_archives import externally, packed, written
from onnx_nets import build

import foveal
from foveal.archives import load_model
from foveal.archives.mar import archive_sha256
from foveal.errors import UsageError
from foveal.onnx_graphs.carried import CARRIED, Carried

pytestmark = pytest.mark.filterwarnings("ignore")


def message(uri):
    with pytest.raises(UsageError) as caught:
        load_model(str(uri))
    return str(caught.value)


@pytest.fixture
def net():
    return build("Residual")


@pytest.fixture
def x():
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(2))


def script(folder, net, x):
    torch.jit.save(torch.jit.trace(net, x), folder / "net.pt")
    (folder / "net.yaml").write_text("preprocess: {size: [16, 16], channels: 3}\n")
    return folder / "net.pt"


def program(folder, net, x):
    batch = torch.export.Dim("batch")
    torch.export.save(torch.export.export(net, (x,), dynamic_shapes=({0: batch},)), folder / "net.pt2")
    return folder / "net.pt2"


def flat(path, *shape):
    """Write a network of one product, its weights in the file."""
    ends = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *shape])]
    ends += [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])]
    weights = numpy_helper.from_array(np.ones((prod(shape), 3), np.float32), "w")
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])]
    graph = helper.make_graph(nodes, "flat", ends[:1], ends[1:], [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    "make", [lambda folder, *_: written(folder), script, program], ids=["onnx", "pt", "pt2"]
)
def test_a_file_is_the_network(tmp_path, net, x, make):
    path = make(tmp_path, net, x)
    model = load_model(str(path))
    assert (model.transform.size, model.transform.channels) == ((16, 16), 3)
    assert (model.name, model.source, model.labels) == (path.stem, str(path), ())
    assert model.example().shape == (1, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(model.module(x), net(x), rtol=1e-5, atol=1e-5)
    ours = foveal.explain(model.module, x, targets=["top", "class:1"]).maps
    torch.testing.assert_close(
        ours, foveal.explain(net, x, targets=["top", "class:1"]).maps, rtol=1e-3, atol=1e-6
    )
    with model.observer(model.example()) as observer:
        assert observer.features


def test_settings_lie_beside(tmp_path):
    path = written(tmp_path)
    path.with_suffix(".yaml").write_text(
        "preprocess: {size: [16, 16], channels: 3, mean: [0.5]}\n"
        "labels: [a, b, c, d, e]\nfoveal: {max_windows: 1}\n"
    )
    model = load_model(str(path), environ={})
    assert model.transform.mean == (0.5,)
    assert model.labels == tuple("abcde")
    assert model.config.max_windows == 1


def test_the_network_is_known_by_its_content(tmp_path):
    one = written(tmp_path / "one")
    assert load_model(str(one)).sha256 == load_model(str(written(tmp_path / "two"))).sha256
    assert load_model(str(externally(one))).sha256 == load_model(str(one)).sha256
    assert load_model(str(written(tmp_path / "three", "Awkward"))).sha256 != load_model(str(one)).sha256


def test_what_is_refused(tmp_path, net, x):
    for name in ("m.onnx", "m.pt", "m.pt2"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
    assert message(tmp_path / "m.onnx") == (
        f"'{tmp_path}/m.onnx' is no ONNX file. Give a file that onnx.checker accepts."
    )
    assert message(tmp_path / "m.pt") == (
        f"{tmp_path}/m.pt is no TorchScript file. Give what torch.jit.save wrote, or pack weights with "
        "foveal pack."
    )
    assert message(tmp_path / "m.pt2") == (
        f"{tmp_path}/m.pt2 is no exported program. Give what torch.export.save wrote."
    )
    path = script(tmp_path, net, x)
    path.with_suffix(".yaml").unlink()
    assert message(path) == (
        f"{path} is TorchScript, which leaves the shape of its samples open, and does not say how they are "
        "preprocessed. Write a preprocess section (size, channels, mean, std) into net.yaml beside it."
    )
    trace = written(tmp_path, "Trace")
    assert message(trace) == (
        f"{trace} takes samples of shape (2, 20) and does not say how they are preprocessed. Write a "
        "preprocess section (kind: signal or kind: audio, rate, channels, mean, std) into trace.yaml "
        "beside it."
    )
    volume = flat(tmp_path / "volume.onnx", 2, 4, 4, 4)
    assert message(volume) == (
        f"{volume} takes samples of shape (2, 4, 4, 4) and does not say how they are preprocessed. Write a "
        "preprocess section (kind: volume, size, channels, mean, std) into volume.yaml beside it."
    )
    trace.with_suffix(".yaml").write_text("preproces: {}\n")
    assert message(trace) == "Unknown key 'preproces' in trace.yaml. Did you mean 'preprocess'."
    trace.with_suffix(".yaml").write_text("preprocess: [\n")
    assert message(trace).startswith("trace.yaml cannot be read as YAML (")
    trace.with_suffix(".yaml").write_text("- preprocess\n")
    assert message(trace) == (
        "Unknown key '?' in trace.yaml. Did you mean 'foveal' or 'labels' or 'preprocess'."
    )


def test_an_archive_of_an_onnx_file(tmp_path, x):
    archive = packed(tmp_path)
    with zipfile.ZipFile(archive) as content:
        manifest = json.loads(content.read("MAR-INF/MANIFEST.json"))["model"]
        assert manifest["serializedFile"] == "residual.onnx"
        assert "modelFile" not in manifest
        own = content.read("residual.onnx")
        content.extract(CARRIED, tmp_path)
    assert own == (tmp_path / "residual.onnx").read_bytes()
    carried = Carried.read(tmp_path / CARRIED)
    assert carried.model_sha256 == hashlib.sha256(own).hexdigest()
    assert carried.pinned == {"layer": "trunk_trunk_3_Relu_1", "nodes": "nodes_nodes_2_Gemm"}
    model = load_model(str(archive))
    assert model.module.pinned == carried.pinned
    assert model.sha256 == archive_sha256(archive)
    assert model.transform.mean == (0.5,)
    bare = load_model(str(tmp_path / "residual.onnx"))
    assert torch.equal(foveal.explain(model.module, x).maps, foveal.explain(bare.module, x).maps)


def test_packing_an_onnx_file_twice_gives_the_same_bytes(tmp_path):
    assert packed(tmp_path / "one").read_bytes() == packed(tmp_path / "two").read_bytes()


def test_tensors_outside_of_the_file_are_packed_into_it(tmp_path, x):
    from foveal.archives.pack import pack  # noqa: PLC0415 - packed() packs another file

    outside = externally(written(tmp_path))
    archive = pack("onnx", None, outside, tmp_path / "net.mar", labels=("a", "b", "c", "d", "e"))
    net, own = load_model(str(archive)).module, load_model(str(tmp_path / "residual.onnx")).module
    with torch.no_grad():
        assert torch.equal(net(x), own(x))


def test_what_cannot_be_packed(tmp_path):
    from foveal.archives.pack import pack  # noqa: PLC0415

    def refused(kind, model_file, weights):
        with pytest.raises(UsageError) as caught:
            pack(kind, model_file, weights, tmp_path / "out.mar")
        return str(caught.value)

    path = written(tmp_path)
    (tmp_path / "net.py").write_text("")
    alone = "Kind 'onnx' is made of an .onnx file alone. Give it as --weights MODEL.onnx."
    assert refused("onnx", tmp_path / "net.py", path) == alone
    assert refused("onnx", None, None) == alone
    assert refused("onnx", None, tmp_path / "net.py") == alone
    assert refused("vision", None, path) == (
        "Kind 'vision' needs a model file. Give --model-file, which defines the network."
    )
    assert refused("onnx", None, tmp_path / "none.onnx") == (
        f"No weights at {tmp_path}/none.onnx. Check the path."
    )


def test_an_archive_of_torchscript(tmp_path, net, x):
    from foveal.archives.mar import MANIFEST, write_archive  # noqa: PLC0415

    model = {
        "modelName": "net",
        "serializedFile": "net.pt",
        "handler": "image_classifier",
        "configFile": "c.yaml",
    }
    files = {
        MANIFEST: json.dumps({"runtime": "python", "model": model}).encode(),
        "net.pt": script(tmp_path, net, x),
        "c.yaml": b"preprocess: {size: [16, 16], channels: 3}\n",
    }
    with (tmp_path / "net.mar").open("wb") as target:
        write_archive(files, target)
    found = load_model(str(tmp_path / "net.mar")).module
    assert torch.equal(foveal.explain(found, x).maps, foveal.explain(net, x).maps)


@pytest.mark.parametrize(
    ("name", "preprocess", "axes"),
    [
        ("Trace", "{kind: signal, size: [20], channels: 2, rate: 100}", 1),
        ("Volume", "{kind: volume, size: [6, 8, 4], channels: 1}", 3),
    ],
)
def test_traces_and_volumes_say_what_they_are_beside(tmp_path, name, preprocess, axes):
    path = written(tmp_path, name)
    path.with_suffix(".yaml").write_text(f"preprocess: {preprocess}\n")
    model = load_model(str(path))
    assert len(model.kind.axes) == axes
    with model.observer(model.example()) as observer:
        forward = observer.forward(model.example())
        assert forward.activations.ndim == 2 + axes
