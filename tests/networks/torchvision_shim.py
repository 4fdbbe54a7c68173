"""Torchvision without its compiled operators: PyPI's wheel is linked against CUDA, ours is torch for CPUs.

The classifiers need none of these operators, only the import asks for their names. Import this module first.
"""

from __future__ import annotations

import torch

_OPERATORS = (
    "nms",
    "qnms",
    "roi_align",
    "_roi_align_backward",
    "ps_roi_align",
    "_ps_roi_align_backward",
    "roi_pool",
    "_roi_pool_backward",
    "ps_roi_pool",
    "_ps_roi_pool_backward",
    "qroi_align",
    "deform_conv2d",
    "_deform_conv2d_backward",
)

#: Torch forgets a definition whose library is collected.
_LIBRARY = torch.library.Library("torchvision", "FRAGMENT")


def declare() -> None:
    """Give a schema, and nothing behind it, to each operator that the compiled part has not brought."""
    for name in _OPERATORS:
        if not hasattr(torch.ops.torchvision, name):
            _LIBRARY.define(f"{name}(Tensor x) -> Tensor")


declare()
