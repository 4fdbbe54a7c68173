"""A segmentation network as a classifier of what it found; its layers keep their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from foveal.capture.choosing import choose_last_features
from foveal.capture.inputs import Batch
from foveal.capture.outputs import Selector, select
from foveal.errors import UsageError
from foveal.segmenting.scores import by_class, scores


class Segmented(NamedTuple):
    """What a segmentation network gives.

    Attributes
    ----------
    scores
        How much of every class was found (B, n); see :mod:`foveal.segmenting.scores`.
    output
        The network's own output (B, n, *S), as without us.
    """

    scores: Tensor
    output: Tensor


class Segmenter(nn.Module):
    """The façade of a network whose output has positions.

    Its modules, parameters and buffers are the network's own, under their own names.

    Parameters
    ----------
    network
        From (B, C, *S) to logits (B, n, *S'), or something that holds them.
    background
        The class that stands for nothing found; None where there is none.
    output
        Where the logits are, see :func:`foveal.capture.outputs.select`.
    whole
        Give :class:`Segmented` instead of the scores alone.
    """

    def __init__(
        self,
        network: nn.Module,
        background: int | None = 0,
        *,
        output: Selector = None,
        whole: bool = False,
    ) -> None:
        super().__init__()
        self.__dict__["network"] = network  # past Module, which would put a prefix before every name
        for shared in ("_modules", "_parameters", "_buffers"):
            self.__dict__[shared] = network.__dict__[shared]
        self.background, self._selector, self._whole = background, output, whole
        self.training = network.training

    def train(self, mode: bool = True) -> Segmenter:
        """Switch the network too."""
        self.__dict__["network"].train(mode)
        self.training = mode
        return self

    def forward(self, x: Tensor) -> Tensor | Segmented:
        """Predict.

        Raises
        ------
        UsageError
            If the network's output has no positions, or not the class that is to be the background.
        """
        output = self.output(x)
        logits = by_class(output)
        self._check(output, logits.shape[1])
        found = scores(logits, self.background)
        return Segmented(found, output) if self._whole else found

    def output(self, x: Tensor) -> Tensor:
        """Give the network's own logits (B, n, *S)."""
        return select(self.__dict__["network"](x), self._selector)

    @property
    def spreading(self) -> Callable[[], nn.Module | None] | None:
        """See :class:`foveal.capture.parted.Parted`."""
        found: Callable[[], nn.Module | None] | None = getattr(self.__dict__["network"], "spreading", None)
        return found

    @property
    def fields(self) -> Sequence[Mapping[str, Any]] | None:
        """See :class:`foveal.capture.parted.Parted`."""
        found: Sequence[Mapping[str, Any]] | None = getattr(self.__dict__["network"], "fields", None)
        return found

    def pinned(self, which: str, x: Batch) -> str:
        """Choose the layer of maps and of nodes: the last features before the scores of the positions.

        A network that comes cut at one place (TorchScript) has no other.
        """
        own = getattr(self.__dict__["network"], "pinned", None)
        return (own or {}).get(which) or choose_last_features(self, x)

    def _check(self, output: Tensor, classes: int) -> None:
        if output.ndim < 3:
            raise UsageError(
                f"The network's output is {tuple(output.shape)}, without positions",
                "Give a segmentation network, or leave 'segmentation' out of its settings",
            )
        if self.background is not None and not 0 <= self.background < classes:
            raise UsageError(
                f"Class {self.background} is to be the background of {classes} classes",
                f"Give a number from 0 to {classes - 1}, or null where there is none",
            )
