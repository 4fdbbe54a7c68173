"""Samples with their truth, as the model takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveal.archives.model import AuditedModel
from foveal.errors import UsageError
from foveal.samples import SampleFile, decode_image, list_samples, read_file
from foveal_audit.comparing.truth import TruthOf

#: Written for a target, it means the class that DATA gives each sample.
LABEL = "label"


@dataclass(frozen=True, eq=False)
class Case:
    """One sample with what is known about it.

    Attributes
    ----------
    name
        As the data set gives it.
    x
        The sample (C, *S) as the model takes it.
    mask
        bool, in the original sample's shape: what the model used.
    label
        Index of its class, where that is explained.
    """

    name: str
    x: Tensor
    mask: NDArray[np.bool_]
    label: int | None = None


@dataclass(frozen=True)
class Cases:
    """What a data set and a truth have in common.

    Attributes
    ----------
    cases
        Samples with a truth that marks a part of them.
    unknown
        Names of the samples that the truth does not know.
    trivial
        Names of those where it marks nothing, or everything: no map can be right or wrong there.
    """

    cases: tuple[Case, ...]
    unknown: tuple[str, ...] = ()
    trivial: tuple[str, ...] = ()


def load_cases(
    model: AuditedModel,
    data: Path,
    truth: TruthOf,
    *,
    limit: int | None = None,
    labelled: bool = False,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Cases:
    """Read the samples of a data set that a truth knows.

    Parameters
    ----------
    model
        Says how samples are preprocessed, and the names of the classes.
    data
        A folder or CSV manifest.
    truth
        Gives the masks.
    limit
        Read so many samples at most, evenly spread over the data set.
    labelled
        Whether each sample's own class will be explained.
    progress
        Told what is being done, how many samples are done and how many there are.

    Raises
    ------
    UsageError
        If a sample, mask or label is wrong, or nothing is left to compare.
    """
    files = _spread(list_samples(data), limit)
    cases, unknown, trivial = [], [], []
    for number, file in enumerate(files, start=1):
        pixels = decode_image(read_file(file.path), file.name)
        mask = truth(file.name, pixels.shape[:2])
        if mask is None:
            unknown.append(file.name)
        elif mask.all() or not mask.any():
            trivial.append(file.name)
        else:
            label = _label(model, file) if labelled else None
            cases.append(Case(file.name, model.transform(pixels, file.name), mask, label))
        progress("Reading", number, len(files))
    if not cases:
        raise UsageError(
            f"No sample of '{data}' has a truth that marks a part of it",
            f"The truth does not know {len(unknown)} of {len(files)} samples; name masks like samples",
        )
    return Cases(tuple(cases), tuple(unknown), tuple(trivial))


def batches(cases: Sequence[Case], size: int) -> Iterator[list[Case]]:
    """Group neighbours that fit into one forward pass, `size` at most."""
    for _, group in groupby(cases, key=lambda case: case.x.shape):
        members = list(group)
        for start in range(0, len(members), size):
            yield members[start : start + size]


def stacked(cases: Sequence[Case]) -> Tensor:
    """Put samples of one shape into a batch (B, C, *S)."""
    return torch.stack([case.x for case in cases])


def _spread(files: Sequence[SampleFile], limit: int | None) -> list[SampleFile]:
    if limit is None or limit >= len(files):
        return list(files)
    return [files[number * len(files) // limit] for number in range(limit)]


def _label(model: AuditedModel, file: SampleFile) -> int:
    if file.label is None:
        raise UsageError(f"Sample {file.name!r} has no label", "Explain another target than 'label'")
    if file.label in model.labels:
        return model.labels.index(file.label)
    if file.label.isascii() and file.label.isdigit():
        return int(file.label)
    known = ", ".join(model.labels) or "not stated, so labels must be numbers"
    raise UsageError(
        f"Sample {file.name!r} is labelled {file.label!r}, which is no class of the model",
        f"The model's classes are {known}",
    )
