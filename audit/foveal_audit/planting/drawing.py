"""From a case and a number to a sample: what it shows is decided first, then it is drawn."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from foveal_audit.planting.canvas import Image, Mask
from foveal_audit.planting.case import Case
from foveal_audit.planting.chance import Chance
from foveal_audit.planting.gaps import GAPS
from foveal_audit.planting.marks.changes import CHANGES
from foveal_audit.planting.marks.kinds import Look
from foveal_audit.planting.scene import TONED, Scene, Subtype, Task
from foveal_audit.planting.tasks import TASKS

TRAINING, PRODUCTION, ORACLE = "training", "production", "oracle"

_TONED = 0.25
_PRIOR = (0.7, 0.15, 0.15)
_DUPLICATED, _JITTERED, _MORE = 0.15, 0.5, 4.0
#: How the camera of an unknown site takes pictures.
_STYLE = (Look("tint", opacity=0.9), Look("noise", opacity=0.5))


@dataclass(frozen=True)
class Plan:
    """What one sample shows, before it is drawn.

    Attributes
    ----------
    index
        Whose chance draws it.
    marks
        Per mark of the case whether it is there.
    gap
        Number of the gap that it belongs to, or None.
    """

    source: str
    index: int
    outcome: int
    subtype: str
    factors: frozenset[str]
    marks: tuple[bool, ...]
    site: str
    gap: int | None = None
    task: str = ""
    styled: bool = False
    jittered: bool = False


@dataclass(frozen=True)
class Drawn:
    """A drawn sample: uint8 pixels (64, 64, C), the masks of core factors and marks, the object's mask."""

    pixels: NDArray[np.uint8]
    core: dict[str, Mask]
    marks: dict[int, Mask]
    body: Mask


def plan_sample(case: Case, source: str, index: int) -> Plan:
    """Decide what a sample shows.

    Parameters
    ----------
    source
        ``training``, ``production`` or ``oracle`` (drawn like training, for the truth).
    index
        Its number there.
    """
    if source == PRODUCTION and "duplicates" in case.decoys:
        index = _first_of(case, index)
    task, chance = TASKS[case.task], Chance(case.seed, source, index)
    outcome = _outcome(case, source, chance)
    kind = _subtype(case, task, source, outcome, chance)
    toned = chance.of("toned").uniform() < _TONED and not _is_withheld(case, kind)
    factors = kind.factors | ({TONED} if toned else set())
    marks = tuple(chance.of(f"has {n}").uniform() < mark.odds(outcome) for n, mark in enumerate(case.marks))
    plan = Plan(
        source,
        index,
        outcome,
        kind.name,
        frozenset(factors),
        marks,
        _site(case, marks, chance),
        task=case.task,
    )
    plan = _without_replaced(case, task, plan)
    jittered = (
        source == PRODUCTION and "jitter" in case.decoys and chance.of("jittered").uniform() < _JITTERED
    )
    return replace(_with_gap(case, task, plan, chance), jittered=jittered)


def _first_of(case: Case, index: int) -> int:
    """Let the last samples of production be the first ones again."""
    return index % round(case.sizes.production * (1 - _DUPLICATED))


def _outcome(case: Case, source: str, chance: Chance) -> int:
    shifted = source == PRODUCTION and "prior" in case.decoys
    return int(chance.of("outcome").choice(3, p=_PRIOR if shifted else None))


def _subtype(case: Case, task: Task, source: str, outcome: int, chance: Chance) -> Subtype:
    usual, rare = task.of_role("usual", outcome), task.of_role("rare", outcome)
    more = _MORE if source == PRODUCTION and "more-rare" in case.decoys else 1.0
    if rare and chance.of("rare").uniform() < case.rare * more:
        return rare[0]
    return usual[0]


def _is_withheld(case: Case, kind: Subtype) -> bool:
    """Say whether training must not show a subtype on the toned background."""
    return any(GAPS[gap.kind].scene == "joined" for gap in case.gaps) and kind.outcome == 2


