"""The smoke plan: every kind but one once, every control, gap and decoy, in minutes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from foveal_audit.benchmarking.plans import Plan, Trial
from foveal_audit.benchmarking.planted import mark, mirrored, outcome_mark
from foveal_audit.planting.case import Case, Gap

_THREE = (
    mark("marker", "fixed", target=0, prevalence=0.45, at=(1.0, 0.5)),
    mark("logo", "corner", target=1, prevalence=0.45),
    mark("text", "random", target=2, prevalence=0.45),
)

#: Task, network, tier and the fields of each case. Tasks and networks come up about equally often.
_CASES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "ruler-fixed": (
        "lesions", "resnet8", "C",
        {"marks": (mark("ruler", "fixed", "site~class"),), "gaps": (Gap("removed"),)},
    ),
    "text-jitter": (
        "nodules", "patent", "A",
        {"marks": (mark("text", "jitter", at=(0.4, 0.3)),), "gaps": (Gap("style"),)},
    ),
    "logo-random": ("parts", "resnet8", "B", {"marks": (mark("logo", "random"),)}),
    "bandaid-object": (
        "textile", "mobile", "A",
        {"marks": (mark("band-aid", "object"),), "layout": "border"},
    ),
    "date-corner": (
        "digits", "mobile", "B",
        {"marks": (mark("date", "corner", area=0.06),), "gaps": (Gap("under-represented", 0.1),)},
    ),
    "watermark": (
        "aerial", "resnet8", "C",
        {"marks": (mark("watermark", association="site~class"),), "gaps": (Gap("concept"),)},
    ),
    "hair": (
        "lesions", "mobile", "B",
        {"marks": (mark("hair"),), "gaps": (Gap("removed", 0.06), Gap("intruders", 0.06))},
    ),
    "border": ("nodules", "resnet8", "C", {"marks": (mark("border", association="site~class"),)}),
    "tint": ("parts", "mobile", "C", {"marks": (mark("tint", association="site~class"),)}),
    "banding": ("textile", "resnet8", "A", {"marks": (mark("banding"),), "layout": "border"}),
    "noise": ("digits", "resnet8", "B", {"marks": (mark("noise"),)}),
    "blur": (
        "nodules", "mobile", "A",
        {"marks": (mark("blur"),), "layout": "border", "gaps": (Gap("removed"),)},
    ),
    "three-marks": ("aerial", "patent", "B", {"marks": _THREE}),
    "mirrored-site": ("aerial", "mobile", "C", {"marks": mirrored("artefact"), "control": "mirrored"}),
    "mirrored-outcome": ("aerial", "mobile", "C", {"marks": mirrored("outcome"), "control": "mirrored"}),
    "nothing": (
        "lesions", "resnet8", "A",
        {"gaps": (Gap("conjunction", 0.1),), "control": "no artefact"},
    ),
    "locked": ("textile", "mobile", "B", {"layout": "locked", "control": "locked genuine"}),
    "emblem": (
        "parts", "mobile", "A",
        {"marks": (outcome_mark("logo", "random"),), "control": "genuine emblem"},
    ),
    "text-outcome": (
        "digits", "resnet8", "C",
        {"marks": (outcome_mark("text", "jitter"),), "control": "text is the class"},
    ),
    "balanced": (
        "aerial", "resnet8", "B",
        {
            "marks": (mark("marker", "jitter", "none", prevalence=0.4),),
            "decoys": ("duplicates", "jitter"),
            "control": "balanced",
        },
    ),
    "site-alone": (
        "nodules", "mobile", "C",
        {
            "marks": (mark("text", "fixed", "site", prevalence=0.35),),
            "decoys": ("prior",),
            "control": "site without class",
        },
    ),
    "debiased": (
        "lesions", "mobile", "A",
        {
            "marks": (mark("band-aid", "corner"),),
            "decoys": ("more-rare",),
            "learning": "debiased",
            "control": "debiased",
        },
    ),
    "random-weights": (
        "digits", "patent", "B",
        {"marks": (mark("marker", "fixed"),), "learning": "none", "control": "random weights"},
    ),
    "permuted": (
        "textile", "resnet8", "A",
        {"marks": (mark("ruler", "corner"),), "learning": "permuted", "control": "permuted labels"},
    ),
    "border-rare": (
        "parts", "patent", "A",
        {"layout": "border", "rare": 0.03, "gaps": (Gap("intruders"),), "control": "border and rare subtype"},
    ),
}  # fmt: skip


def _trials() -> Iterator[Trial]:
    """Give every case its seed; the two of a mirrored pair share one, so that their pixels are equal."""
    names = list(_CASES)
    for name, (task, network, tier, fields) in _CASES.items():
        seed = names.index("mirrored-site" if name.startswith("mirrored") else name)
        yield Trial(Case(name, task, network, seed, **fields), (tier,))


SMOKE = Plan("smoke", tuple(_trials()))
