"""Serve an ONNX network: onnxruntime predicts, and gives the gradients of what is noted."""

from __future__ import annotations

from pathlib import Path

from torch import nn
from ts.context import Context

from foveal.facades.carried_files import open_carried
from foveal_handlers.handler import SampleHandler
from foveal_handlers.segmentation import SegmentationHandler


class SessionHandler(SampleHandler):
    """Handler of archives that ``foveal pack --kind onnx`` builds of classifiers."""

    def initialize(self, context: Context) -> None:
        """Load the network and its settings; TorchServe's own session, of all cores, is not opened."""
        model = context.manifest["model"]
        model.setdefault("modelFile", model["serializedFile"])
        super().initialize(context)

    def _load_pickled_model(self, model_dir: str, model_file: str, model_pt_path: str | None) -> nn.Module:  # noqa: ARG002
        """Open the ONNX file in the place of a pickled network."""
        return open_carried(Path(model_dir) / model_file)


class SegmentingSessionHandler(SegmentationHandler, SessionHandler):
    """Handler of archives that ``foveal pack --kind onnx`` builds of segmentation networks."""
