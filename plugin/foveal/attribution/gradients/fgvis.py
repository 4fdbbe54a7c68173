"""FGVis: the finest mask, value by value, that takes the unit's evidence away or keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from foveal.attribution.functions import Call, replace_backward
from foveal.attribution.gradients.calls import CallMemory
from foveal.attribution.gradients.channels import reduce_channels
from foveal.attribution.gradients.passes import Rows, by_units, differentiate
from foveal.attribution.gradients.rectifiers import rectifying
from foveal.attribution.options import at_least, one_of, within
from foveal.attribution.registry import input_method
from foveal.attribution.subject import Subject
from foveal.faithfulness.baselines import make_baseline


@input_method(
    "fgvis",
    formula="M = 1 - m with m in [0, 1] of least S(m x) - sparsity sum(m)",
    source="Wagner et al., CVPR 2019, arXiv:1908.02686",
    cost="optimisation",
    sanity="passes",
    needs=("ReLU as the only nonlinearity, unless defence=false",),
)
def attribute(
    subject: Subject,
    *,
    game: str = "deletion",
    iterations: int = 100,
    rate: float = 0.1,
    sparsity: float = 0.1,
    until: float = 0.5,
    noise: float = 0.0,
    baseline: str = "zero",
    defence: bool = True,
    channels: str = "max",
) -> Tensor:
    """Search a mask over every value of the sample that deletes the unit's evidence, or preserves it.

    Against masks that only fool the network, no gradient passes a ReLU that answers more to the masked sample
    than to the whole one: evidence may be taken away, not made.

    Parameters
    ----------
    subject
        What is explained.
    game
        ``deletion``: the least that must go so that the class's probability, or the node's value, falls.
        ``preservation``: the least that must stay so that the score stays.
    iterations
        Steps at most.
    rate
        Largest step of a mask's value, 0 to 1.
    sparsity
        Price of a deleted value, or of a kept one, as a part of the largest gradient.
    until
        A deletion ends where the score has fallen to this part of what it was, 0 to 1.
    noise
        Standard deviation of the noise that the sample gets first, as a part of its own.
    baseline
        What stands where the mask deletes: ``zero`` as in the paper, ``mean`` or ``blur``.
    defence
        Whether gradients are stopped as said above; without it any model will do.
    channels
        ``max`` or ``norm`` of the channels' masks, or their ``sum``.

    Returns
    -------
    Tensor
        Maps (B, K, *S): how much was deleted, or kept, in [0, 1] for ``max``.

    Raises
    ------
    UsageError
        With the defence, if the unit depends on a nonlinearity other than ReLU.
    """
    rules = _read_rules(game, iterations, rate, sparsity, until)
    x = _with_noise(subject, noise)
    other = make_baseline(x, baseline)
    masks = by_units(subject, lambda rows: _search(rows, rows.repeat(x), rows.repeat(other), rules, defence))
    return reduce_channels(1 - masks if game == "deletion" else masks, channels)


def _read_rules(game: str, iterations: int, rate: float, sparsity: float, until: float) -> _Rules:
    """Check the numbers of a search."""
    one_of("game", game, _GAMES)
    at_least("iterations", iterations, 1)
    within("rate", rate, 0, 1)
    at_least("sparsity", sparsity, 0)
    within("until", until, 0, 1)
    return _Rules(_GAMES[game], iterations, rate, sparsity, until)


def _with_noise(subject: Subject, spread: float) -> Tensor:
    """Add noise to the batch, the same for every sample but for its size."""
    at_least("noise", spread, 0)
    random = torch.Generator().manual_seed(subject.seed)
    x = subject.x
    noise = torch.randn((1, *x.shape[1:]), generator=random).to(x)
    sigma = x.flatten(1).std(1, correction=0).reshape(-1, *[1] * (x.ndim - 1))
    return x + spread * sigma * noise


#: Game -> which way a value of positive gradient goes.
_GAMES: Mapping[str, float] = {"deletion": -1.0, "preservation": 1.0}


@dataclass(frozen=True)
class _Rules:
    """How a mask is searched; see :func:`attribute`."""

    way: float
    iterations: int
    rate: float
    sparsity: float
    until: float

    def step(self, masks: Tensor, slopes: Tensor) -> Tensor:
        """Move masks along their gradients, each row measured in its own largest."""
        largest = _columns(slopes.flatten(1).abs().amax(1), slopes)
        relative = slopes / largest.clamp(min=torch.finfo(slopes.dtype).tiny)
        return (masks + self.rate * self.way * (relative - self.sparsity)).clamp(0, 1)

    def over(self, scores: Tensor, whole: Tensor) -> Tensor:
        """Tell which rows' deletion has come to its end."""
        fallen = whole - scores >= (1 - self.until) * whole.abs()
        return fallen & (scores < whole) if self.way < 0 else torch.zeros_like(fallen)


def _search(rows: Rows, x: Tensor, other: Tensor, rules: _Rules, defence: bool) -> Tensor:
    """Search the masks (R * B, C, *S) of some units, from all of the sample."""
    slopes_of = _Slopes(rows, rules.way < 0, defence)
    masks = torch.ones_like(x)
    whole, active = torch.zeros(()), torch.ones(len(x), dtype=torch.bool, device=x.device)
    for number in range(rules.iterations):
        scores, slopes = slopes_of(masks * x + (1 - masks) * other)
        whole = scores if number == 0 else whole
        active &= ~rules.over(scores, whole)
        if not active.any():
            break
        masks = torch.where(_columns(active, x), rules.step(masks, slopes * (x - other)), masks)
    return masks


class _Slopes:
    """Scores of rows and their gradients, under the defence or without it."""

    def __init__(self, rows: Rows, likely: bool, defence: bool) -> None:
        self._scores = (rows.probability, rows.score) if likely else (rows.score,)
        self._defence = _Defence()
        self._override: AbstractContextManager[object] = (
            rectifying(rows.subject, "fgvis", self._defence.rectify) if defence else nullcontext()
        )

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Score rows (R * B, C, *S); the first call sets what the defence measures by."""
        scores, slopes = self._differentiate(self._scores[0], x)
        flat = ~slopes.flatten(1).any(1)
        # A probability so near to 1 that its gradient is lost goes the way of its logit.
        if len(self._scores) > 1 and bool(flat.any()):
            slopes = torch.where(_columns(flat, x), self._differentiate(self._scores[1], x)[1], slopes)
        return scores, slopes

    def _differentiate(self, score: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        self._defence.calls.start()
        return differentiate(score, x, self._override)


@dataclass
class _Defence:
    """ReLUs that let no gradient through where they answer more than to the sample that came first."""

    calls: CallMemory = field(default_factory=CallMemory)

    def rectify(self, call: Call, output: Tensor, open_: Tensor) -> Tensor:
        """Compute one ReLU."""
        _, most = self.calls.recall(output)
        allowed = open_ & (output <= most)
        return replace_backward(call.input, output.clone(), lambda signal: signal * allowed)


def _columns(rows: Tensor, like: Tensor) -> Tensor:
    return rows.reshape(-1, *[1] * (like.ndim - 1))
