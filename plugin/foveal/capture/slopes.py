"""What a Linear's weight says of a prediction, kept from one sample to the next of the same class.

The slope of a prediction takes the whole weight, every number of which has been read once already for the
answer. It depends on the predicted class alone, so that it is made once for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from foveal.capture.targets import Contribution, Target, TopClass

#: Bytes that are kept, of slopes and of rows; where there are more, everything is made anew.
_MOST_BYTES = 8 * 2**20
#: Targets that depend on nothing but which class is predicted.
_OF_THE_CLASS = (Contribution, TopClass)

Key = tuple[type[Target], int, torch.dtype, tuple[int, ...]]


@dataclass(frozen=True, eq=False)
class _Slope:
    """What was made of the weight, and the bytes of the class's own row, by which a change is noticed."""

    made: Tensor
    row: bytes


class Slopes:
    """Keeps what is made of a Linear's weight (n, C) for single samples.

    Batches are left alone: their product may round in its own way, which is not that of a single sample. A
    weight that was exchanged or changed in place is told by its identity, its version, and the row of the
    class in question.
    """

    def __init__(self) -> None:
        self._known: dict[Key, _Slope] = {}
        self._weight: tuple[object, ...] = ()

    def of(
        self,
        target: Target,
        values: Tensor,
        weight: Tensor,
        grid: tuple[int, ...],
        make: Callable[[], Tensor],
    ) -> Tensor:
        """Give what `make` makes, or made when the same class was predicted.

        Parameters
        ----------
        target
            What is differentiated.
        values
            The scores (B, n), detached.
        weight
            The Linear's weight.
        grid
            Whatever else the result depends on.
        """
        if len(values) != 1 or values.shape[1] == 1 or type(target) not in _OF_THE_CLASS:
            return make()
        kept = self._of_this(weight)
        if kept is None:
            return make()
        top = int(values.argmax(1))
        row = weight.detach()[top].numpy().tobytes()
        known = kept.get(key := (type(target), top, values.dtype, grid))
        if known is None or known.row != row:
            if 2 * len(kept) * len(row) >= _MOST_BYTES:
                kept.clear()
            known = kept[key] = _Slope(make(), row)
        return known.made

    def _of_this(self, weight: Tensor) -> dict[Key, _Slope] | None:
        """Give what is known of a weight as it is now; None where its changes cannot be told."""
        plain = type(weight) is nn.Parameter and not weight.is_inference() and weight.is_cpu
        if not plain or weight.dtype not in (
            torch.float32,
            torch.float64,
        ):  # one may be computed at each look
            return None
        now = (id(weight), weight.data_ptr(), weight._version, weight.dtype)
        if now != self._weight:
            self._known, self._weight = {}, now
        return self._known
