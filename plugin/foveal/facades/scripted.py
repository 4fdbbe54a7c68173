"""TorchScript as a module whose layer can be reached: the graph is cut in two, see ``capture.scripted``."""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from foveal.capture.grids import Layout
from foveal.capture.parted import Parted, PartInfo
from foveal.capture.scripted import SCRIPTED_LAYER, Cut, cut_graph
from foveal.errors import UsageError
from foveal.facades.occluded import Occluded

_SCORES = "script.scores"
#: Of the file by which graphs go that surgery cannot cut.
_OPSET = 17


class ScriptEngine:
    """Runs a TorchScript network for its façade; see :class:`foveal.capture.parted.Engine`."""

    def __init__(self, model: torch.jit.ScriptModule, cut: Cut) -> None:
        self._model, self._cut = model, cut
        self.parts = (PartInfo(SCRIPTED_LAYER, Layout(), convolves=True), PartInfo(_SCORES))

    def predict(self, x: Tensor) -> Tensor:
        """Give the scores (B, n)."""
        return cast("Tensor", self._model(x))

    def values(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """Give activations and scores, of one forward."""
        scores, activations = self._cut.whole(x)
        found = {SCRIPTED_LAYER: activations, _SCORES: scores}
        return {name: found[name] for name in names}

    def resume(self, start: str | None, value: Tensor, end: str) -> Tensor:
        """Run on from the activations, or from the input."""
        if start == SCRIPTED_LAYER:
            return cast("Tensor", self._cut.suffix(value))
        return self.values(value, [end])[end]

    def pull(self, start: str | None, value: Tensor, end: str, cotangent: Tensor) -> Tensor:
        """Send gradients (K, B, ...) back."""
        with torch.inference_mode(False), torch.enable_grad():
            leaf = value.clone().requires_grad_()
            reached = self.resume(start, leaf.clone(), end)
            pulled = [torch.autograd.grad(reached, leaf, row, retain_graph=True)[0] for row in cotangent]
        return torch.stack(pulled)


def present_script(model: torch.jit.ScriptModule, example: Tensor) -> nn.Module:
    """Present a TorchScript network as a module.

    Parameters
    ----------
    model
        The network.
    example
        A batch (B, C, *S) as it takes it.

    Returns
    -------
    nn.Module
        Cut in two by surgery on the graph; where that finds no place, by way of ONNX; then by surgery for
        samples of the example's size; else one that can only be asked.
    """
    closed = ""
    for attempt in (_by_surgery, _by_onnx, _by_sizes):
        try:
            if found := attempt(model, example):
                return found
        except (UsageError, RuntimeError) as error:  # graphs with branches cannot give all their values
            told = error.fault if isinstance(error, UsageError) else "the TorchScript graph cannot be cut"
            closed = closed or told
    return Occluded(_call(model), closed, smooth=True)


def _by_surgery(model: torch.jit.ScriptModule, example: Tensor, *, sized: bool = False) -> nn.Module:
    """Cut the graph in two."""
    with torch.inference_mode(False):
        cut = cut_graph(model, example.clone(), sized=sized)
    return Parted(ScriptEngine(model, cut), {"layer": SCRIPTED_LAYER, "nodes": SCRIPTED_LAYER})


def _by_sizes(model: torch.jit.ScriptModule, example: Tensor) -> nn.Module:
    """Cut the graph where what follows asks for no more of the input than its sides."""
    return _by_surgery(model, example, sized=True)


def _call(model: torch.jit.ScriptModule) -> Callable[[Tensor], Tensor]:
    return lambda x: cast("Tensor", model(x))


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep the exporter, whose library writes past Python, from printing whole graphs where it fails."""
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    sys.stdout.flush()
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _by_onnx(model: torch.jit.ScriptModule, example: Tensor) -> nn.Module | None:
    """Export a network, and cut the file; it is still the script itself that predicts."""
    import onnx  # noqa: PLC0415 - most scripts do without

    from foveal.facades.cut_files import present  # noqa: PLC0415

    target = io.BytesIO()
    axes = {"x": {0: "batch"}, "scores": {0: "batch"}}
    names: dict[str, Any] = {"input_names": ["x"], "output_names": ["scores"], "dynamic_axes": axes}
    try:
        with warnings.catch_warnings(), _quiet_exporter(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model, (example,), cast("Any", target), opset_version=_OPSET, dynamo=False, **names
            )
            module = present(onnx.load_from_string(target.getvalue()))
            same = torch.allclose(module(example), model(example), rtol=1e-4, atol=1e-5)
    except Exception:  # noqa: BLE001 - the exporter raises what it likes
        return None
    if not same or not isinstance(module, Parted):
        return None
    module.predict = _call(model)
    return module
