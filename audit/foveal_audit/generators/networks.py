"""The small networks of the VAE: a linear map found by PCA plus a correction by convolutions, 0 at first."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from .layers import convolution, firsts, shuffled

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


def _halved(sides: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-side // 2) for side in sides)


class Encoder(nn.Module):
    """Crops to the mean and log variance of their latents: PCA whitening plus a correction.

    Crops come in standardised: minus the mean crop, divided by the library's standard deviation.
    """

    def __init__(self, shape: Shape, latent_dim: int) -> None:
        super().__init__()
        channels, *rest = shape
        sides = tuple(rest)
        self.linear = nn.Linear(prod(shape), latent_dim, bias=False)
        self.convs = nn.ModuleList()
        for out in _ENCODER_WIDTHS:
            self.convs.append(convolution(len(sides), channels, out, stride=2))
            channels, sides = out, _halved(sides)
            if min(sides) <= _COARSEST:
                break
        self.head = nn.Linear(channels * prod(sides), 2 * latent_dim)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, *s) to mean (B, d) and log variance (B, d)."""
        h = x
        for conv in self.convs:
            h = functional.leaky_relu(conv(h), _SLOPE)
        shift, spread = self.head(h.flatten(1)).chunk(2, dim=1)
        return self.linear(x.flatten(1)) + shift, spread + _START


class Decoder(nn.Module):
    """Latents to standardised crops: PCA inverse, redrawn at half resolution by three convolutions.

    The convolutions see the linear picture and extra channels from the latents; what they give is added to
    the linear picture. A shuffle of channels doubles the resolution, cheaper than a transposed convolution.
    """

    def __init__(self, shape: Shape, latent_dim: int) -> None:
        super().__init__()
        channels, *sides = shape
        axes = len(sides)
        self.shape = shape
        self.middle = _halved(tuple(sides))
        self.coarse = (2**axes * _DETAIL, *_halved(self.middle))
        self.linear = nn.Linear(latent_dim, prod(shape))
        self.detail = nn.Linear(latent_dim, prod(self.coarse))
        self.join = convolution(axes, _DETAIL, _WIDTH)
        self.look = convolution(axes, channels, _WIDTH, stride=2)
        self.think = convolution(axes, _WIDTH, _WIDTH)
        self.redraw = convolution(axes, _WIDTH, 2**axes * channels)
        for parameter in (self.linear.bias, *self.redraw.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, z: Tensor) -> Tensor:
        """Map (B, d) to (B, C, *s)."""
        picture = self.linear(z).unflatten(1, self.shape)
        detail = shuffled(self.detail(z).unflatten(1, self.coarse))
        joined = firsts(self.join(functional.leaky_relu(detail, _SLOPE)), self.middle)
        h = functional.leaky_relu(self.look(picture) + joined, _SLOPE)
        h = h + functional.leaky_relu(self.think(h), _SLOPE)
        redrawn: Tensor = picture + firsts(shuffled(self.redraw(h)), self.shape[1:])
        return redrawn

    def write_graph(self, graph: GraphWriter, z: str) -> str:
        """Write the nodes of :meth:`forward`; returns the name of the standardised crops."""
        picture = graph.reshape(graph.dense(z, self.linear), self.shape)
        detail = graph.shuffle(graph.reshape(graph.dense(z, self.detail), self.coarse), self.coarse)
        joined = graph.crop(graph.conv(graph.leaky_relu(detail, _SLOPE), self.join), self.middle)
        h = graph.leaky_relu(graph.add(graph.conv(picture, self.look), joined), _SLOPE)
        h = graph.add(h, graph.leaky_relu(graph.conv(h, self.think), _SLOPE))
        fine = graph.shuffle(graph.conv(h, self.redraw), (self.redraw.out_channels, *self.middle))
        return graph.add(picture, graph.crop(fine, self.shape[1:]))


def start_from(axes: PrincipalAxes, scale: float, encoder: Encoder, decoder: Decoder) -> None:
    """Set the linear parts so that the networks begin as PCA of the crops divided by ``scale``."""
    with torch.no_grad():
        encoder.linear.weight.copy_(torch.from_numpy(axes.whitening) * scale)
        decoder.linear.weight.copy_(torch.from_numpy(axes.basis) / scale)
