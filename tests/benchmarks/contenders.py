"""Everyone who explains a prediction, each called as its own documentation says; one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn
from torchcam.methods import GradCAM as TorchCam
from torchvision_nets import ARCHITECTURES, SIDE, Architecture, build

from foveal.capture import ClassTarget, Forward, NodeTarget, Tap, TopClass

NODES = 16


@dataclass(frozen=True)
class Case:
    """One network and one batch."""

    name: str
    model: nn.Module
    x: Tensor

    @classmethod
    def make(cls, name: str, batch: int, side: int = SIDE) -> Case:
        """Build the network; the images are noise, cost does not depend on them."""
        x = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(1))
        return cls(name, build(name), x)

    @property
    def place(self) -> Architecture:
        """Where its maps lie."""
        return ARCHITECTURES[self.name]

    @cached_property
    def units(self) -> Tensor:
        """The nodes of every sample (B, 16), chosen once; the peers get them for nothing."""
        with Tap(self.model, self.place.layer, self.tapped) as tap:
            return self.choose(tap.forward(self.x))

    @property
    def tapped(self) -> tuple[str, ...]:
        """The layers of nodes."""
        return (self.place.nodes,) if self.place.nodes else ()

    @property
    def tokens(self) -> bool:
        """Whether its layers give tokens."""
        return self.name.startswith("vit")

    def choose(self, forward: Forward) -> Tensor:
        """Choose the nodes that speak loudest for the predicted class, or the likeliest classes."""
        if self.place.nodes is None:
            return forward.output.topk(NODES).indices
        weights = self.model.get_submodule(self.place.head).weight.detach()
        return (forward.nodes[self.place.nodes] * weights[forward.output.argmax(1)]).topk(NODES).indices


#: What is timed; gives maps (B, K, *grid), or whatever the library gives.
Call: TypeAlias = Callable[[], object]
Contender: TypeAlias = Callable[[Case], AbstractContextManager[Call]]


@contextmanager
def plain(case: Case) -> Iterator[Call]:
    def call() -> Tensor:
        with torch.inference_mode():
            return case.model(case.x)

    yield call


@contextmanager
def ours_top(case: Case) -> Iterator[Call]:
    with Tap(case.model, case.place.layer) as tap:
        tap.calibrate(case.x)
        yield lambda: tap.forward(case.x).attribute([TopClass()], "gradcam")


@contextmanager
def ours_nodes(case: Case) -> Iterator[Call]:
    layer = case.place.nodes

    def call() -> Tensor:
        forward = tap.forward(case.x)
        units = case.choose(forward).unbind(1)
        targets = [NodeTarget(layer, unit) if layer else ClassTarget(unit) for unit in units]
        return forward.attribute(targets, "gradcam")

    with Tap(case.model, case.place.layer, case.tapped) as tap:
        tap.calibrate(case.x)
        yield call


@contextmanager
def captum_top(case: Case) -> Iterator[Call]:
    def call() -> Tensor:
        with torch.inference_mode():
            top = case.model(case.x).argmax(1).tolist()
        return explainer.attribute(case.x, target=top).detach()

    with gridded(case) as layer:
        explainer = LayerGradCam(case.model, layer)
        yield call


@contextmanager
def captum_nodes(case: Case) -> Iterator[Call]:
    units = case.units.T.tolist()

    def call() -> Tensor:
        with torch.inference_mode():
            case.model(case.x)
        return torch.cat([explainer.attribute(case.x, target=unit).detach() for unit in units], 1)

    with gridded(case) as layer, ending_at_nodes(case) as ending:
        explainer = LayerGradCam(ending, layer)
        yield call


@contextmanager
def grad_cam_top(case: Case) -> Iterator[Call]:
    layer = case.model.get_submodule(case.place.layer)
    with GradCAM(case.model, [layer], reshape_transform=reshaping(case)) as explainer:
        yield lambda: explainer(case.x, targets=None)
    case.model.zero_grad()


@contextmanager
def torch_cam_top(case: Case) -> Iterator[Call]:
    def call() -> object:
        scores = case.model(case.x)
        return explainer(scores.argmax(1).tolist(), scores)

    with TorchCam(case.model, case.place.layer, reshape_transform=reshaping(case)) as explainer:
        yield call


#: What is measured, in the order of the columns. A network has a contender's hooks only in its turn.
CONTENDERS: dict[str, Contender] = {
    "plain": plain,
    "ours": ours_top,
    "ours 16": ours_nodes,
    "captum": captum_top,
    "captum 16": captum_nodes,
    "grad-cam": grad_cam_top,
    "torch-cam": torch_cam_top,
}


@contextmanager
def ending_at_nodes(case: Case) -> Iterator[Callable[[Tensor], Tensor]]:
    """Make a forward that ends at the nodes, which is what captum needs to explain them."""
    if case.place.nodes is None:
        yield case.model
        return
    kept: list[Tensor] = []

    def forward(x: Tensor) -> Tensor:
        kept.clear()
        case.model(x)
        return kept[0][:, 0] if case.tokens else kept[0].flatten(1)

    layer = case.model.get_submodule(case.place.nodes)
    handle = layer.register_forward_hook(lambda _module, _args, output: kept.append(output))
    try:
        yield forward
    finally:
        handle.remove()


class Grid(nn.Module):
    """Tokens (B, 1 + H W, C) to a grid (B, C, H, W); the class token is kept aside."""

    def forward(self, tokens: Tensor) -> Tensor:
        self.aside = tokens[:, :1]
        patches = tokens[:, 1:].transpose(1, 2)
        return patches.unflatten(2, (round(patches.shape[2] ** 0.5), -1))


class Tokens(nn.Module):
    """The way back."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, grid: Tensor) -> Tensor:
        return torch.cat([self.grid.aside, grid.flatten(2).transpose(1, 2)], 1)


@contextmanager
def gridded(case: Case) -> Iterator[nn.Module]:
    """Give the layer that captum shall explain; it knows no tokens, so they make a detour over a grid."""
    layer = case.model.get_submodule(case.place.layer)
    if not case.tokens:
        yield layer
        return
    parent, _, child = case.place.layer.rpartition(".")
    block, grid = case.model.get_submodule(parent), Grid()
    setattr(block, child, nn.Sequential(layer, grid, Tokens(grid)).eval())
    try:
        yield grid
    finally:
        setattr(block, child, layer)


def reshaping(case: Case) -> Grid | None:
    """Tell how tokens become a grid, to the libraries that ask."""
    return Grid() if case.tokens else None
