"""Torch's shape errors, told in terms of the sample that caused them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from foveal.errors import UsageError

#: Words by which torch's own errors about a tensor's shape are known.
_SHAPE_WORDS = ("shape", "size", "channels", "dimension")


@contextmanager
def naming_samples(names: Sequence[str], x: Tensor) -> Iterator[None]:
    """Turn a shape error of the forward into a UsageError that names the sample, its size and the mend.

    Parameters
    ----------
    names
        The samples of the batch.
    x
        The batch (B, C, *S) that the model is given.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        if not any(word in reason for word in _SHAPE_WORDS):
            raise
        raise _misfit(names[0] if names else "", x, reason) from error


def _misfit(name: str, x: Tensor, reason: str) -> UsageError:
    if "channels" in reason:
        return UsageError(
            f"Sample {name!r} with {x.shape[1]} channels does not fit the model: {reason}",
            "Pass the model's --channels to `foveal pack`",
        )
    size = "x".join(str(side) for side in x.shape[2:])
    return UsageError(
        f"Sample {name!r} of size {size} does not fit the model: {reason}",
        "Pass the size that the model takes as --size H,W to `foveal pack`",
    )


def check_finite(x: Tensor, activations: Tensor, maps: Tensor, layer: str) -> None:
    """Raise a UsageError where an input, an activation or a map is NaN or infinite; names the culprit.

    Parameters
    ----------
    x
        The model's input.
    activations
        What the map was made of.
    maps
        The maps.
    layer
        Where they were taken.
    """
    if not _finite(x):
        raise UsageError("The input holds NaN or infinite numbers", "Mend the sample or its preprocessing")
    if _finite(maps):
        return
    if not _finite(activations):
        raise UsageError(
            f"The activations of layer {layer!r} hold NaN or infinite numbers",
            "Check the model's weights, or predict in float32",
        )
    raise UsageError(
        f"The gradients at layer {layer!r} are NaN or infinite", "Choose another layer or method"
    )


def _finite(values: Tensor) -> bool:
    """Whether all are finite: by the sum, which is cheap; one by one where the sum is not."""
    return bool(torch.isfinite(values.sum())) or bool(torch.isfinite(values).all())
