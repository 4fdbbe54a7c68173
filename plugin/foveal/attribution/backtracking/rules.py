"""How a rule is written, and the choices that the paper leaves open."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from foveal.attribution.backtracking.carried import Carried
from foveal.attribution.backtracking.steps import Ref, Step, Tensors
from foveal.attribution.functions import Call
from foveal.errors import UsageError

#: Channels that a convolution's node comes from: Fig. 4 and the text of the paper follow the one with the
#: largest sum, Algorithm 2 follows every one whose sum is positive.
Channels = Literal["argmax", "positive"]


@dataclass(frozen=True)
class Choices:
    """What the paper leaves open.

    Attributes
    ----------
    top_n
        How many nodes a fully connected layer keeps of those that contribute; None keeps all.
    entry_n
        The same for the first fully connected layer, which stands on the grid.
    channels
        Which channels a convolution follows.
    bias
        Add the bias to every contribution, as Algorithms 1 and 2 print.

    Raises
    ------
    UsageError
        If a choice is out of range.
    """

    top_n: int | None = 5
    entry_n: int | None = None
    channels: Channels = "argmax"
    bias: bool = False

    def __post_init__(self) -> None:
        for name in ("top_n", "entry_n"):
            number = getattr(self, name)
            if number is not None and (not isinstance(number, int) or number < 1):
                raise UsageError(f"{name} is {number!r}", "Give a whole number from 1, or None for all")
        if self.channels not in ("argmax", "positive"):
            raise UsageError(f"channels is {self.channels!r}", "Choose argmax or positive")


#: A call, and what is known of tensors so far, to those
#: that its nodes may come from, the main one first; none where it cannot be followed.
Sources: TypeAlias = Callable[[Call, Tensors], "tuple[Ref, ...]"]
#: A step and nodes of its result (by number) to nodes of its sources.
Follow: TypeAlias = Callable[[Step, int, Carried, Choices], "list[tuple[Ref, Carried]]"]


@dataclass(frozen=True)
class Rule:
    """How nodes go back through one kind of operation.

    Attributes
    ----------
    sources
        Where nodes may come from.
    follow
        Where they do come from.
    keeps
        Tensors whose values the rule compares.
    moves
        Whether the operation only puts numbers elsewhere; such keep their gradient graph.
    """

    sources: Sources
    follow: Follow
    keeps: Sources
    moves: bool = False


def nothing(_call: Call, _tensors: Tensors) -> tuple[Ref, ...]:
    """Keep no values."""
    return ()


def first(call: Call, _tensors: Tensors) -> tuple[Ref, ...]:
    """Come from the first tensor."""
    source = call.values.get("input", call.args[0] if call.args else call.kwargs.get("input"))
    return (source,) if isinstance(source, Ref) else ()
