"""The full plan: every kind on every task, every control on every task, mirrored pairs, all tiers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

from foveal_audit.benchmarking.plans import Plan, Trial
from foveal_audit.benchmarking.planted import mark, mirrored, outcome_mark
from foveal_audit.planting.case import Case, Gap, Sizes
from foveal_audit.planting.learning import NETWORKS
from foveal_audit.planting.making import TIERS
from foveal_audit.planting.marks.kinds import KINDS, PLACED
from foveal_audit.planting.marks.placing import PLACINGS
from foveal_audit.planting.tasks import TASKS

_CONTROLS: tuple[tuple[str, dict[str, object]], ...] = (
    ("no artefact", {}),
    ("locked genuine", {"layout": "locked"}),
    ("border-touching genuine", {"layout": "border"}),
    ("genuine emblem", {"marks": (outcome_mark("logo", "random"),)}),
    ("text is the class", {"marks": (outcome_mark("text", "jitter"),)}),
    ("date is the class", {"marks": (outcome_mark("date", "corner"),)}),
    ("rare subtype", {"rare": 0.02}),
    ("balanced", {"marks": (mark("marker", "fixed", "none", prevalence=0.4),)}),
    ("site without class", {"marks": (mark("text", "fixed", "site", prevalence=0.35),)}),
    ("debiased", {"marks": (mark("band-aid", "corner"),), "learning": "debiased"}),
    ("hardly there", {"marks": (mark("marker", "random", prevalence=0.02, opacity=0.3, area=0.01),)}),
    ("random weights", {"marks": (mark("marker", "fixed"),), "learning": "none"}),
    ("permuted labels", {"marks": (mark("ruler", "corner"),), "learning": "permuted"}),
)
_FULL_SIZES = Sizes(training=2000, production=1000, oracle=300, epochs=8)
_GAPS: tuple[tuple[Gap, ...], ...] = (
    (), (Gap("removed", 0.05),), (), (Gap("under-represented", 0.1),), (), (Gap("style", 0.05),), (),
    (Gap("intruders", 0.03),), (), (Gap("conjunction", 0.1),), (), (Gap("concept", 0.05),), (),
    (Gap("removed", 0.05), Gap("style", 0.05)),
)  # fmt: skip
_DECOYS: tuple[tuple[str, ...], ...] = ((), ("prior",), ("duplicates",), ("jitter",), ("more-rare",))
_ROUNDS = 2


def _planted() -> Iterator[tuple[str, str, dict[str, object]]]:
    """Give name, task and fields of the cases with a mark: every kind on every task, all else in turn."""
    placings, turns = cycle(PLACINGS), cycle(("class", "site~class", "class"))
    prevalences, leaks = cycle((0.7, 0.5, 0.25, 0.9, 0.1)), cycle((0.03, 0.0, 0.1))
    spots = cycle(((0.0, 1.0), (1.0, 0.0), (0.5, 0.5), (0.0, 0.5), (1.0, 1.0), (0.3, 0.7)))
    looks, gaps = cycle(((1.0, 0.04), (0.7, 0.08), (1.0, 0.02), (0.5, 0.04))), cycle(_GAPS)
    for turn in range(_ROUNDS):
        for kind in KINDS:
            for task in TASKS:
                placing = next(placings) if kind in PLACED else "fixed"
                opacity, area = next(looks)
                one = mark(
                    kind, placing, next(turns), prevalence=next(prevalences), leak=next(leaks),
                    opacity=opacity, area=area, at=next(spots),
                )  # fmt: skip
                yield f"{kind}-{placing}-{task}-{turn}", task, {"marks": (one,), "gaps": next(gaps)}


def _crowds() -> Iterator[tuple[str, str, dict[str, object]]]:
    """Give cases with two to four marks at a time, for one class after the other."""
    kinds, placings = cycle(PLACED), ("fixed", "random", "object", "corner")
    for task in TASKS:
        for number in (2, 3, 4):
            marks = tuple(
                mark(next(kinds), placing, target=place % 3, prevalence=0.6)
                for place, placing in enumerate(placings[:number])
            )
            yield f"{number}-marks-{task}", task, {"marks": marks}


def _controls() -> Iterator[tuple[str, str, dict[str, object]]]:
    gaps, decoys = cycle(_GAPS), cycle(_DECOYS)
    for control, fields in _CONTROLS:
        for task in TASKS:
            extra = {"control": control, "gaps": next(gaps), "decoys": next(decoys)}
            yield f"{control.replace(' ', '-')}-{task}", task, {**fields, **extra}


def _pairs() -> Iterator[tuple[str, str, dict[str, object]]]:
    for task in TASKS:
        for role in ("artefact", "outcome"):
            yield f"mirrored-{role}-{task}", task, {"marks": mirrored(role), "control": "mirrored"}


def _full() -> Iterator[Trial]:
    networks = cycle(NETWORKS)
    for seed, (name, task, fields) in enumerate((*_planted(), *_crowds(), *_controls())):
        case = Case(name, task, next(networks), seed, sizes=_FULL_SIZES, **fields)  # type: ignore[arg-type]
        yield Trial(case, tuple(TIERS))
    # The two of a pair share seed and network: the same pixels, the same weights.
    for number, (name, task, fields) in enumerate(_pairs()):
        network, seed = NETWORKS[number // 2 % len(NETWORKS)], 900 + number // 2
        case = Case(name, task, network, seed, sizes=_FULL_SIZES, **fields)  # type: ignore[arg-type]
        yield Trial(case, tuple(TIERS))


FULL = Plan("full", tuple(_full()))
