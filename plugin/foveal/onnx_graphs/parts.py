"""A tensor at which a network can be cut, as the layer by which people and libraries name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class PartSpec:
    """A tensor that everything passes on its way from the samples to the scores.

    Attributes
    ----------
    name
        As a layer: letters, digits and underscores.
    tensor
        Its name in the file.
    order, sides, prefix
        How it is read as (B, C, *S), see :class:`~foveal.onnx_graphs.grids.Grid`; empty without positions.
    convolves
        Whether features are made at its resolution.
    dense
        Whether a fully connected layer gives it.
    batch_axis
        Which of its axes is the batch.
    """

    name: str
    tensor: str
    order: tuple[int, ...] = ()
    sides: tuple[int, ...] = ()
    prefix: int = 0
    convolves: bool = False
    dense: bool = False
    batch_axis: int = 0

    @property
    def mixes(self) -> bool:
        """Whether new features are made here: by a convolution, or among tokens."""
        return self.convolves or self.order[1:2] not in ((), (1,))

    def to_mapping(self) -> dict[str, Any]:
        """Write it down as JSON takes it."""
        return asdict(self)

    @classmethod
    def from_mapping(cls, known: Mapping[str, Any]) -> PartSpec:
        """Read what :meth:`to_mapping` wrote."""
        return cls(**{**known, "order": tuple(known["order"]), "sides": tuple(known["sides"])})
