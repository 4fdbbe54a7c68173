"""What is remembered of each ReLU call from one forward of a model to the next, by the calls' order."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from foveal.errors import UsageError


@dataclass
class CallMemory:
    """A tensor for each ReLU call; modules that are called twice have two.

    Attributes
    ----------
    kept
        By call, in the order of the forward.
    position
        Of the next call.
    """

    kept: list[Tensor] = field(default_factory=list)
    position: int = 0

    def start(self) -> None:
        """Begin another forward."""
        self.position = 0

    def recall(self, first: Tensor) -> tuple[int, Tensor]:
        """Give the next call's position and what is kept for it; in the first forward, keep that.

        Raises
        ------
        UsageError
            If the call's shape is another than in the forward before.
        """
        position = self.position
        self.position += 1
        if position == len(self.kept):
            self.kept.append(first)
        kept = self.kept[position]
        if kept.shape != first.shape:
            raise UsageError(
                f"ReLU call {position} of the model has shape {tuple(first.shape)} after {tuple(kept.shape)}",
                "Choose a method that needs one forward, such as gradcam or guided-backprop",
            )
        return position, kept
