"""What a model is called with: one tensor, several, or keywords, and the one among them that is explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from foveal.errors import UsageError

#: A batch as users hand it over: the tensor, a tuple of positional inputs, or a mapping of keywords.
Batch: TypeAlias = Tensor | tuple[Any, ...] | Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Inputs:
    """The arguments of one call of the model.

    Attributes
    ----------
    args, kwargs
        What the model is called with.
    main
        The explained input (B, C, *S): the first floating tensor among them.
    """

    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    main: Tensor

    @classmethod
    def of(cls, batch: Batch) -> Inputs:
        """Read a batch.

        Raises
        ------
        UsageError
            If there is no floating tensor in it.
        """
        return cls.of_call(*_spread(batch))

    @classmethod
    def of_call(cls, args: tuple[object, ...], kwargs: Mapping[str, object]) -> Inputs:
        """Read the arguments of a call; see :meth:`of`."""
        tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
        main = next((tensor for tensor in tensors if tensor.is_floating_point()), None)
        if main is None:
            raise UsageError(
                "The input holds no tensor of floating numbers", "Give the batch as the model takes it"
            )
        return cls(args, kwargs, main)

    def call(self, model: Callable[..., object]) -> object:
        """Run the model, or its ``forward``.

        Tensors made under ``inference_mode`` are copied: autograd cannot use them.
        """
        args = [_usable(value) for value in self.args]
        return model(*args, **{name: _usable(value) for name, value in self.kwargs.items()})

    def with_main(self, x: Tensor) -> Inputs:
        """Put x (R * B, C, *S) in the place of the explained input, the others repeated to match."""
        repetitions = len(x) // max(1, len(self.main))

        def fit(value: object) -> object:
            if value is self.main:
                return x
            if repetitions == 1 or not isinstance(value, Tensor) or value.ndim == 0:
                return value
            return value.repeat(repetitions, *[1] * (value.ndim - 1))

        kwargs = {name: fit(value) for name, value in self.kwargs.items()}
        return Inputs(tuple(fit(value) for value in self.args), kwargs, x)


def _spread(batch: Batch) -> tuple[tuple[object, ...], Mapping[str, object]]:
    if isinstance(batch, Tensor):
        return (batch,), {}
    if isinstance(batch, Mapping):
        return (), dict(batch)
    return tuple(batch), {}


def _usable(value: object) -> object:
    tainted = isinstance(value, Tensor) and value.is_inference() and not torch.is_inference_mode_enabled()
    return value.clone() if isinstance(value, Tensor) and tainted else value
