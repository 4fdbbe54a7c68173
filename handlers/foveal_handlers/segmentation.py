"""Serve a segmentation network and note what it looks at: its masks and their shares from one forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from foveal.capture import naming_samples
from foveal.errors import UsageError
from foveal.segmenting.masks import classes_of, describe_masks
from foveal.segmenting.network import Segmented, Segmenter
from foveal.segmenting.settings import segmented
from foveal_handlers.handler import Output, SampleHandler
from foveal_handlers.requests import Refusal, Row


class SegmentationHandler(SampleHandler):
    """Handler of archives that ``foveal pack --kind segmentation`` builds.

    It answers with the share and the mask of every class that was found; see
    :func:`foveal.segmenting.masks.describe_masks`.
    """

    def _load_pickled_model(self, model_dir: str, model_file: str, model_pt_path: str | None) -> nn.Module:
        """Load the network, its masks beside the scores that are explained."""
        network = super()._load_pickled_model(model_dir, model_file, model_pt_path)
        found = segmented(network, self._settings, whole=True)
        if not isinstance(found, Segmenter):
            raise UsageError(
                "The archive's settings do not say that its network segments",
                "Build it with foveal pack --kind segmentation",
            )
        return found

    def _predict(self, rows: Sequence[Row]) -> Sequence[Output | Refusal]:
        """Predict rows of one size, and describe the masks of each."""
        x = torch.stack([row.tensor for row in rows]).to(self.device)
        with naming_samples([row.request_id for row in rows], x):
            found: Segmented = self._output(rows, x)
        classes, number = classes_of(found.output), found.scores.shape[1]
        return [self._described(one, number) for one in classes]

    def _described(self, classes: Any, number: int) -> dict[str, Any]:  # noqa: ANN401
        return describe_masks(classes, number, self.mapping, self.model.background)
