"""The weight-randomisation check (Adebayo et al., NeurIPS 2018, arXiv:1810.03292).

A map that stays the same when the network forgets what it learned does not show what the network learned.
The weights are drawn anew from the output downwards, in stages, on a copy; at each stage the maps of the
same units are compared with the trained network's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from math import sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from foveal.attribution.registry import Sanity
from foveal.capture import ClassTarget
from foveal.explaining import explain

Floats = NDArray[np.floating]
#: A network and the seed of whatever the method draws, to raw maps (N, *grid) of the same samples and units.
MapsOf = Callable[[nn.Module, int], Floats]

#: Shares of the layers that are drawn anew, from the output downwards; the last is the whole network.
STAGES = (0.25, 0.5, 0.75, 1.0)
#: From this share on the maps must have changed: what is higher up is only the head of a deep network.
DECISIVE = 0.5
#: A rank correlation of |map| from here on says that the map did not change: half of the order is the same.
#: Fixed before any method was measured.
RESEMBLES = 0.5
_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True)
class Similarity:
    """How alike maps of two networks are, as means over samples.

    Attributes
    ----------
    rank
        Spearman's rank correlation of the absolute maps, -1 to 1; it decides.
    signed
        The rank correlation of the maps with their signs.
    ssim
        Structural similarity of the absolute maps, each divided by its maximum; NaN where the grid is
        smaller than 3. It has no zero: sparse maps are alike because both are mostly empty.
    """

    rank: float
    signed: float
    ssim: float


@dataclass(frozen=True)
class Check:
    """What randomising the weights did to a method's maps.

    Attributes
    ----------
    stages
        Shares of the layers that were drawn anew.
    similarity
        At each stage: trained against randomised network.
    untrained
        Two networks without any learned weight against each other: what samples and architecture alone
        make alike.
    repeated
        The trained network against itself under another seed: a method that draws at random cannot be
        more alike than that.
    verdict
        ``fails`` where maps resemble the trained network's (:data:`RESEMBLES`) at a stage from
        :data:`DECISIVE` on; ``not measured`` where not even a repetition resembles the map; else ``passes``.
    """

    stages: tuple[float, ...]
    similarity: tuple[Similarity, ...]
    untrained: Similarity
    repeated: Similarity

    @property
    def verdict(self) -> Sanity:
        """Judge the figures."""
        if self.repeated.rank < RESEMBLES:
            return "not measured"
        decisive = [
            one.rank for share, one in zip(self.stages, self.similarity, strict=True) if share >= DECISIVE
        ]
        return "fails" if max(decisive) >= RESEMBLES else "passes"


def check_randomisation(
    model: nn.Module,
    example: Tensor,
    maps_of: MapsOf,
    *,
    stages: Sequence[float] = STAGES,
    draws: int = 2,
    seed: int = 0,
) -> Check:
    """Randomise a trained network from the output downwards and see what becomes of its maps.

    Parameters
    ----------
    model
        The trained network, in eval mode; copies are changed, never the network itself.
    example
        A batch (B, C, *S) that the network takes, to find the order of its layers.
    maps_of
        Gives raw maps of a network, always of the same samples and units (not of the class that the
        randomised network predicts).
    stages
        Shares of the layers to randomise, rising.
    draws
        Randomised networks per stage; their similarities are averaged.
    seed
        Source of all chance.
    """
    trained = maps_of(model, seed)
    fresh = {
        share: [maps_of(randomised(model, example, share, seed + 1 + draw), seed) for draw in range(draws)]
        for share in dict.fromkeys((*stages, 1.0))
    }
    return Check(
        stages=tuple(stages),
        similarity=tuple(_mean([compare_maps(trained, maps) for maps in fresh[share]]) for share in stages),
        untrained=compare_maps(
            fresh[1.0][0], maps_of(randomised(model, example, 1.0, seed + 1 + draws), seed)
        ),
        repeated=compare_maps(trained, maps_of(model, seed + 1)),
    )


def check_method(
    model: nn.Module,
    x: Tensor,
    method: str,
    *,
    layer: str = "auto",
    training: Tensor | None = None,
    options: Mapping[str, Any] | None = None,
    stages: Sequence[float] = STAGES,
    draws: int = 2,
    seed: int = 0,
) -> Check:
    """Check a method of the registry on samples (B, C, *S), explaining the class predicted for each.

    The classes and the layer are those of the trained network throughout.

    Raises
    ------
    UsageError
        If the method cannot explain the model.
    """
    run = partial(explain, x=x, method=method, options=options, training=training)
    first = run(model, layer=layer, seed=seed)
    units = ClassTarget(first.output.argmax(1))

    def maps_of(network: nn.Module, seed: int) -> Floats:
        return run(network, layer=first.layer, targets=[units], seed=seed).maps[:, 0].cpu().numpy()

    return check_randomisation(model, x, maps_of, stages=stages, draws=draws, seed=seed)


def randomised(model: nn.Module, example: Tensor, share: float, seed: int) -> nn.Module:
    """Copy a network and draw the weights of its upper layers anew.

    Weights of two or more axes are normal as for an untrained network of rectifiers (He et al., ICCV 2015),
    biases 0, normalisations the identity; other parameters (tokens, positions) are normal with the mean and
    spread that they had.

    Parameters
    ----------
    model
        The network; it stays as it is.
    example
        A batch that it takes.
    share
        Part of the layers with parameters, counted from the output: 1 draws the whole network anew.
    seed
        Of the weights.
    """
    copy = deepcopy(model)
    layers = layers_by_depth(copy, example)
    draw = torch.Generator().manual_seed(seed)
    modules = dict(copy.named_modules())
    with torch.no_grad():
        for name in layers[len(layers) - round(share * len(layers)) :]:
            _renew(modules[name], draw)
    return copy


def layers_by_depth(model: nn.Module, example: Tensor) -> list[str]:
    """Name the modules that hold parameters of their own in the order in which a forward enters them.

    A module whose forward is never called (its owner uses its parameters) stands where its owner does.
    """
    entered: dict[str, int] = {}

    def enter(name: str) -> None:
        entered.setdefault(name, len(entered))

    handles = [
        module.register_forward_pre_hook(lambda *_, name=name: enter(name))
        for name, module in model.named_modules()
    ]
    try:
        with torch.inference_mode(mode=False), torch.enable_grad():  # no shortcut past the modules
            model(example.detach().clone())
    finally:
        for handle in handles:
            handle.remove()
    holders = [name for name, module in model.named_modules() if [*module.parameters(recurse=False)]]
    return sorted(holders, key=lambda name: next(entered[one] for one in _owners(name) if one in entered))


def compare_maps(one: Floats, other: Floats) -> Similarity:
    """Compare maps (N, *grid) sample by sample and average."""
    pairs = list(zip(one, other, strict=True))
    return _mean(
        [
            Similarity(
                rank=_correlation(abs(a), abs(b)),
                signed=_correlation(a, b),
                ssim=_ssim(abs(a), abs(b)),
            )
            for a, b in pairs
        ]
    )


def _renew(module: nn.Module, draw: torch.Generator) -> None:
    if isinstance(module, _NORMS):
        module.reset_parameters()
        return
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.ndim >= 2:
            parameter.normal_(0, sqrt(2 * parameter.shape[0] / parameter.numel()), generator=draw)
        elif "bias" in name:
            parameter.zero_()
        else:
            parameter.normal_(float(parameter.mean()), float(parameter.std(correction=0)), generator=draw)


def _owners(name: str) -> Iterator[str]:
    """Name a module and those around it, from the inside out."""
    while name:
        yield name
        name = name.rpartition(".")[0]
    yield ""


def _correlation(one: Floats, other: Floats) -> float:
    """Correlate the ranks; a flat map resembles nothing."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def _ssim(one: Floats, other: Floats) -> float:
    side = min(one.shape)
    if side < 3:
        return float("nan")
    window = min(7, side - 1 + side % 2)
    scaled = (np.asarray(map_ / (map_.max() or 1), dtype=np.float64) for map_ in (one, other))
    return float(structural_similarity(*scaled, win_size=window, data_range=1.0))  # type: ignore[no-untyped-call]


def _mean(similarities: Sequence[Similarity]) -> Similarity:
    columns = ([getattr(one, name) for one in similarities] for name in ("rank", "signed", "ssim"))
    return Similarity(*(float(np.mean(column)) for column in columns))
