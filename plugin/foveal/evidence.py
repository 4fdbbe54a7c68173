"""The maps behind a forward: what speaks for each prediction, and where each chosen feature comes from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveal.attribution import get_evidence_method
from foveal.attribution.registry import Combine
from foveal.capture import Contribution, Forward, NodeTarget, Target
from foveal.features import FeatureName

Floats = NDArray[np.float32]

#: Method of the contribution: at the chosen layer it places a mark more exactly than Grad-CAM does.
CONTRIBUTION_METHOD = "hirescam"


@dataclass(frozen=True, eq=False)
class FeatureMap:
    """The map of one feature in one sample.

    Attributes
    ----------
    column
        Number of the feature among the watched ones.
    layer
        The layer on whose grid the map lies.
    map
        Raw signed map (*S).
    """

    column: int
    layer: str
    map: Floats


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one forward and at most one backward tell about a batch.

    Attributes
    ----------
    contribution
        Maps of the class contribution (B, *S).
    product
        The same before the channels are summed (B, C, *S).
    features
        Per sample the maps of its chosen features, strongest first.
    """

    contribution: Floats
    product: Floats
    features: list[list[FeatureMap]]


def gather(
    forward: Forward,
    features: Sequence[FeatureName],
    chosen: Sequence[Sequence[int]],
    *,
    layer: str,
    method: str,
    own_layers: Collection[str] = (),
) -> Evidence:
    """Make the maps of a batch.

    Parameters
    ----------
    forward
        The forward of the batch.
    features
        The watched features.
    chosen
        Per sample the numbers of the features to explain.
    layer
        Where the forward was tapped.
    method
        Name of the attribution method for features.
    own_layers
        Convolutional node layers whose channels are mapped on their own grid. There the gradient of a
        channel's mean is a constant, so that every layer method is known without a backward.
    """
    combine = get_evidence_method(method).combine
    distant = [[column for column in one if features[column].layer not in own_layers] for one in chosen]
    targets, slots = _targets(features, distant)
    gradients = forward.gradients([Contribution(), *targets])
    with torch.inference_mode(False), torch.no_grad():
        activations = forward.activations.float()
        product = activations * gradients[:, 0]
        contribution = product.sum(1)  # as CONTRIBUTION_METHOD combines them
        maps = [_numpy(combine(activations, one)) for one in gradients[:, 1:].unbind(1)]
        found = {key: FeatureMap(key[1], layer, maps[slot][key[0]]) for key, slot in slots.items()}
        for name in own_layers:
            found |= _own_maps(forward.grids[name], name, _pairs(features, chosen, name), combine)
    ordered = [[found[row, column] for column in one] for row, one in enumerate(chosen)]
    return Evidence(_numpy(contribution), _numpy(product), ordered)


def _targets(
    features: Sequence[FeatureName], chosen: Sequence[Sequence[int]]
) -> tuple[list[Target], dict[tuple[int, int], int]]:
    """Pack the chosen features of every sample into as few targets as there can be.

    A target holds one layer, and one node of it for each sample; samples with fewer features get -1.

    Returns
    -------
    list of Target
        To be explained together.
    dict
        Which target holds a (sample, feature).
    """
    targets: list[Target] = []
    slots: dict[tuple[int, int], int] = {}
    if not any(chosen):  # as where all nodes are channels; there may be thousands of features to look through
        return targets, slots
    for layer in dict.fromkeys(feature.layer for feature in features):
        own = [[column for column in columns if features[column].layer == layer] for columns in chosen]
        index = np.full((max((len(columns) for columns in own), default=0), len(chosen)), -1)
        for row, columns in enumerate(own):
            for rank, column in enumerate(columns):
                index[rank, row] = features[column].index
                slots[row, column] = len(targets) + rank
        targets += [NodeTarget(layer, torch.from_numpy(nodes)) for nodes in index]
    return targets, slots


def _pairs(
    features: Sequence[FeatureName], chosen: Sequence[Sequence[int]], layer: str
) -> list[tuple[int, int, int]]:
    """List sample, feature and channel of every chosen feature of a layer."""
    return [
        (row, column, features[column].index or 0)
        for row, columns in enumerate(chosen)
        for column in columns
        if features[column].layer == layer
    ]


def _own_maps(
    grids: Tensor, layer: str, pairs: list[tuple[int, int, int]], combine: Combine
) -> dict[tuple[int, int], FeatureMap]:
    """Map channels on their own grid (B, N, *S): the gradient of a channel's mean is 1 / positions."""
    rows = [row for row, _, _ in pairs]
    channels = grids[rows, [channel for _, _, channel in pairs]].float()[:, None]
    maps = _numpy(combine(channels, torch.full_like(channels, 1 / prod(channels.shape[2:]))))
    return {
        (row, column): FeatureMap(column, layer, map_)
        for (row, column, _), map_ in zip(pairs, maps, strict=True)
    }


def _numpy(values: Tensor) -> Floats:
    array: Floats = values.detach().float().cpu().numpy()
    return array
