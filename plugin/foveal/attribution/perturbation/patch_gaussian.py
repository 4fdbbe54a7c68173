"""How patches of training samples vary: what a window would look like, told from what surrounds it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from foveal.attribution.perturbation.passes import box
from foveal.errors import UsageError

#: Patches that the statistics are taken from.
_PATCHES = 8192
#: Values of a patch at most: the covariance has the square of it.
_MOST_VALUES = 4096
#: Added to the covariance's diagonal, as a part of its mean: patches are strongly correlated.
_RIDGE = 1e-3
#: Added where training patches do not vary at all.
_LEAST = 1e-12


@dataclass(frozen=True, eq=False)
class PatchGaussian:
    """A Gaussian over patches (C, *L) of training samples.

    Attributes
    ----------
    sides
        The patch's sides.
    mean, covariance
        Of the flattened patches, in double precision.
    low, high
        The training samples' range, channel by channel: what is drawn stays within.
    """

    sides: tuple[int, ...]
    mean: Tensor
    covariance: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def fit(cls, training: Tensor, sides: tuple[int, ...], random: torch.Generator) -> PatchGaussian:
        """Take the statistics of random patches of training samples (N, C, *S).

        Raises
        ------
        UsageError
            If a patch has too many values.
        """
        patches = _draw_patches(training, sides, random).double()
        values = patches[0].numel()
        if values > _MOST_VALUES:
            raise UsageError(
                f"A window and its surroundings have {values} values, more than {_MOST_VALUES}",
                "Set a smaller window or pad, or the fill 'marginal'",
            )
        flat = patches.flatten(1)
        centred = flat - flat.mean(0)
        covariance = centred.T @ centred / max(1, len(flat) - 1)
        ridge = _RIDGE * covariance.diagonal().mean() + _LEAST
        covariance = covariance + ridge * torch.eye(values, dtype=flat.dtype, device=flat.device)
        by_channel = training.transpose(0, 1).flatten(1).double()
        return cls(sides, flat.mean(0), covariance, by_channel.amin(1), by_channel.amax(1))

    def condition(self, inside: Tensor) -> Conditional:
        """Prepare to draw the values where `inside` (C, *L) is true from those where it is not."""
        window, around = inside.flatten(), ~inside.flatten()
        cross = self.covariance[window][:, around]
        factor = torch.linalg.cholesky(self.covariance[around][:, around])
        gain = torch.cholesky_solve(cross.T, factor).T
        rest = self.covariance[window][:, window] - gain @ cross.T
        # Rounding must not cost it its symmetry or definiteness.
        spread = torch.linalg.cholesky((rest + rest.T) / 2)
        channels = inside.flatten(1).sum(1)
        low, high = (bound.repeat_interleave(channels) for bound in (self.low, self.high))
        return Conditional(window, gain, spread, self.mean, low, high)


@dataclass(frozen=True, eq=False)
class Conditional:
    """What the window's values are like, given the patch around it."""

    window: Tensor
    gain: Tensor
    spread: Tensor
    mean: Tensor
    low: Tensor
    high: Tensor

    def draw(self, patches: Tensor, noise: Tensor) -> Tensor:
        """Draw the windows of patches (B, C, *L) by standard normal noise (R, V): (R, B, V)."""
        off = patches.flatten(1).double() - self.mean
        expected = self.mean[self.window] + off[:, ~self.window] @ self.gain.T
        drawn = expected + (noise.double() @ self.spread.T)[:, None]
        return drawn.clamp(self.low, self.high)


def _draw_patches(training: Tensor, sides: tuple[int, ...], random: torch.Generator) -> Tensor:
    """Cut patches (P, C, *L) at random places out of random samples."""
    room = torch.tensor([side - own + 1 for side, own in zip(training.shape[2:], sides, strict=True)])
    samples = torch.randint(len(training), (_PATCHES,), generator=random)
    places = (torch.rand((_PATCHES, len(sides)), generator=random) * room).long()
    return torch.stack(
        [
            training[sample][box(place, sides)]
            for sample, place in zip(samples.tolist(), places.tolist(), strict=True)
        ]
    )
