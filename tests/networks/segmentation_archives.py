"""Archives of a small U-net, whose weights are the same every time."""

from __future__ import annotations

from pathlib import Path

import torch
from onnx_nets import export

from foveal.archives.pack import pack
from foveal.onnx_graphs.saving import save
from foveal_audit.studies import spot_network

LABELS = ("nothing", "lesion", "ruler")


def network(classes=3):
    """Give the network that the archives hold."""
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return spot_network.UNet(classes=classes).eval()


def packed(folder, name="spots.mar", *, net=None, labels=LABELS, model=None, **settings):
    """Pack a network for pictures of 32 x 32 grey pixels; give the archive's path."""
    folder.mkdir(parents=True, exist_ok=True)
    net = net or network(len(labels))
    weights = folder / f"{name}.pt"
    torch.save(net.state_dict(), weights)
    file = folder / "spots_network.py"
    classes = net.out.out_channels
    file.write_text(
        Path(spot_network.__file__).read_text(encoding="utf-8")
        + f"\n\ndef network():\n    return UNet(classes={classes})\n",
        encoding="utf-8",
    )
    config = settings.pop("config", {})
    config = {**config, "model": model} if model else config
    return pack(
        "segmentation",
        file,
        weights,
        folder / name,
        size=(32, 32),
        channels=1,
        mean=(0.5,),
        std=(0.25,),
        labels=labels,
        config=config,
        model_class="network",
        **settings,
    )


def written(folder, *, net=None, labels=LABELS):
    """Write the network as an ONNX file."""
    folder.mkdir(parents=True, exist_ok=True)
    save(export(net or network(len(labels)), sample=(1, 32, 32)), folder / "spots.onnx")
    return folder / "spots.onnx"


def packed_onnx(folder, name="spots.mar", *, kind="onnx", net=None, labels=LABELS, model=None, **settings):
    """Pack the ONNX file of a network for pictures of 32 x 32 grey pixels."""
    config = settings.pop("config", {}) | ({"model": model} if model else {})
    looks = {"size": (32, 32), "channels": 1, "mean": (0.5,), "std": (0.25,)}
    file = written(folder, net=net, labels=labels)
    return pack(kind, None, file, folder / name, labels=labels, config=config, **looks, **settings)
