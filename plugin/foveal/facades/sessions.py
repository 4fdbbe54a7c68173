"""An ONNX network as a module of torch: onnxruntime predicts, and carries gradients back.

The serving worker imports this: torch, numpy and onnxruntime only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveal.capture.grids import Layout
from foveal.capture.parted import PartInfo
from foveal.onnx_graphs.chaining import Chain
from foveal.onnx_graphs.parts import PartSpec


class SessionEngine:
    """Runs an ONNX network for its façade; see :class:`foveal.capture.parted.Engine`.

    Parameters
    ----------
    chain
        The network.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.parts = tuple(map(part_info, chain.parts))

    def predict(self, x: Tensor) -> Tensor:
        """Give the scores (B, n)."""
        return torch.from_numpy(self._chain.predict(self._array(x)))

    def values(self, x: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
        """Give parts by name, of one run."""
        found = self._chain.values(self._array(x), names)
        return {name: torch.from_numpy(one) for name, one in found.items()}

    def resume(self, start: str | None, value: Tensor, end: str) -> Tensor:
        """Run on from one part, or the input, to another."""
        return torch.from_numpy(self._chain.resume(start, self._array(value), end))

    def pull(self, start: str | None, value: Tensor, end: str, cotangent: Tensor) -> Tensor:
        """Send gradients (K, B, ...) by one part back to another."""
        found = self._chain.pull(start, self._array(value), end, self._array(cotangent))
        return torch.from_numpy(found)

    def _array(self, tensor: Tensor) -> NDArray[Any]:
        return np.ascontiguousarray(tensor.detach().cpu().numpy().astype(self._chain.dtype, copy=False))


def part_info(spec: PartSpec) -> PartInfo:
    """Say of a part what layers are asked for."""
    return PartInfo(spec.name, _layout(spec), spec.convolves, spec.dense)


def _layout(spec: PartSpec) -> Layout | None:
    if not spec.order:
        return None
    if len(spec.order) == 3 and spec.order[1] == 2:
        return Layout("tokens-first" if spec.order[0] else "tokens", spec.sides, spec.prefix)
    return Layout("channels-last") if spec.order[1] != 1 else Layout()
