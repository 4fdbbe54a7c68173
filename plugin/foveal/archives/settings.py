"""What an archive's settings say about its network and its input.

Standard library, torch, numpy and Pillow only: the serving worker imports this.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from foveal.samples.transform import ImageTransform


def blank_input(transform: ImageTransform) -> Tensor | None:
    """Give a tensor (1, C, h, w) of zeros as the preprocessing would make it, where it fixes the size."""
    if transform.size is None:
        return None
    named = max(len(transform.mean), len(transform.std))
    channels = transform.channels or (named if named > 1 else 3)
    return torch.zeros(1, channels, *transform.size)


def model_class_of(settings: Mapping[str, Any]) -> str | None:
    """Read which class of the model file is the network (``model: {class: NAME}``), where that is written."""
    section = settings.get("model")
    return str(section["class"]) if isinstance(section, Mapping) and "class" in section else None
