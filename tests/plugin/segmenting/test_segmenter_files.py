"""Segmentation networks in files of their own: what is said beside them makes them what their archive is."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
import torch
from onnx import helper
from onnx_nets import export
from segmentation_archives import LABELS, network, packed
from torch import nn

import foveal
from foveal.archives import load_model
from foveal.archives.mar import MANIFEST, write_archive
from foveal.archives.pack import pack
from foveal.archives.wrapping import wrap
from foveal.capture import choose_layer
from foveal.errors import UsageError
from foveal.facades.cut_files import present
from foveal.observer import Seen
from foveal.onnx_graphs import audited
from foveal.onnx_graphs.reading import load
from foveal.onnx_graphs.saving import save
from foveal.onnx_graphs.spreading import spreading
from foveal.segmenting.fields import fields_of
from foveal.segmenting.network import Segmenter

pytestmark = pytest.mark.filterwarnings("ignore")

SIDE = 32
BESIDE = """\
preprocess: {size: [32, 32], channels: 1, mean: [0.5], std: [0.25]}
labels: [nothing, lesion, ruler]
model: {segmentation: {background: 0}}
"""


@pytest.fixture(scope="module")
def net():
    return network()


@pytest.fixture
def x():
    return torch.rand(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(3))


def onnx_file(net, path):
    save(export(net, sample=(1, SIDE, SIDE)), path)


def script(net, path):
    torch.jit.save(torch.jit.trace(net, torch.rand(1, 1, SIDE, SIDE)), path)


def program(net, path):
    batch = ({0: torch.export.Dim("batch")},)
    torch.export.save(torch.export.export(net, (torch.rand(2, 1, SIDE, SIDE),), dynamic_shapes=batch), path)


#: How a file is written, and what its last features are called.
FILES = {
    "net.onnx": (onnx_file, "dec_dec_1_Relu"),
    "net.pt": (script, "script.activations"),
    "net.pt2": (program, "dec"),
}


@pytest.fixture(params=FILES)
def file(request, tmp_path, net):
    FILES[request.param][0](net, tmp_path / request.param)
    (tmp_path / "net.yaml").write_text(BESIDE)
    return tmp_path / request.param


def test_a_file_is_explained_as_the_network_is(file, net, x):
    model = load_model(str(file), environ={})
    assert isinstance(model.module, Segmenter)
    assert model.labels == LABELS
    layer = FILES[file.name][1]
    assert choose_layer(model.module, x) == layer
    ours = foveal.explain(model.module, x, targets=["class:1", "class:2", f"{layer}:3"])
    theirs = foveal.explain(Segmenter(net), x, targets=["class:1", "class:2", "dec:3"])
    torch.testing.assert_close(ours.output, theirs.output, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.maps, theirs.maps, rtol=1e-4, atol=1e-6)
    assert theirs.maps.abs().amax() > 1e-2
    with torch.no_grad():
        torch.testing.assert_close(model.module.output(x), net(x), rtol=1e-5, atol=1e-5)


def noted(module, model, x):
    """Give the windows that are noted of a sample, by feature without its layer."""
    values = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 1), dtype=np.uint8)
    seen = Seen("a", 0, values, "production", "2026-01-01T00:00:00Z", "a")
    with foveal.observer.Observer(module, model.transform, model.config, "6" * 64, x, "a") as observer:
        _, (found,) = observer.observe([seen], model.transform(values)[None])
    return [(one.feature.rpartition(":")[2], one.window) for one in found.entries]


def test_windows_are_the_receptive_fields(file, net, x):
    model = load_model(str(file), environ={"FOVEAL_RULE": "nonzero"})
    theirs = noted(Segmenter(net), model, x[:1])
    assert noted(model.module, model, x[:1]) == theirs
    assert len(theirs) > 6


def test_an_archive_of_somebody_else_may_say_it_too(tmp_path, net, x):
    onnx_file(net, tmp_path / "net.onnx")
    model = {"modelName": "net", "handler": "own.py", "serializedFile": "net.onnx"}
    said = {"configFile": "model-config.yaml"}
    files = {
        MANIFEST: json.dumps({"runtime": "python", "model": {**model, **said}}).encode(),
        "own.py": b"",
        "net.onnx": tmp_path / "net.onnx",
        "model-config.yaml": BESIDE.replace("labels: [nothing, lesion, ruler]\n", "").encode(),
    }
    with (tmp_path / "net.mar").open("wb") as target:
        write_archive(files, target)
    assert zipfile.is_zipfile(tmp_path / "net.mar")
    module = load_model(str(tmp_path / "net.mar")).module
    assert isinstance(module, Segmenter)
    assert choose_layer(module, x) == "dec_dec_1_Relu"
    wrap(tmp_path / "net.mar", tmp_path / "wrapped.mar")
    assert isinstance(load_model(str(tmp_path / "wrapped.mar")).module, Segmenter)


@pytest.fixture
def closed(tmp_path, net):
    """Write a file of whose logits no gradient comes back."""
    model = export(net, sample=(1, SIDE, SIDE))
    model.graph.node[-1].output[0] = "before"
    last = helper.make_node("Shrink", ["before"], ["scores"], name="shrink", lambd=0.0, bias=0.0)
    model.graph.node.append(last)
    save(model, tmp_path / "net.onnx")
    (tmp_path / "net.yaml").write_text(BESIDE)
    return tmp_path / "net.onnx"


@pytest.mark.parametrize("packed", [False, True])
def test_what_cannot_be_opened_is_said_in_a_line(closed, packed):
    with pytest.raises(UsageError) as caught:
        pack("onnx", None, closed, closed.with_suffix(".mar")) if packed else load_model(str(closed))
    assert str(caught.value) == (
        f"{closed.name if packed else closed} cannot be explained as a segmentation network: no gradient "
        "leads from its scores to features with positions. Pack the network with its code (foveal pack "
        "--kind segmentation)."
    )


def test_what_has_no_way_back_is_given_no_maps_of_its_own(closed):
    with pytest.raises(UsageError) as caught:
        audited(load(closed))
    assert str(caught.value) == (
        "No gradient leads from the logits to features: node 'shrink' (Shrink) has no rule. Name a layer "
        "behind it with --layer, or pack the network with its code."
    )


def test_several_parts_are_not_told_apart_in_a_file(tmp_path, net):
    onnx_file(net, tmp_path / "net.onnx")
    config = {"model": {"segmentation": {"output": "out"}}}
    with pytest.raises(UsageError) as caught:
        pack("onnx", None, tmp_path / "net.onnx", tmp_path / "net.mar", config=config)
    assert str(caught.value) == (
        "net.onnx is looked at by its first output, and the settings name 'out'. Leave 'output' out, and "
        "export the network with its logits first."
    )
    assert not (tmp_path / "net.mar").exists()


def test_a_wrapped_network_with_code_is_not_said_to_segment(tmp_path):
    packed(tmp_path)
    model = {"modelName": "net", "handler": "own.py", "serializedFile": "spots.mar.pt"}
    files = {
        MANIFEST: json.dumps({"runtime": "python", "model": model}).encode(),
        "own.py": b"",
        "spots.mar.pt": tmp_path / "spots.mar.pt",
    }
    with (tmp_path / "net.mar").open("wb") as target:
        write_archive(files, target)
    with pytest.raises(UsageError) as caught:
        wrap(tmp_path / "net.mar", tmp_path / "wrapped.mar", {"model": {"segmentation": {}}})
    assert str(caught.value) == (
        f"{tmp_path}/net.mar is no archive of an ONNX file alone, and the configuration says 'segmentation'. "
        "Leave it out, or build the archive with foveal pack --kind segmentation."
    )


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (
            "{segmentation: {backgroud: 0}}",
            "Unknown key 'backgroud' in the segmentation section. Did you mean 'background'.",
        ),
        (
            "{segment: {background: 0}}",
            "Unknown key 'segment' in the model section of net.yaml. Did you mean 'segmentation'.",
        ),
        ("unet", "Unknown key '?' in the model section of net.yaml. Did you mean 'segmentation'."),
    ],
)
def test_what_is_said_wrongly_is_named(tmp_path, net, said, message):
    onnx_file(net, tmp_path / "net.onnx")
    (tmp_path / "net.yaml").write_text(BESIDE.replace("{segmentation: {background: 0}}", said))
    with pytest.raises(UsageError) as caught:
        load_model(str(tmp_path / "net.onnx"))
    assert str(caught.value) == message


def test_a_classifier_is_no_segmentation_network(tmp_path, x):
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    onnx_file(net.eval(), tmp_path / "net.onnx")
    (tmp_path / "net.yaml").write_text(BESIDE)
    module = load_model(str(tmp_path / "net.onnx")).module
    with pytest.raises(UsageError, match=r"The network's output is \(2, 4\), without positions"):
        module(x)


class Bounded(nn.Module):
    """Two branches, bounds, and the larger of both: what hides who reads whom in onnxruntime."""

    def __init__(self):
        super().__init__()
        self.fine = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU6(), nn.MaxPool2d(3, 2, 1))
        self.coarse = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(1, 3, 5, padding=2), nn.Hardtanh())
        self.out = nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.out(torch.maximum(self.fine(x), self.coarse(x)).relu())


def test_what_a_file_reads_is_what_the_network_reads():
    torch.manual_seed(0)
    net, x = Bounded().eval(), torch.zeros(1, 1, 32, 32)
    model = export(net, sample=(1, 32, 32))
    before = model.SerializeToString(deterministic=True)
    module = present(model)
    ours, theirs = fields_of(module, x, choose_layer(Segmenter(module), x)), fields_of(net, x, "out")
    assert theirs.box((8, 8)) == (12, 12, 22, 22)  # 5 steps of two about 16 and 17
    for own, other in zip((*ours.starts, *ours.stops), (*theirs.starts, *theirs.stops), strict=True):
        assert own.tolist() == other.tolist()
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize(
    "pool",
    [nn.MaxPool2d(3, 1, dilation=2), nn.MaxPool2d(3, 1, 1, return_indices=True)],
    ids=["far", "where"],
)
def test_what_no_mean_can_stand_for_has_no_fields(pool):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.pool, self.out = nn.Conv2d(1, 2, 3, padding=1), pool, nn.Conv2d(2, 2, 1)

        def forward(self, x):
            found = self.pool(self.conv(x))
            return self.out(found[0] + found[1] if isinstance(found, tuple) else found)

    model = export(Net().eval(), sample=(1, 16, 16))
    assert spreading(model) is None
    module = present(model)
    assert fields_of(module, torch.zeros(1, 1, 16, 16), module.engine.parts[0].name) is None
