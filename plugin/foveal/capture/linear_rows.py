"""Behind a Linear the gradient of one output is one row of its weight: no need to multiply by zeros.

A target of few outputs has a cotangent that is nearly all zeros. Reading the rows it needs, and starting
the backward at the Linear's input, gives the same numbers without reading the whole weight again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.autograd.graph import GradientEdge, Node

from foveal.capture.backward import Place, differentiate

#: Share of a Linear's outputs up to which reading rows beats the product.
_FEW = 0.25
#: Steps behind a Linear (copies, an activation, a dropout) that are looked through.
_MOST_STEPS = 8


def step_before(tensor: Tensor, cotangents: Tensor) -> tuple[Place, Tensor]:
    """Move cotangents from values behind a Linear to its input.

    Parameters
    ----------
    tensor
        What is differentiated (B, n): a Linear's output, or what a function of that alone gives.
    cotangents
        Its cotangents (K, B, n).

    Returns
    -------
    tuple
        The Linear's input and the cotangents (K, B, m) there; both as they were where the tensor comes from
        elsewhere, or most of its values are asked for.
    """
    used = _used(cotangents)
    linear = None if used is None else _find_linear(tensor.grad_fn)
    if linear is None:
        return tensor, cotangents
    if not linear.copied:
        cotangents = differentiate([tensor], linear.output, [cotangents])
        used = _used(cotangents)
    if used is None:
        return linear.output, cotangents
    return linear.input, cotangents.index_select(2, used) @ linear.weight.index_select(0, used)


def _used(cotangents: Tensor) -> Tensor | None:
    """List the outputs that some target asks for; None where they are many, or lie on a grid."""
    if cotangents.ndim != 3:
        return None
    used = cotangents.flatten(0, 1).any(0).nonzero()[:, 0]
    return used if len(used) <= _FEW * cotangents.shape[2] else None


@dataclass(frozen=True, eq=False)
class _Linear:
    """A Linear in the graph, its weight (n, m), and whether copies alone follow it."""

    output: GradientEdge
    input: GradientEdge
    weight: Tensor
    copied: bool


def _find_linear(node: Any) -> _Linear | None:  # noqa: ANN401 - what a node keeps depends on its kind
    """Go back from a node as long as there is one way, to a Linear of a fixed weight."""
    copied = True
    for _ in range(_MOST_STEPS):
        if node is None or node.name() == "AddmmBackward0":
            break
        copied = copied and node.name() == "CloneBackward0"
        node = node.next_functions[0][0] if len(node.next_functions) == 1 else None
    if node is None or node.name() != "AddmmBackward0" or node._saved_alpha != 1:
        return None
    (bias, _), (source, place), (matrix, _) = node.next_functions
    transposed = node._saved_mat2
    if source is None or transposed is None or not (_fixed(bias) and _fixed(matrix)):
        return None
    # The rows of the weight lie together: selecting columns of the transposed would copy it all.
    return _Linear(GradientEdge(node, 0), GradientEdge(source, place), transposed.detach().T, copied)


def _fixed(node: Node | None) -> bool:
    """Whether a weight or bias is a parameter, or its transpose: one that is computed has gradients too."""
    if node is not None and node.name() == "TBackward0":
        node = node.next_functions[0][0]
    return node is None or node.name().endswith("AccumulateGrad")
