"""The module that really runs: out of its wrappers, and only if hooks work on it."""

from __future__ import annotations

import torch
from torch import nn

from foveal.capture.layers import check_eval
from foveal.errors import UsageError


def open_model(model: nn.Module) -> nn.Module:
    """Take a model out of ``torch.compile`` and of data-parallel wrappers.

    Hooks on a compiled module may never be called; its original has the same weights.
    """
    while True:
        inner = getattr(model, "_orig_mod", None) or (model.module if isinstance(model, _PARALLEL) else None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def check_hookable(model: nn.Module) -> None:
    """Raise a UsageError where hooks cannot work: TorchScript, training mode, inference parameters."""
    if isinstance(model, torch.jit.ScriptModule):
        raise UsageError(
            "The model is TorchScript, its layers cannot be reached",
            "Give the eager model, or a method that only calls the model, such as occlusion or rise",
        )
    check_eval(model)
    if any(parameter.is_inference() for parameter in model.parameters()):
        raise UsageError(
            "The model's parameters were made under torch.inference_mode", "Load the model outside of it"
        )


_PARALLEL = (nn.DataParallel, nn.parallel.DistributedDataParallel)
