"""The way back: nodes are carried from the units through every operation to the input."""

from __future__ import annotations

from collections import defaultdict

import torch

from foveal.attribution.backtracking.carried import Carried, join, none
from foveal.attribution.backtracking.pixels import Backtrack
from foveal.attribution.backtracking.rules import Channels, Choices
from foveal.attribution.backtracking.starting import record
from foveal.attribution.backtracking.steps import Ref
from foveal.attribution.backtracking.tape import RULES, Tape
from foveal.attribution.subject import Subject
from foveal.errors import UsageError


def backtrack(
    subject: Subject,
    *,
    top_n: int | None = 5,
    entry_n: int | None = None,
    channels: Channels = "argmax",
    bias: bool = False,
) -> Backtrack:
    """Carry every unit of a subject back to the pixels that activated it ("How you see me").

    A node of a fully connected layer comes from the nodes that contribute most to it (weight times
    activation), a node of a convolution from the channel that contributes most and there from the place
    that does, a node of a max-pool from the largest of its window. At a sum of branches (residual networks)
    the branch with the larger value at the node is followed, at a concatenation (dense networks) the branch
    that owns the channel. Normalisations are folded into the weights before them: a negative scale turns what
    a node matters by, and so does a negative activation; in networks of rectifiers all is as in the paper.
    Nodes to which nothing contributes end there.

    Parameters
    ----------
    subject
        Model, batch and units.
    top_n
        How many nodes a fully connected layer keeps of those that contribute positively; None keeps all.
    entry_n
        The same for the first fully connected layer, which stands on the grid or the input.
    channels
        ``argmax`` follows the channel that contributes most to a convolution's node (text and Fig. 4 of the
        paper), ``positive`` each that contributes positively (its Algorithm 2).
    bias
        Add the bias to every single contribution, as Algorithms 1 and 2 print.

    Returns
    -------
    Backtrack
        The important pixels of every sample and unit.

    Raises
    ------
    UsageError
        If a choice is out of range, the input has no grid, or the units come through an operation that
        cannot be followed (attention, recurrence, ...), which is named.
    """
    choices = Choices(top_n, entry_n, channels, bias)
    if subject.x.ndim < 3:
        raise UsageError(
            f"The input of shape {tuple(subject.x.shape)} has no pixels",
            "Give samples as (batch, channels, ...)",
        )
    tape, starts = record(subject)
    with torch.inference_mode(False), torch.no_grad():
        _check(tape, starts)
        found = _trace(tape, starts, choices)
    return Backtrack.of(found, tuple(subject.x.shape), subject.count)


def _check(tape: Tape, starts: dict[Ref, list[Carried]]) -> None:
    """Refuse a network by its operations alone, so that no input slips through."""
    seen, waiting = {0}, [ref.step for ref in starts]
    while waiting:
        number = waiting.pop()
        if number not in seen:
            seen.add(number)
            waiting += [ref.step for ref in tape.sources(tape.steps[number])]


def _trace(tape: Tape, starts: dict[Ref, list[Carried]], choices: Choices) -> Carried:
    """Go through the forward's steps from the last to the first, all nodes of a tensor at once."""
    waiting: defaultdict[Ref, list[Carried]] = defaultdict(
        list, {ref: list(all_) for ref, all_ in starts.items()}
    )
    for number in range(len(tape.steps) - 1, 0, -1):
        step = tape.steps[number]
        for output, shape in enumerate(step.shapes):
            carried = join(waiting.pop(Ref(number, output), []), shape.numel())
            if len(carried):
                for ref, part in RULES[step.call.operation].follow(step, output, carried, choices):
                    waiting[ref].append(part)
    parts = waiting.pop(Ref(0, 0), [])
    return join(parts, tape.steps[0].shapes[0].numel()) if parts else none(tape.tensors.device)
