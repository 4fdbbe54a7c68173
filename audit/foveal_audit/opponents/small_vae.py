"""A variational autoencoder of a few latents over thumbnails, learned in a second.

It sees pictures as scores on their principal axes, which keep nearly all of them. Its linear part starts
from the first axes, which is what a linear one ends at (Lucas et al., NeurIPS 2019); one hidden layer on each
side adds what sums of pictures cannot say.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from foveal_audit.generators.pca import principal_axes
from foveal_audit.reproducible import reproducible

_AXES, _HIDDEN, _STEPS, _BATCH, _RATE = 64, 64, 300, 128, 2e-3
#: Logarithm of the variance that a latent starts with: a code that says something.
_SURE = -4.0


class _Side(nn.Module):
    """A linear map with these weights beside a small network that starts silent."""

    def __init__(self, weight: Tensor, outputs: int) -> None:
        super().__init__()
        width, inputs = weight.shape
        self.linear = nn.Linear(inputs, width, bias=False)
        self.network = nn.Sequential(nn.Linear(inputs, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, outputs))
        with torch.no_grad():
            self.linear.weight.copy_(weight)
            for parameter in self.network[-1].parameters():
                parameter.zero_()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Give (n, width), and what the network says beyond that."""
        made = self.network(x)
        width = self.linear.out_features
        return self.linear(x) + made[:, :width], made[:, width:]


def latents(thumbs: NDArray[np.float32], number: int, divergence: float, seed: int) -> NDArray[np.float64]:
    """Learn a VAE on pictures (n, C, h, w) in 0 to 1 and describe them by its latents' means.

    Parameters
    ----------
    number
        Latents wanted; fewer where the pictures span fewer.
    divergence
        Weight of the divergence from the prior, beside the log-likelihood under the variance that the first
        axes leave.

    Returns
    -------
    float64 (n, number).
    """
    axes = principal_axes(thumbs, _AXES)
    spread = np.linalg.norm(axes.basis, axis=0)
    number = min(number, len(spread))
    noise = max(float((spread[number:] ** 2).mean()) if len(spread) > number else 0.0, 1e-6)
    x = torch.from_numpy(np.ascontiguousarray(axes.scores(thumbs) * spread, np.float32))
    scale = torch.from_numpy(np.eye(len(spread), number, dtype=np.float32) * spread[:number])
    with reproducible(seed):
        encoder = _Side(torch.linalg.pinv(scale), 2 * number)
        decoder = _Side(scale, len(spread))
        _learn(encoder, decoder, x, noise, divergence)
        with torch.no_grad():
            return np.asarray(encoder(x)[0].double().numpy())


def _learn(encoder: _Side, decoder: _Side, x: Tensor, noise: float, divergence: float) -> None:
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=_RATE)
    for _ in range(_STEPS):
        batch = x[torch.randint(len(x), (_BATCH,))]
        mean, beyond = encoder(batch)
        log_variance = beyond + _SURE
        z = mean + torch.randn_like(mean) * (log_variance / 2).exp()
        error = ((decoder(z)[0] - batch) ** 2).sum(1).mean() / (2 * noise)
        kl = (mean**2 + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2
        optimiser.zero_grad()
        (error + divergence * kl).backward()
        optimiser.step()
