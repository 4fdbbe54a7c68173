"""Archives of a small U-net, whose weights are the same every time."""

from __future__ import annotations

from pathlib import Path

import torch

from foveal.archives.pack import pack
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
