"""How a layer sees the sample, and how the head sees the layer: what makes a layer fit for maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from foveal.capture.grids import read_layout
from foveal.capture.hooks import hooked
from foveal.capture.inputs import Batch, Inputs
from foveal.capture.layers import find_layer
from foveal.capture.outputs import first_tensor
from foveal.capture.tap import Tap
from foveal.capture.targets import TopClass
from foveal.errors import UsageError

#: A cell that sees more of the sample than this, along some axis, does not say where.
SHARP = 0.5


def reach(model: nn.Module, x: Batch, layer: str) -> float:
    """Measure how much of the sample a cell of a layer sees, along the axis where it sees most: 0 to 1.

    One pixel that is not a number makes every cell that sees it one too: the share of such cells is the
    cell's receptive field by the sample's side. What mixes all positions (attention, squeeze and excitation)
    gives 1.
    """
    inputs = Inputs.of(x)
    marked = with_mark(inputs.main)
    kept: list[Tensor] = []

    def keep(module: nn.Module, _args: object, output: object) -> None:
        tensor = first_tensor(output)
        layout = None if tensor is None else read_layout(module, model, tensor, marked)
        if tensor is not None and layout is not None:
            kept.append(layout.to_grid(tensor))

    with hooked([(find_layer(model, layer), keep)]), torch.inference_mode(False), torch.no_grad():
        inputs.with_main(marked).call(model)
    return marked_share(kept[-1]) if kept else 1.0


def with_mark(x: Tensor) -> Tensor:
    """Make the middle of a batch (B, C, *S) not a number."""
    marked = x.clone()
    centre = tuple(side // 2 for side in marked.shape[2:])
    marked.movedim((0, 1), (-2, -1))[centre] = float("nan")
    return marked


def marked_share(grids: Tensor) -> float:
    """Give the share of a layer's positions (B, C, *S) that the mark has reached, along the worst axis."""
    return max(_shares(grids[0]))


def _shares(grid: Tensor) -> list[float]:
    """Give, per axis of a grid (C, *S), the share of positions that hold something not a number."""
    touched = grid.isnan().any(0)
    axes = range(touched.ndim)
    along = (touched.movedim(axis, 0).reshape(touched.shape[axis], -1).any(1) for axis in axes)
    return [float(one.float().mean()) for one in along]


def is_averaged(model: nn.Module, x: Batch, layer: str) -> bool:
    """Tell whether the head takes the average of a layer over space, and nothing else of it.

    Then every position of a channel has the same gradient, or none where a rectifier comes in between; the
    layer's map is exact there, and Grad-CAM, HiResCAM and CAM agree.
    """
    with Tap(model, layer) as tap:
        try:
            forward = tap.forward(x)
            if forward.output.ndim > 2:
                return False
            gradients = forward.gradients([TopClass()])[:, 0]
        except UsageError:
            return False
    return is_even(gradients)


def is_even(gradients: Tensor) -> bool:
    """Tell whether gradients (B, C, *S) are the same at every position, or nothing."""
    gradients = gradients.flatten(2)
    largest = gradients.gather(2, gradients.abs().argmax(2, keepdim=True))
    same = torch.isclose(gradients, largest, rtol=1e-4, atol=0.0)
    return bool(gradients.any()) and bool((same | (gradients == 0)).all())
