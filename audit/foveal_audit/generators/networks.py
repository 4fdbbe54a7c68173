"""The small networks of the VAE: a linear map found by PCA plus a correction by convolutions, 0 at first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from .crops import Shape
    from .onnx_graph import GraphWriter
    from .pca import PrincipalAxes

_SLOPE = 0.2  # of the leaky rectifiers
_WIDTH = 16  # channels of the decoder at half resolution
_DETAIL = 8  # channels that enter from the latents beside the linear picture
_ENCODER_WIDTHS = (8, 16, 32)
_COARSEST = 8  # the encoder halves until the shorter side is about this
_START = -4.0  # log variance of the posterior at the start: a seventh of the latents' unit scale


def _half(side: int) -> int:
    return -(-side // 2)


class Encoder(nn.Module):
    """Crops to the mean and log variance of their latents: PCA whitening plus a correction.

    Crops come in standardised: minus the mean crop, divided by the library's standard deviation.
    """

    def __init__(self, shape: Shape, latent_dim: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.linear = nn.Linear(channels * height * width, latent_dim, bias=False)
        self.convs = nn.ModuleList()
        for out in _ENCODER_WIDTHS:
            self.convs.append(nn.Conv2d(channels, out, 3, stride=2, padding=1))
            channels, height, width = out, _half(height), _half(width)
            if min(height, width) <= _COARSEST:
                break
        self.head = nn.Linear(channels * height * width, 2 * latent_dim)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, h, w) to mean (B, d) and log variance (B, d)."""
        h = x
        for conv in self.convs:
            h = functional.leaky_relu(conv(h), _SLOPE)
        shift, spread = self.head(h.flatten(1)).chunk(2, dim=1)
        return self.linear(x.flatten(1)) + shift, spread + _START


class Decoder(nn.Module):
    """Latents to standardised crops: PCA inverse, redrawn at half resolution by three convolutions.

    The convolutions see the linear picture and extra channels from the latents; what they give is added to
    the linear picture. A pixel shuffle doubles the resolution, cheaper than a transposed convolution.
    """

    def __init__(self, shape: Shape, latent_dim: int) -> None:
        super().__init__()
        channels, height, width = shape
        self.shape = shape
        self.middle = (_half(height), _half(width))
        self.coarse = (4 * _DETAIL, _half(self.middle[0]), _half(self.middle[1]))
        self.linear = nn.Linear(latent_dim, channels * height * width)
        self.detail = nn.Linear(latent_dim, self.coarse[0] * self.coarse[1] * self.coarse[2])
        self.join = nn.Conv2d(_DETAIL, _WIDTH, 3, padding=1)
        self.look = nn.Conv2d(channels, _WIDTH, 3, stride=2, padding=1)
        self.think = nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)
        self.redraw = nn.Conv2d(_WIDTH, 4 * channels, 3, padding=1)
        for parameter in (self.linear.bias, *self.redraw.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, d) to (B, C, h, w)."""
        picture = self.linear(z).unflatten(1, self.shape)
        detail = functional.pixel_shuffle(self.detail(z).unflatten(1, self.coarse), 2)
        joined = self.join(functional.leaky_relu(detail, _SLOPE))[..., : self.middle[0], : self.middle[1]]
        h = functional.leaky_relu(self.look(picture) + joined, _SLOPE)
        h = h + functional.leaky_relu(self.think(h), _SLOPE)
        fine = functional.pixel_shuffle(self.redraw(h), 2)
        redrawn: Tensor = picture + fine[..., : self.shape[1], : self.shape[2]]
        return redrawn

    def write_graph(self, graph: GraphWriter, z: str) -> str:
        """Write the nodes of :meth:`forward`; returns the name of the standardised crops."""
        picture = graph.reshape(graph.dense(z, self.linear), self.shape)
        detail = graph.pixel_shuffle(graph.reshape(graph.dense(z, self.detail), self.coarse))
        joined = graph.crop(graph.conv(graph.leaky_relu(detail, _SLOPE), self.join), self.middle)
        h = graph.leaky_relu(graph.add(graph.conv(picture, self.look), joined), _SLOPE)
        h = graph.add(h, graph.leaky_relu(graph.conv(h, self.think), _SLOPE))
        fine = graph.pixel_shuffle(graph.conv(h, self.redraw))
        return graph.add(picture, graph.crop(fine, self.shape[1:]))


def start_from(axes: PrincipalAxes, scale: float, encoder: Encoder, decoder: Decoder) -> None:
    """Set the linear parts so that the networks begin as PCA of the crops divided by ``scale``."""
    with torch.no_grad():
        encoder.linear.weight.copy_(torch.from_numpy(axes.whitening) * scale)
        decoder.linear.weight.copy_(torch.from_numpy(axes.basis) / scale)
