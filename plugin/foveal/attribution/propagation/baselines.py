"""Reference inputs: what a sample is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from foveal.attribution.propagation.options import choose
from foveal.attribution.subject import Subject
from foveal.errors import UsageError

#: Standard deviation of the blur, as a share of each side.
_BLUR = 0.1


def baseline(subject: Subject, name: str) -> Tensor:
    """Make the reference (B, C, *S) of each sample.

    Parameters
    ----------
    subject
        What is explained.
    name
        ``zero``; ``mean``, of each sample's channel; ``blur``, the sample out of focus; ``training``,
        the mean training sample.

    Raises
    ------
    UsageError
        For an unknown name, or where there are no training samples to take a mean of.
    """
    return choose("baseline", name, _BASELINES)(subject)


def _mean(subject: Subject) -> Tensor:
    x = subject.x
    return x.flatten(2).mean(-1).reshape(*x.shape[:2], *[1] * (x.ndim - 2)).expand_as(x).clone()


def _blur(subject: Subject) -> Tensor:
    """Blur along every spatial axis, the edges weighted by what lies inside."""
    x = subject.x
    for axis in range(2, x.ndim):
        places = torch.arange(x.shape[axis], dtype=x.dtype, device=x.device)
        width = max(_BLUR * x.shape[axis], 1e-3)
        weights = torch.exp(-0.5 * ((places[:, None] - places) / width) ** 2)
        weights = weights / weights.sum(1, keepdim=True)
        x = torch.matmul(x.movedim(axis, -1), weights.T).movedim(-1, axis)
    return x


def _training(subject: Subject) -> Tensor:
    if subject.training is None or not len(subject.training):
        raise UsageError(
            "Option baseline='training' is the mean training sample, and none were given",
            "Give some: training= in Python, or choose another baseline",
        )
    return subject.training.to(subject.x).mean(0).expand_as(subject.x).clone()


_BASELINES: Mapping[str, Callable[[Subject], Tensor]] = {
    "zero": lambda subject: torch.zeros_like(subject.x),
    "mean": _mean,
    "blur": _blur,
    "training": _training,
}
