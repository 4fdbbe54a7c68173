"""What a method explains: a model, a batch, and the units whose values it answers for."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn


class Subject(Protocol):
    """A model seen from a method: input in, values of the explained units out.

    The units are fixed on the batch: where ``top`` is explained, each sample keeps the class that was
    predicted for the unchanged sample. Further inputs of the model, if it has any, are held still.

    Attributes
    ----------
    model
        The network, in eval mode. A method changes nothing about it.
    x
        The batch (B, C, *S) whose evidence is sought: the model's first input. Detached.
    output
        The model's prediction for it (B, n) or (B, n, *S). Detached.
    count
        K, the number of units.
    layer
        Where methods that need a layer work, by name; None where the method's maps lie on the input.
    seed
        Seeds whatever a method draws, so that the same request gives the same map.
    training
        Samples (N, C, *S) as the model takes them, for methods that need data; None where none were given.
    """

    model: nn.Module
    x: Tensor
    output: Tensor
    count: int
    layer: str | None
    seed: int
    training: Tensor | None

    def scores(self, x: Tensor) -> Tensor:
        """Run the model on x (R * B, C, *S), repetitions of the batch one after the other.

        Runs in the caller's gradient mode and under the caller's function modes.

        Returns
        -------
        Tensor
            Values (R * B, K) of the units: logits of classes, values of nodes.
        """
        ...

    def probabilities(self, x: Tensor) -> Tensor:
        """Run the model as :meth:`scores` does; classes as probabilities, nodes as they are: (R * B, K)."""
        ...

    def gradients(self, x: Tensor | None = None, *, layer: str | None = None) -> tuple[Tensor, Tensor]:
        """Differentiate the units by the input or by a layer's output.

        Function modes that are active around the call hold for its forward, so that a method changes the
        backward by replacing operations.

        Parameters
        ----------
        x
            What to run instead of the batch (R * B, C, *S).
        layer
            Differentiate by this layer's output (as a grid) instead of the input.

        Returns
        -------
        Tensor
            Values (R * B, C, *S) of the input or layer, detached.
        Tensor
            Gradients (R * B, K, C, *S), detached, in the values' own precision.
        """
        ...
