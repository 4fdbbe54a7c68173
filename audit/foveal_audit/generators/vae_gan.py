"""The VAE with an adversary (Larsen et al. 2016): started from PCA, judged at low weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from .crops import Crops, Shape, shape_of
from .layers import CONVS
from .pca import axes_for, principal_axes
from .settings import FitSettings
from .vae import VaeGenerator, fit_vae

DEFAULT_STEPS = 200
_WIDTHS = (16, 32, 64)
_COARSEST = 4  # the critic halves until the shorter side is about this
_SLOPE = 0.2
_RATE = 1e-3


@dataclass
class VaeGanGenerator(VaeGenerator):
    """Computes what a VAE computes; only how it was learned differs."""

    kind: ClassVar[str] = "vae-gan"


def fit_vae_gan(crops: Crops, settings: FitSettings) -> VaeGenerator:
    """Learn a PCA-initialised VAE-GAN from crops (n, C, *s) in [0, 1]."""
    adversary = HingeAdversary(Critic(shape_of(crops)), _grain(crops), settings.seed)
    return fit_vae(crops, settings, VaeGanGenerator, DEFAULT_STEPS, adversary)


def _grain(crops: Crops) -> float:
    """Measure what PCA leaves out, in standard deviations of the crops."""
    axes = principal_axes(crops, axes_for(len(crops)))
    drawn = (axes.scores(crops) @ axes.basis.T + axes.mean).reshape(crops.shape)
    return float((crops - drawn).std()) / max(float((crops - crops.mean(0)).std()), 1e-3)


class Critic(nn.Module):
    """Crops (B, C, *s) to one score per place; spectral norms keep it from outrunning the decoder."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels, conv = shape[0], CONVS[len(shape) - 1]
        self.convs = nn.ModuleList()
        for width in _WIDTHS:
            self.convs.append(spectral_norm(conv(channels, width, 4, stride=2, padding=1)))
            channels = width
        self.score = spectral_norm(conv(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Score crops; above 0 means real."""
        for conv in self.convs:
            if min(x.shape[2:]) < 2 * _COARSEST and conv is not self.convs[0]:
                x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = functional.leaky_relu(conv(x), _SLOPE)
        scores: Tensor = self.score(x)
        return scores


class HingeAdversary:
    """A critic that learns with the hinge loss (Lim & Ye 2017), one step for each of the decoder's.

    Parameters
    ----------
    critic
        Scores standardised crops.
    grain
        Standard deviation of the noise that decoded crops get before they are judged: the decoder is not to
        imitate grain, which a texture adds afterwards.
    seed
        Draws that noise.
    """

    def __init__(self, critic: Critic, grain: float, seed: int) -> None:
        self._critic, self._grain = critic, grain
        self._rng = torch.Generator().manual_seed(seed)
        self._parameters = list(critic.parameters())
        self._optimiser = torch.optim.Adam(self._parameters, lr=_RATE, betas=(0.0, 0.9), fused=True)

    def pull(self, real: Tensor, made: Tensor) -> Tensor:
        """Learn from one batch of each, and give the loss of the decoder that made the second."""
        made = made + self._grain * torch.randn(made.shape, generator=self._rng)
        scores = self._critic(torch.cat([real, made.detach()]))
        on_real, on_made = scores.chunk(2)
        loss = functional.relu(1 - on_real).mean() + functional.relu(1 + on_made).mean()
        for parameter, gradient in zip(
            self._parameters, torch.autograd.grad(loss, self._parameters), strict=True
        ):
            parameter.grad = gradient
        self._optimiser.step()
        drawn: Tensor = -self._critic(made).mean()
        return drawn
