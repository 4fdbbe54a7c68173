"""The patent's plain form: a generator and a discriminator from scratch (DCGAN, Radford et al. 2016).

With a few hundred crops and a few seconds such a pair stays immature; it is here for comparison, and its card
says how it fares. What is kept is a running mean of the generator's weights, which a late swing of the game
does not spoil.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from .crops import Crops, Latents, Shape, shape_of
from .generator import Arrays, Generator, Origin
from .layers import CONVS, CONVS_BACK, NORMS, firsts
from .mixture import Mixture
from .settings import FitSettings

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .onnx_graph import GraphWriter

DEFAULT_STEPS = 250
_AXES = 16
_BATCH = 32
_WIDTH = 16  # channels at full resolution's neighbour; doubled at every halving
_RATE, _MOMENTUM = 4e-4, 0.5
_REAL = 0.9  # one-sided label smoothing (Salimans et al. 2016)
_KEPT = 0.99  # of the running mean per step
_SEEN, _FEWEST_SEEN = 1024, 128  # draws that the way back is fitted on, and for large crops
_MOST_VALUES = 4_000_000  # that these draws hold together, bounds the memory
_RIDGE = 1.0


def _halvings(shape: Shape) -> int:
    return max(1, min(4, round(math.log2(min(shape[1:]) / 4))))


class Drawer(nn.Module):
    """Latents (B, d) to crops (B, C, *s): one dense layer, then transposed convolutions."""

    def __init__(self, shape: Shape, latent_dim: int) -> None:
        super().__init__()
        self.shape, halvings = shape, _halvings(shape)
        sides = [-(-side // 2**halvings) for side in shape[1:]]
        widths = [_WIDTH * 2**level for level in range(halvings)][::-1]
        self.start = (widths[0], *sides)
        turn, norm = CONVS_BACK[len(sides)], NORMS[len(sides)]
        self.dense = nn.Linear(latent_dim, math.prod(self.start))
        self.norms = nn.ModuleList(norm(width) for width in widths)
        self.convs = nn.ModuleList(
            turn(before, after, 4, stride=2, padding=1)
            for before, after in zip(widths, [*widths[1:], shape[0]], strict=True)
        )

    def forward(self, z: Tensor) -> Tensor:
        """Draw crops in [0, 1]."""
        h = self.dense(z).unflatten(1, self.start)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = conv(functional.relu(norm(h)))
        return torch.sigmoid(firsts(h, self.shape[1:]))

    def write_graph(self, graph: GraphWriter, z: str) -> str:
        """Write the nodes of :meth:`forward`."""
        h = graph.reshape(graph.dense(z, self.dense), self.start)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            h = graph.conv_transpose(graph.node("Relu", [graph.batch_norm(h, norm)]), conv)
        return graph.node("Sigmoid", [graph.crop(h, self.shape[1:])])


class Judge(nn.Module):
    """Crops (B, C, *s) to the log odds (B,) of being real."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        channels, *sides = shape
        conv, norm = CONVS[len(sides)], NORMS[len(sides)]
        layers: list[nn.Module] = []
        for level in range(_halvings(shape)):
            after = _WIDTH * 2**level
            layers.append(conv(channels, after, 4, stride=2, padding=1))
            layers += [norm(after)] if level else []
            layers.append(nn.LeakyReLU(0.2))
            channels, sides = after, [side // 2 for side in sides]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(channels * math.prod(sides), 1))

    def forward(self, x: Tensor) -> Tensor:
        """Judge crops."""
        odds: Tensor = self.layers(x)
        return odds[:, 0]


@dataclass
class DcganGenerator(Generator):
    """Draws from a standard normal; the way back is a linear map fitted to its own draws, and rough."""

    kind: ClassVar[str] = "dcgan"

    drawer: Drawer
    reader: NDArray[np.float32]
    mean: NDArray[np.float32]

    def _decode(self, z: Latents) -> Crops:
        with torch.inference_mode():
            drawn: Crops = self.drawer(torch.from_numpy(z)).numpy()
        return drawn

    def _encode(self, crops: Crops) -> Latents:
        return np.asarray((crops - self.mean).reshape(len(crops), -1) @ self.reader, np.float32)

    def write_graph(self, graph: GraphWriter, z: str) -> str:
        """Write the drawer."""
        return graph.clip(self.drawer.write_graph(graph, z))

    def tensors(self) -> Arrays:
        """Name the arrays."""
        state = {f"drawer.{name}": value.numpy() for name, value in self.drawer.state_dict().items()}
        return {"reader": self.reader, "mean": self.mean, **state}

    @classmethod
    def restore(
        cls, tensors: Arrays, shape: Shape, axis_sd: NDArray[np.float32], mixture: Mixture, origin: Origin
    ) -> DcganGenerator:
        """Undo :meth:`tensors`."""
        drawer = Drawer(shape, len(axis_sd))
        own = {name: torch.from_numpy(value) for name, value in tensors.items() if name.startswith("drawer.")}
        drawer.load_state_dict({name.removeprefix("drawer."): value for name, value in own.items()})
        return cls(shape, axis_sd, mixture, drawer.eval(), tensors["reader"], tensors["mean"], origin=origin)


def fit_dcgan(crops: Crops, settings: FitSettings) -> DcganGenerator:
    """Learn a DCGAN from crops (n, C, *s) in [0, 1]."""
    steps = DEFAULT_STEPS if settings.steps is None else settings.steps
    shape = shape_of(crops)
    rng = torch.Generator().manual_seed(settings.seed)
    drawer = _play(torch.from_numpy(crops), Drawer(shape, _AXES), Judge(shape), steps, rng)
    _sort_axes(drawer)
    reader, mean = _way_back(drawer, rng)
    unit = Mixture(*(np.asarray(part, np.float32) for part in ([1.0], [[0.0] * _AXES], [[1.0] * _AXES])))
    origin = Origin(settings.asked, len(crops), settings.seed, steps)
    return DcganGenerator(shape, np.ones(_AXES, np.float32), unit, drawer, reader, mean, origin=origin)


def _play(crops: Tensor, drawer: Drawer, judge: Judge, steps: int, rng: torch.Generator) -> Drawer:
    """Let drawer and judge learn in turns; the drawer's running mean comes back, ready to draw."""
    drawing, judging = (
        torch.optim.Adam(player.parameters(), lr=_RATE, betas=(_MOMENTUM, 0.999), fused=True)
        for player in (drawer, judge)
    )
    kept = Drawer(drawer.shape, _AXES)
    kept.load_state_dict(drawer.state_dict())
    for real in _batches(crops, steps, rng):
        made = drawer(torch.randn(len(real), _AXES, generator=rng))
        _step(judging, _doubt(judge(real), _REAL) + _doubt(judge(made.detach()), 0.0), judge)
        _step(drawing, _doubt(judge(made), 1.0), drawer)
        _follow(kept, drawer)
    return kept.eval()


def _step(optimiser: torch.optim.Optimizer, loss: Tensor, player: nn.Module) -> None:
    own = list(player.parameters())
    for parameter, gradient in zip(own, torch.autograd.grad(loss, own), strict=True):
        parameter.grad = gradient
    optimiser.step()


def _doubt(odds: Tensor, wanted: float) -> Tensor:
    return functional.binary_cross_entropy_with_logits(odds, torch.full_like(odds, wanted))


@torch.no_grad()
def _follow(kept: Drawer, drawer: Drawer) -> None:
    """Move the running mean, the norms' own statistics included, towards the drawer."""
    news = drawer.state_dict()
    for name, value in kept.state_dict().items():
        if value.is_floating_point():
            value.lerp_(news[name], 1 - _KEPT)


def _batches(crops: Tensor, steps: int, rng: torch.Generator) -> Iterator[Tensor]:
    for _ in range(steps):
        yield crops[torch.randint(len(crops), (min(_BATCH, len(crops)),), generator=rng)]


@torch.no_grad()
def _sort_axes(drawer: Drawer) -> None:
    """Order the latent axes by how much each moves the picture; the density is the same along all."""
    ends = torch.cat([torch.eye(_AXES), -torch.eye(_AXES)])
    high, low = drawer(ends).chunk(2)
    moved = ((high - low) ** 2).mean(tuple(range(1, high.ndim)))
    order = moved.argsort(descending=True, stable=True)
    drawer.dense.weight.copy_(drawer.dense.weight[:, order].clone())


@torch.no_grad()
def _way_back(drawer: Drawer, rng: torch.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit the linear map from crops to latents on the drawer's own draws (ridge, through the Gram matrix)."""
    seen = max(_FEWEST_SEEN, min(_SEEN, _MOST_VALUES // math.prod(drawer.shape)))
    z = torch.randn(seen, _AXES, generator=rng)
    drawn = torch.cat([drawer(part) for part in torch.split(z, 64)])
    mean = drawn.mean(0)
    rows = (drawn - mean).flatten(1).double()
    gram = rows @ rows.T + _RIDGE * torch.eye(seen, dtype=torch.float64)
    reader = rows.T @ torch.linalg.solve(gram, z.double())
    return reader.float().numpy(), mean.numpy()
