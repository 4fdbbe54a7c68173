"""Packed ONNX segmentation networks of any kind of sample: the worker notes what the network itself notes."""

from __future__ import annotations

from zipfile import ZipFile

import numpy as np
import pytest
import torch
from onnx_nets import export
from torch import nn

from foveal.archives import load_model
from foveal.archives.entries import KINDS, ONNX_SEGMENTATION
from foveal.archives.pack import pack
from foveal.facades.carried_files import open_carried
from foveal.observer import Observer, Seen
from foveal.onnx_graphs.saving import save
from foveal.segmenting.network import Segmenter

pytestmark = pytest.mark.filterwarnings("ignore")


def wide():
    """Each position reads 21 of 32 rows: too many to say where."""
    early = nn.Conv2d(1, 5, 21, padding=10)
    return nn.Sequential(early, nn.ReLU(), nn.Conv2d(5, 3, 1)), (1, 32, 32)


def pooled():
    """A maximum, which leaves out what is no number in onnxruntime."""
    down = nn.Sequential(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(down, nn.ConvTranspose2d(5, 3, 2, 2)), (1, 32, 32)


def trace():
    return nn.Sequential(nn.Conv1d(2, 5, 5, padding=2), nn.ReLU(), nn.Conv1d(5, 3, 1)), (2, 64)


def volume():
    return nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 2, 1)), (1, 8, 12, 10)


#: By name what makes a network and its sample's shape, the kind of samples, and the longest window of a node.
NETS = {
    "wide": (wide, "image", None),
    "pooled": (pooled, "image", 5),
    "trace": (trace, "signal", 5),
    "volume": (volume, "volume", 3),
}


@pytest.fixture(params=NETS)
def packed(request, tmp_path):
    """Pack a network's file; give the network, the archive, its unpacked folder and the longest window."""
    make, kind, longest = NETS[request.param]
    with torch.random.fork_rng():
        torch.manual_seed(4)
        net, sample = make()
    save(export(net.eval(), sample=sample), tmp_path / "net.onnx")
    preprocess = {"kind": kind, **({"rate": 100} if kind == "signal" else {})}
    config = {"preprocess": preprocess, "foveal": {"rule": "nonzero"}}
    pack("onnx", None, tmp_path / "net.onnx", tmp_path / "net.mar", config=config)
    with ZipFile(tmp_path / "net.mar") as content:
        content.extractall(tmp_path / "net")
    return net, tmp_path / "net.mar", tmp_path / "net", longest


def noted(module, model, values):
    x = model.transform(values)[None]
    seen = Seen("a", 0, values, "production", "2026-01-01T00:00:00Z", "a")
    with Observer(module, model.transform, model.config, "6" * 64, x, "a") as observer:
        _, (found,) = observer.observe([seen], x)
    return sorted((one.feature.rpartition(":")[2], one.window) for one in found.entries)


def test_the_worker_notes_what_the_network_notes(packed):
    net, archive, folder, longest = packed
    model = load_model(str(archive))
    blank = model.example()
    values = np.random.default_rng(2).normal(size=(*blank.shape[2:], blank.shape[1])).astype(np.float32)
    worker = Segmenter(open_carried(folder / "net.onnx"))
    theirs = noted(Segmenter(net), model, values)
    assert noted(worker, model, values) == noted(model.module, model, values) == theirs
    nodes = [window for feature, window in theirs if feature != "contribution"]
    axes = len(blank.shape) - 2
    sides = {stop - start for one in nodes for start, stop in zip(one[:axes], one[axes:], strict=True)}
    assert (max(sides) == longest) if longest else sides


def test_the_archive_names_the_handler_of_segmentation_networks(packed):
    _, _, folder, _ = packed
    assert (folder / ONNX_SEGMENTATION[1]).is_file()
    assert not (folder / KINDS["onnx"][1]).exists()


def test_another_background_may_be_said(tmp_path):
    net, sample = pooled()
    save(export(net.eval(), sample=sample), tmp_path / "net.onnx")
    config = {"model": {"segmentation": {"background": None}}}
    for kind in ("onnx", "segmentation"):
        pack(kind, None, tmp_path / "net.onnx", tmp_path / f"{kind}.mar", name="net", config=config)
        assert load_model(str(tmp_path / f"{kind}.mar")).module.background is None
    assert (tmp_path / "onnx.mar").read_bytes() == (tmp_path / "segmentation.mar").read_bytes()
