"""Exported programs (``torch.export``) with their modules back: hooks fire, and layers are called as before.

``torch.export.unflatten`` gives the hierarchy, of interpreters. Where one stands for a single convolution,
Linear or LayerNorm, the module itself takes its place, for what is read off modules: strides, widths, heads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.utils._pytree import tree_flatten

from foveal.errors import UsageError
from foveal.facades.occluded import Occluded


def present_program(program: ExportedProgram) -> nn.Module:
    """Present an exported program as a module.

    Parameters
    ----------
    program
        What ``torch.export.load`` gave: a network of one tensor, exported in evaluation mode for batches of
        any size.

    Returns
    -------
    nn.Module
        With the layers of the exported network; an :class:`Occluded` where these cannot be had back.

    Raises
    ------
    UsageError
        If it takes more than one tensor, or batches of one size alone.
    """
    _check_input(program)
    try:
        module = torch.export.unflatten(program)
        with torch.no_grad():
            example = _example(program)
            same = _same(module(example), program.module()(example))
    except Exception as error:  # noqa: BLE001 - torch raises what it likes where it cannot
        return _closed(program, f"torch.export cannot unflatten the program ({str(error).splitlines()[0]})")
    if not same:
        return _closed(program, "the program's modules give other scores than the program")
    _rebuild(module)
    for part in module.modules():
        part.training = False
        part.spills = True  # type: ignore[assignment] # what the program shares between modules is handed on
    return cast("nn.Module", module)


def _same(one: object, other: object) -> bool:
    """Tell whether two outputs, tensors or what holds some, are the same bit for bit."""
    (ours, layout), (theirs, other_layout) = tree_flatten(one), tree_flatten(other)
    pairs = zip(ours, theirs, strict=False)
    return layout == other_layout and all(torch.equal(own, its) for own, its in pairs)


def sample_shape(program: ExportedProgram) -> tuple[int, ...]:
    """Give the shape (C, *S) of the sample with which a network was exported."""
    return tuple(int(side) for side in _input(program).shape[1:])


def _closed(program: ExportedProgram, reason: str) -> Occluded:
    module = program.module()
    return Occluded(lambda x: cast("Tensor", module(x)), reason)


def _input(program: ExportedProgram) -> Tensor:
    names = program.graph_signature.user_inputs
    nodes = [node for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    if len(nodes) != 1 or not isinstance(nodes[0].meta.get("val"), Tensor):
        raise UsageError(
            f"The exported program takes {len(names)} inputs", "Export the network with one tensor as input"
        )
    return cast("Tensor", nodes[0].meta["val"])


def _check_input(program: ExportedProgram) -> None:
    batch = _input(program).shape[0]
    if isinstance(batch, int):
        raise UsageError(
            f"The exported program takes batches of {batch} alone",
            'Export it with dynamic_shapes=({0: torch.export.Dim("batch")},)',
        )


def _example(program: ExportedProgram) -> Tensor:
    """Draw a batch of two."""
    return torch.randn(2, *sample_shape(program), generator=torch.Generator().manual_seed(0))


def _rebuild(module: nn.Module) -> None:
    """Put modules in the place of the interpreters that stand for them."""
    for name, child in list(module.named_children()):
        made = _rebuilt(child)
        if made is None:
            _rebuild(child)
        else:
            setattr(module, name, made)


def _rebuilt(module: nn.Module) -> nn.Module | None:
    """Make the one module that an interpreter stands for; nothing where it stands for more."""
    graph: Any = getattr(module, "graph", None)
    calls = [node for node in graph.nodes if node.op == "call_function"] if graph is not None else []
    places = [node for node in graph.nodes if node.op == "placeholder"] if graph is not None else []
    if len(calls) != 1 or len(places) != 1 or list(module.children()):
        return None
    build = _BUILDERS.get(str(calls[0].target))
    return None if build is None else build(module, calls[0].args)


_PLAIN = ("stride", "padding", "dilation", "groups")
_TRANSPOSED = ("stride", "padding", "output_padding", "groups", "dilation")


def _convolution(
    kind: type[nn.Module], names: tuple[str, ...] = _PLAIN
) -> Callable[[nn.Module, tuple[Any, ...]], nn.Module | None]:
    """Build a convolution, whose operator takes its settings in this order; string paddings stay."""

    def build(module: nn.Module, args: tuple[Any, ...]) -> nn.Module | None:
        weight, bias = _own(module, "weight"), _own(module, "bias")
        settings = dict(zip(names, args[3:], strict=False))
        if weight is None or (bias is None and len(args) > 2 and args[2] is not None):
            return None
        ends = [weight.shape[1] * settings.get("groups", 1), weight.shape[0]]
        taken, given = ends[::-1] if names is _TRANSPOSED else ends
        plain = {key: tuple(one) if isinstance(one, list | tuple) else one for key, one in settings.items()}
        made: Any = kind(taken, given, tuple(weight.shape[2:]), bias=bias is not None, device="meta", **plain)
        return _with(made, weight, bias)

    return build


def _linear(module: nn.Module, args: tuple[Any, ...]) -> nn.Module | None:
    weight, bias = _own(module, "weight"), _own(module, "bias")
    if weight is None or (bias is None and len(args) > 2 and args[2] is not None):
        return None
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    return _with(made, weight, bias)


def _layer_norm(module: nn.Module, args: tuple[Any, ...]) -> nn.Module | None:
    weight, bias = _own(module, "weight"), _own(module, "bias")
    if weight is None or bias is None or tuple(args[1]) != tuple(weight.shape):
        return None
    made = nn.LayerNorm(tuple(weight.shape), eps=args[4] if len(args) > 4 else 1e-5, device="meta")
    return _with(made, weight, bias)


def _own(module: nn.Module, name: str) -> Tensor | None:
    found = getattr(module, name, None)
    return found if isinstance(found, Tensor) else None


def _with(made: Any, weight: Tensor, bias: Tensor | None) -> nn.Module:  # noqa: ANN401
    made.weight = nn.Parameter(weight.detach(), requires_grad=False)
    if bias is not None:
        made.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return cast("nn.Module", made.eval())


_BUILDERS: Mapping[str, Callable[[nn.Module, tuple[Any, ...]], nn.Module | None]] = {
    "aten.conv1d.default": _convolution(nn.Conv1d),
    "aten.conv2d.default": _convolution(nn.Conv2d),
    "aten.conv3d.default": _convolution(nn.Conv3d),
    "aten.conv_transpose1d.default": _convolution(nn.ConvTranspose1d, _TRANSPOSED),
    "aten.conv_transpose2d.input": _convolution(nn.ConvTranspose2d, _TRANSPOSED),
    "aten.conv_transpose3d.input": _convolution(nn.ConvTranspose3d, _TRANSPOSED),
    "aten.linear.default": _linear,
    "aten.layer_norm.default": _layer_norm,
}
