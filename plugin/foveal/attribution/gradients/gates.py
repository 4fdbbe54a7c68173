"""Sigmoids that weigh features, as in squeeze-and-excitation: constant for methods that know ReLU only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from foveal.attribution.functions import Call, Handler


class Gates:
    """Recognise sigmoids whose result is multiplied with features, and hold them constant.

    What a gate lets through is the evidence, that it was open is not: as a max-pool's switches, it is taken
    as the forward left it. A sigmoid put to any other use goes to `refuse`, and so does ``h * sigmoid(h)``,
    which is SiLU written out.

    Parameters
    ----------
    refuse
        Computes an operation so that no gradient may pass through its result.
    """

    def __init__(self, refuse: Handler) -> None:
        self._refuse = refuse
        self._gates: list[tuple[Tensor, Tensor]] = []

    def sigmoid(self, call: Call) -> Tensor:
        """Compute a sigmoid and remember what it gave, and of what."""
        result: Tensor = self._refuse(call)
        self._gates.append((call.input, result) if call.in_place else (result, call.input))
        return result

    def multiply(self, call: Call) -> Any:  # noqa: ANN401 - whatever the operation gives
        """Compute a product; a factor that is a gate gets no gradient."""
        left, right = call.values.get("input"), call.values.get("other")
        if self._weighs(right, left):
            return _product(call, left, _constant(right))
        if self._weighs(left, right) and not call.in_place:
            return _product(call, _constant(left), right)
        return call.plain()

    def _weighs(self, gate: object, features: object) -> bool:
        """Tell whether one factor is a gate, or a view of one, and the other not what it was made of."""
        if not (isinstance(gate, Tensor) and isinstance(features, Tensor)):
            return False
        whole = gate if gate._base is None else gate._base
        return any(whole is made and features is not source for made, source in self._gates)


def _constant(gate: object) -> object:
    return gate.detach() if isinstance(gate, Tensor) else gate


def _product(call: Call, left: object, right: object) -> Any:  # noqa: ANN401 - whatever the operation gives
    return replace(call, function=torch.mul, args=(left, right), kwargs={}).plain()
