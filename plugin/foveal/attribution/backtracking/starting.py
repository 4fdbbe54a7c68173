"""Where backtracking begins: the nodes next to a unit's value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor

from foveal.attribution.backtracking.carried import Carried
from foveal.attribution.backtracking.steps import Ref
from foveal.attribution.backtracking.tape import Tape
from foveal.attribution.functions import check_visible
from foveal.attribution.subject import Subject
from foveal.errors import UsageError

#: Gradients that differ by less than this part of the largest are equal, as those of a mean are.
_TIE = 1e-6


def record(subject: Subject) -> tuple[Tape, dict[Ref, list[Carried]]]:
    """Run a subject's forward on a tape, and find the nodes that its units' values are made of.

    The gradient of a value names the tensor next to the unit, and the nodes in it: the logit itself, the
    node of a layer, every position of a channel that is averaged. Of the nodes with the largest gradient,
    that with the largest value is taken. Where no gradient is positive (a single logit that speaks for
    class 0), the most negative one counts, and its node matters by being small.

    Returns
    -------
    Tape
        The forward.
    dict
        Per tensor of the forward its nodes; one node per sample, unit and tensor at most.

    Raises
    ------
    UsageError
        If a part of the model hides its operations, or a unit does not come from the input on ways that the
        tape sees.
    """
    check_visible(subject.model)
    tape, pulled = _run(subject)
    unsure = {ref for one in pulled for ref, gradient in one.items() if _ambiguous(gradient)}
    if not unsure <= set(tape.tensors.kept):
        tape, pulled = _run(subject, unsure)
    starts: dict[Ref, list[Carried]] = defaultdict(list)
    for unit, one in enumerate(pulled):
        for ref, gradient in one.items():
            starts[ref].append(_nodes(gradient, tape.tensors.kept.get(ref), unit))
    return tape, dict(starts)


def _run(subject: Subject, wanted: Iterable[Ref] = ()) -> tuple[Tape, list[dict[Ref, Tensor]]]:
    with torch.inference_mode(False), torch.enable_grad():
        tape = Tape(subject.x, wanted)
        with tape:
            values = subject.scores(tape.x)
        return tape, [_pull(tape, values, unit) for unit in range(subject.count)]


def _pull(tape: Tape, values: Tensor, unit: int) -> dict[Ref, Tensor]:
    pulled = tape.pull(values[:, unit].sum())
    if not pulled:
        raise UsageError(
            f"Unit {unit} does not come from the input by operations that backtracking sees",
            "Give an eager network, and a unit that depends on the input",
        )
    for gradient in pulled.values():
        if gradient.shape[:1] != values.shape[:1]:
            raise UsageError(
                f"Unit {unit} is made of a tensor of shape {tuple(gradient.shape)} for {len(values)} samples",
                "Choose a unit whose layer gives one row per sample",
            )
    return pulled


def _equal(gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Mark in every row the largest gradients (B, n), and say which way they point (B, 1)."""
    rows = gradient.reshape(len(gradient), -1)
    signs = torch.where((rows > 0).any(1, keepdim=True), 1, -1)
    directed = rows * signs
    largest = directed.amax(1, keepdim=True)
    return (directed > 0) & (directed >= largest * (1 - _TIE)), signs


def _ambiguous(gradient: Tensor) -> bool:
    return bool((_equal(gradient)[0].sum(1) > 1).any())


def _nodes(gradient: Tensor, values: Tensor | None, unit: int) -> Carried:
    equal, signs = _equal(gradient)
    worth = torch.zeros_like(gradient) if values is None else values
    directed = worth.reshape(equal.shape) * signs
    best = torch.where(equal, directed, -torch.inf).argmax(1)
    samples = equal.any(1).nonzero()[:, 0]
    positions = samples * equal.shape[1] + best[samples]
    ones = torch.ones(len(samples), dtype=torch.float64, device=samples.device)
    return Carried(torch.full_like(samples, unit), positions, signs[samples, 0], ones)
