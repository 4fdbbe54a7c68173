"""Which of torchvision's networks ``foveal onnx-audit`` can write the maps into: a line for each.

``python tests/benchmarks/onnx_coverage.py [--only NAME ...]`` after ``make peers``

Every classifier, segmentation network and video network of at most ``--most`` million parameters is built
with random weights, exported by TorchScript's exporter (opset 17, any batch) and audited at the layer that
``auto`` chooses, with the check that the command makes: scores against the plain file's, maps against finite
differences. What cannot be exported is named, and so is what is refused, with the reason.
"""

from __future__ import annotations

import argparse
import importlib
import io
import sys
import warnings
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "networks"))

import onnx
import torch
from torch import nn

from foveal.errors import UsageError
from foveal.onnx_graphs import Request, audited
from foveal.onnx_graphs.checking import checked

#: Modules of torchvision's networks: sides of a sample, and what they are built with beside no weights.
FAMILIES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "models": ((3, 224, 224), {}),
    "models.segmentation": ((3, 96, 96), {"weights_backbone": None}),
    "models.video": ((3, 16, 224, 224), {}),
}
#: Networks that are built otherwise: with heads for training alone, or on larger samples.
SETTINGS = {name: {"aux_logits": False, "init_weights": True} for name in ("googlenet", "inception_v3")}
SIDES = {"inception_v3": (3, 299, 299)}


class Logits(nn.Module):
    """A segmentation network that gives its logits alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.network(x)["out"]
        return logits


def build(family: str, name: str) -> nn.Module:
    """Build a network, always with the same weights."""
    models = importlib.import_module(f"torchvision.{family}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = getattr(models, name)(weights=None, **FAMILIES[family][1], **SETTINGS.get(name, {})).eval()
    return Logits(network) if family.endswith("segmentation") else network


def export(network: nn.Module, sides: tuple[int, ...]) -> onnx.ModelProto:
    """Write it as ONNX, of any batch."""
    file = io.BytesIO()
    names = {"input_names": ["x"], "output_names": ["scores"]}
    axes = {"x": {0: "batch"}, "scores": {0: "batch"}}
    with warnings.catch_warnings():  # not under no_grad, where attention takes a way that is not exported
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.randn(2, *sides),),
            file,
            dynamo=False,
            opset_version=17,
            dynamic_axes=axes,
            **names,
        )
    return onnx.load_from_string(file.getvalue())


def outcome(family: str, name: str, most: float) -> str:
    """Say what becomes of a network."""
    network = build(family, name)
    size = sum(one.numel() for one in network.parameters()) / 1e6
    if size > most:
        return f"left out: {size:.0f} million parameters"
    try:
        model = export(network, SIDES.get(name, FAMILIES[family][0]))
    except Exception as error:  # noqa: BLE001 - exporters raise what they like
        return f"not exported: {str(error).splitlines()[0][:90]}"
    try:
        made, description = audited(model, Request())
        found = checked(model, made, description)
    except UsageError as error:
        return f"refused: {error}"
    scores = "identical" if found.identical else f"{found.scores:.0e}"
    maps = "not compared" if found.differences is None else f"{found.differences:.0e}"
    return f"{'x'.join(map(str, description.grid))} at {description.layer}, scores {scores}, maps {maps}"


def main() -> None:
    """Print a line for each network."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", nargs="+", default=[], help="These networks alone.")
    parser.add_argument("--most", type=float, default=100, help="Million parameters at most.")
    given = parser.parse_args()
    importlib.import_module("torchvision_shim")
    torch.set_num_threads(1)
    torchvision = importlib.import_module("torchvision")
    for family in FAMILIES:
        for name in torchvision.models.list_models(importlib.import_module(f"torchvision.{family}")):
            if not given.only or name in given.only:
                told = outcome(family, name, given.most)
                print(f"{family:20} {name:32} {told}", flush=True)  # noqa: T201 - a table is what this is for


if __name__ == "__main__":
    main()
