"""What an audited file says of itself; it travels in the file's own metadata."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from foveal.errors import UsageError

#: Under which key of the file's metadata it is kept.
KEY = "foveal"

#: What the added outputs are called, in every audited file.
CLASS_IDS, MAPS = "foveal_class_ids", "foveal_maps"
#: Of a segmentation network, one score per class.
SCORES = "foveal_scores"
NODE_IDS, NODE_ACTIVATIONS, NODE_MAPS = "foveal_node_ids", "foveal_node_activations", "foveal_node_maps"


@dataclass(frozen=True)
class Description:
    """What an audited file gives, and what it was made from.

    Attributes
    ----------
    input, output
        Names of the samples, and of what the original gives: scores (B, n), or logits (B, n, *S).
    sample_shape
        Of one sample (C, *S).
    layer
        The tensor where maps are taken.
    grid
        The maps' shape.
    order, prefix
        How the layer's axes are read as (B, C, *S), and how many tokens come before the patches.
    top
        For how many classes there are maps, the likeliest first.
    nodes, node_count
        The tensor of nodes, and for how many of them there are maps; empty and 0 where for none.
    batches
        Whether batches of any size are taken.
    method
        The attribution method.
    source_sha256
        Of the original, as serialised.
    scores
        Name of the scores (B, n) that are explained: the output itself, or of a segmentation network how much
        of every class was found.
    background
        Of a segmentation network, the class that stands for nothing found; None where there is none.
    """

    input: str
    output: str
    sample_shape: tuple[int, ...]
    layer: str
    grid: tuple[int, ...]
    order: tuple[int, ...]
    prefix: int
    top: int
    nodes: str
    node_count: int
    batches: bool
    source_sha256: str
    scores: str = ""
    background: int | None = None
    method: str = "gradcam"

    @property
    def segments(self) -> bool:
        """Whether the network gives every position a class."""
        return self.scores == SCORES

    def to_json(self) -> str:
        """Write it down."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def of(cls, metadata: dict[str, str], path: str) -> Description:
        """Read it from a file's metadata.

        Raises
        ------
        UsageError
            If the file has none.
        """
        try:
            known: dict[str, Any] = json.loads(metadata[KEY])
            found = {one.name: known[one.name] for one in fields(cls) if one.name in known}
            found |= {"scores": known.get("scores") or known["output"]}
            shapes = {key: tuple(found[key]) for key in ("sample_shape", "grid", "order")}
            return cls(**{**found, **shapes})
        except (KeyError, TypeError, ValueError) as error:
            fault = f"{path!r} is no audited ONNX file"
            raise UsageError(fault, "Make one with `foveal onnx-audit`") from error