def _site(case: Case, marks: tuple[bool, ...], chance: Chance) -> str:
    """Choose the site: B carries the mark that goes with sites, the others share the rest."""
    rng = chance.of("site")
    tied = [
        there for mark, there in zip(case.marks, marks, strict=True) if mark.association.startswith("site")
    ]
    if any(tied):
        return "B"
    return str(rng.choice(["A", "C"] if tied else ["A", "B", "C"]))


def _without_replaced(case: Case, task: Task, plan: Plan) -> Plan:
    """Where a mark is the outcome and nothing else, draw the scene of another class."""
    own = [
        mark
        for mark in case.marks
        if mark.role == "outcome" and mark.replaces and mark.target == plan.outcome
    ]
    if not own:
        return plan
    plain = task.of_role("usual", (plan.outcome + 1) % 3 if plan.index % 2 else (plan.outcome + 2) % 3)[0]
    return replace(plan, factors=plain.factors | (plan.factors & {TONED}), subtype=plan.subtype)


def _with_gap(case: Case, task: Task, plan: Plan, chance: Chance) -> Plan:
    """Let a sample of production, and seldom one of training, belong to a gap."""
    draw = chance.of("gap").uniform()
    for number, gap in enumerate(case.gaps):
        share = {PRODUCTION: gap.share, TRAINING: GAPS[gap.kind].trained}.get(plan.source, 0.0)
        if draw < share:
            shown = _gap_scene(GAPS[gap.kind].scene, task, plan)
            styled = GAPS[gap.kind].styled
            return replace(shown, gap=number, styled=styled, site="D" if styled else plan.site)
        draw -= share
    return plan


def _gap_scene(scene: str, task: Task, plan: Plan) -> Plan:
    if scene == "strange":
        kind = task.of_role("strange")[0]
        return replace(
            plan, subtype=kind.name, factors=kind.factors | (plan.factors & {TONED}), outcome=kind.outcome
        )
    if scene == "joined":
        kind = task.of_role("usual", 2)[0]
        return replace(plan, subtype=kind.name, factors=kind.factors | {TONED}, outcome=2)
    if scene == "other":
        names = sorted(TASKS)
        other = TASKS[names[(names.index(task.name) + 1) % len(names)]]
        return replace(plan, task=other.name, subtype=other.name, factors=other.of_role("usual")[1].factors)
    return plan


def draw(
    case: Case,
    plan: Plan,
    *,
    on: Collection[int] = (),
    off: Collection[int] = (),
    without: Collection[str] = (),
) -> Drawn:
    """Draw a sample: a function of its arguments alone.

    Parameters
    ----------
    case, plan
        What it shows.
    on, off
        Numbers of marks to put on or leave out whatever the plan says; nothing else changes.
    without
        Core factors to leave out; nothing else changes.
    """
    chance = Chance(case.seed, plan.source, plan.index)
    scene = TASKS[plan.task].paint(chance, plan.factors - set(without), case.layout)
    image = np.clip(_as_colour(scene.pixels, colour=TASKS[case.task].colour), 0, 1)
    shown = [n for n, there in enumerate(plan.marks) if (there or n in on) and n not in off]
    masks: dict[int, Mask] = {}
    for number in shown:
        rng = chance.of(f"mark {number}")
        image, masks[number] = case.marks[number].look.put(rng, image, scene.centre)
    image = _taken(image, plan, chance)
    pixels = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
    return Drawn(pixels, _core(scene, case), masks, scene.body)


def _as_colour(image: Image, *, colour: bool) -> Image:
    """Fit the channels: a picture of another task comes as the case's own do."""
    if image.shape[2] == (3 if colour else 1):
        return image
    return np.repeat(image, 3, axis=2) if colour else image.mean(axis=2, keepdims=True)


def _taken(image: Image, plan: Plan, chance: Chance) -> Image:
    """Take the picture as the site's camera does."""
    if plan.styled:
        for look in _STYLE:
            image = look.put(chance.of(f"style {look.kind}"), image, (0, 0))[0]
    if plan.jittered:
        rng = chance.of("jitter")
        image = CHANGES["jpeg"](rng, np.clip(image * np.float32(rng.uniform(0.97, 1.03)), 0, 1), 0.1)
    return image


def _core(scene: Scene, case: Case) -> dict[str, Mask]:
    return {name: mask for name, mask in scene.masks.items() if name in TASKS[case.task].core}
