"""Small ONNX files, and archives of them that serve and audit."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx_nets import build, export

from foveal.archives.pack import pack
from foveal.onnx_graphs.saving import save

LABELS = ("ant", "bee", "cat", "dog", "elk")


def written(folder: Path, name: str = "Residual", **how) -> Path:
    """Write a network's file."""
    folder.mkdir(parents=True, exist_ok=True)
    save(export(build(name), **how), folder / f"{name.lower()}.onnx")
    return folder / f"{name.lower()}.onnx"


def packed(folder: Path, out: str = "net.mar", name: str = "Residual", **changes) -> Path:
    """Pack a network's file."""
    settings = {"mean": (0.5,), "std": (0.25,), "labels": LABELS, **changes}
    return pack("onnx", None, written(folder, name), folder / out, **settings)


def externally(path: Path) -> Path:
    """Write the same file with its tensors outside."""
    model = onnx.load(path)
    other = path.with_name(f"outside_{path.name}")
    onnx.save_model(model, other, save_as_external_data=True, size_threshold=0, location=f"{other.stem}.data")
    return other
