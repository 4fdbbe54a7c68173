"""A network that is no module of torch, presented as one: a chain of tensors that hooks can hold on to.

Whatever runs it (a session of onnxruntime, a function cut out of TorchScript) is an :class:`Engine`. All that
works on layers, from the tap to the audit's own hooks, then works on it: a layer is a tensor that everything
passes. One run of the engine gives the scores and the tensors that are hooked; only where a hook puts another
value in the place of a tensor is the rest run again from there, and only gradients need a way back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from foveal.capture.grids import Layout
from foveal.capture.tap import is_tapping, is_taps_own


@dataclass(frozen=True)
class PartInfo:
    """One tensor that everything passes on its way from the input to the scores.

    Attributes
    ----------
    name
        What the layer is called.
    layout
        How its positions are arranged; None where it has none.
    convolves
        Whether new features are made at its resolution: convolutions lead to it, or tokens are mixed.
    dense
        Whether it is what a fully connected layer gives.
    """

    name: str
    layout: Layout | None = None
    convolves: bool = False
    dense: bool = False


class Engine(Protocol):
    """What runs a network that is cut at its parts: the last is the scores, None stands for the input."""

    @property
    def parts(self) -> Sequence[PartInfo]:
        """The parts, in their order."""
        ...

    def predict(self, x: Tensor) -> Tensor:
        """Give the scores (B, n), as the network alone gives them."""
        ...

    def values(self, x: Tensor, names: Sequence[str]) -> Mapping[str, Tensor]:
        """Give parts by name, of one forward."""
        ...

    def resume(self, start: str | None, value: Tensor, end: str) -> Tensor:
        """Run on from one part, or the input, to another."""
        ...

    def pull(self, start: str | None, value: Tensor, end: str, cotangent: Tensor) -> Tensor:
        """Send a gradient by one part back to another, or to the input.

        Parameters
        ----------
        start, value
            The part to go to, and what it was (B, ...).
        end, cotangent
            The part to come from, and gradients by it (K, B, ...).

        Returns
        -------
        Tensor
            Gradients (K, B, ...) by the start.
        """
        ...


class Part(nn.Module):
    """Hands a tensor on; hooks on it see the tensor, and may put another in its place."""

    def __init__(self, info: PartInfo) -> None:
        super().__init__()
        self.layout, self.convolves, self.dense = info.layout, info.convolves, info.dense

    def forward(self, value: Tensor) -> Tensor:
        """Give it as it came."""
        return value


class Parted(nn.Module):
    """The façade of a network that an engine runs.

    Parameters
    ----------
    engine
        Runs it.
    pinned
        Which layers are chosen, where that is settled: ``layer`` and ``nodes``.

    Attributes
    ----------
    predict
        Gives the scores where nobody listens; the engine's own, where nobody puts another in its place.
    spreading
        Makes a network whose layers read what these read, and that hands on what is no number, or gives
        None where there is none; None itself where this network does so.
    fields
        Receptive fields that were measured before, each as :meth:`foveal.segmenting.fields.Fields.to_mapping`
        writes them, with its ``layer``: there are no others then. None where they can be measured.
    """

    def __init__(self, engine: Engine, pinned: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.engine, self.pinned = engine, dict(pinned or {})
        self.predict: Callable[[Tensor], Tensor] = engine.predict
        self.spreading: Callable[[], nn.Module | None] | None = None
        self.fields: Sequence[Mapping[str, Any]] | None = None
        for info in engine.parts:
            _add(self, info)
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Predict (B, n), part by part where anybody listens or asks for gradients."""
        parts = ((info.name, self.get_submodule(info.name)) for info in self.engine.parts)
        names = [name for name, part in parts if is_heard(part)]
        if not names and not wants_gradient(x):
            return self.predict(x)
        return self._by_parts(x, names)

    def _by_parts(self, x: Tensor, names: Sequence[str]) -> Tensor:
        scores = self.engine.parts[-1].name
        stops = [*names, *([] if scores in names else [scores])]
        known = self.engine.values(x.detach(), stops)
        before: str | None = None
        original, now = x, x
        for name in stops:
            if name not in known:
                raise RuntimeError(f"the network does not run on a {tuple(x.shape)} input beyond {before!r}")
            reached = self._reached(before, original, now, name, known[name])
            before, original, now = name, reached, self.get_submodule(name)(reached)
        return now

    def _reached(self, start: str | None, original: Tensor, now: Tensor, end: str, value: Tensor) -> Tensor:
        """Give a part, from the one before it as it is now."""
        if now is original and not wants_gradient(now):
            return value
        way = _Way(self.engine, start, end)
        return cast("Tensor", _Segment.apply(now, original.detach(), value, way))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class _Way:
    engine: Engine
    start: str | None
    end: str

    def on(self, now: Tensor) -> Tensor:
        return self.engine.resume(self.start, now, self.end)

    def back(self, now: Tensor, cotangent: Tensor) -> Tensor:
        return self.engine.pull(self.start, now, self.end, cotangent)


class _Segment(torch.autograd.Function):
    """From one part to the next; where the first is still what it was, so is the second."""

    @staticmethod
    def forward(ctx: Any, now: Tensor, original: Tensor, value: Tensor, way: _Way) -> Tensor:  # noqa: ANN401
        """Run on only where a value was replaced."""
        ctx.save_for_backward(now)
        ctx.way = way
        same = now.shape == original.shape and torch.equal(now, original)
        return value.clone() if same else way.on(now.detach())

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:  # noqa: ANN401
        """Go back, for all targets at once where they come as a batch."""
        (now,) = ctx.saved_tensors
        way, value = ctx.way, now.detach()
        return folded(cotangents[0], lambda rows: way.back(value, rows)), None, None, None


def folded(cotangent: Tensor, back: Callable[[Tensor], Tensor]) -> Tensor:
    """Send a cotangent (B, ...) back, or all of a stack of them that autograd batches, in one call.

    Parameters
    ----------
    cotangent
        As autograd gives it to a ``backward``.
    back
        From gradients (K, B, ...) to gradients (K, B, ...).
    """
    if not torch._C._functorch.is_legacy_batchedtensor(cotangent):
        return back(cotangent[None])[0]
    level = torch._C._vmapmode_increment_nesting() - 1  # how deep we are is told by going one deeper
    torch._C._vmapmode_decrement_nesting()
    rows: Tensor = torch._remove_batch_dim(cotangent, level, 0, 0)
    if torch._C._functorch.is_legacy_batchedtensor(rows):
        raise RuntimeError("stacks of stacks of gradients are sent back one by one")
    return torch._add_batch_dim(back(rows), 0, level)


def _add(model: nn.Module, info: PartInfo) -> None:
    """Add a part under its name, whose dots are containers."""
    *folders, last = info.name.split(".")
    for folder in folders:
        if folder not in dict(model.named_children()):
            model.add_module(folder, nn.Module())
        model = model.get_submodule(folder)
    model.add_module(last, Part(info))


def is_heard(part: nn.Module) -> bool:
    """Tell whether somebody listens now; a tap does only while it runs its own forward."""
    hooks = [*part._forward_hooks.values(), *part._forward_pre_hooks.values()]
    return any(is_tapping() or not is_taps_own(hook) for hook in hooks)


def wants_gradient(x: Tensor) -> bool:
    """Tell whether autograd asks for a way back to a tensor."""
    return x.requires_grad and torch.is_grad_enabled()
