"""Run an audited file: onnxruntime is all that is needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from foveal.errors import UsageError, shown
from foveal.onnx_graphs.describing import (
    CLASS_IDS,
    MAPS,
    NODE_ACTIVATIONS,
    NODE_IDS,
    NODE_MAPS,
    SCORES,
    Description,
)
from foveal.onnx_graphs.faults import FAULTS


@dataclass(frozen=True)
class Explained:
    """What an audited file gives for a batch of B samples.

    Attributes
    ----------
    output
        Scores (B, n) or logits (B, n, *S), as the original gives them.
    class_ids, maps
        The likeliest classes (B, K), and their maps (B, K, *grid).
    node_ids, node_activations, node_maps
        The nodes that speak loudest for the likeliest class (B, N), their values and maps; None where none
        were asked for.
    scores
        Of a segmentation network how much of every class was found (B, n), by which they are ranked; None of
        a classifier.
    """

    output: NDArray[Any]
    class_ids: NDArray[np.int64]
    maps: NDArray[Any]
    node_ids: NDArray[np.int64] | None = None
    node_activations: NDArray[Any] | None = None
    node_maps: NDArray[Any] | None = None
    scores: NDArray[Any] | None = None


class AuditedSession:
    """An audited file, opened.

    Parameters
    ----------
    model
        Its path, or its content.
    threads
        How many threads one call may use.

    Raises
    ------
    UsageError
        If it is no audited file.
    """

    def __init__(self, model: Path | bytes, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 3
        name = "the content" if isinstance(model, bytes) else shown(model)
        source = model if isinstance(model, bytes) else str(model)
        try:
            self.session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        except FAULTS as error:
            fault = f"onnxruntime does not open {name!r}"
            raise UsageError(fault, "Give a file that `foveal onnx-audit` has written") from error
        self.description = Description.of(self.session.get_modelmeta().custom_metadata_map, name)
        self._outputs = {"output": self.description.output, "class_ids": CLASS_IDS, "maps": MAPS}
        if self.description.nodes:
            self._outputs |= {"node_ids": NODE_IDS, "node_activations": NODE_ACTIVATIONS}
            self._outputs |= {"node_maps": NODE_MAPS}
        if self.description.segments:
            self._outputs |= {"scores": SCORES}

    def run(self, x: NDArray[Any]) -> Explained:
        """Predict and explain samples (B, C, *S) in one call."""
        found = self.session.run(list(self._outputs.values()), {self.description.input: x})
        return Explained(**dict(zip(self._outputs, found, strict=True)))
