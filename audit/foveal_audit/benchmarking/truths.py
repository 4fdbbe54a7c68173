"""What was planted, as ``truth.json`` says it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from foveal_audit.planting.canvas import Mask
from foveal_audit.planting.masks import decode_mask

#: Networks that learned something. What moves the others' answers is nothing that they rely on.
_LEARNED = ("usual", "debiased")


@dataclass(frozen=True)
class Factor:
    """A mark or a part of the task, and what switching it does to the network.

    Attributes
    ----------
    role
        ``artefact``, ``outcome`` (a mark that is the outcome) or ``core`` (a part of the task).
    effects
        Per class the change of its logit, in standard deviations.
    relied
        Whether a network that learned something relies on it.
    """

    name: str
    role: str
    kind: str
    relied: bool
    effects: tuple[float, ...]

    @property
    def is_artefact(self) -> bool:
        """Whether relying on it is wrong."""
        return self.role == "artefact"


@dataclass(frozen=True)
class Extent:
    """Where a factor shows in a sample.

    Attributes
    ----------
    mask
        Its pixels, bool (64, 64); one at least.
    box
        The smallest that holds them, y0, x0, y1, x1.
    """

    mask: Mask
    box: tuple[int, int, int, int]

    @classmethod
    def of(cls, mask: Mask) -> Extent:
        """Find the box of a mask."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        return cls(mask, (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1))


@dataclass(frozen=True)
class Sample:
    """A sample's class, the gap that it belongs to, and where each factor shows."""

    outcome: int
    source: str
    gap: int | None
    encoded: Mapping[str, str]

    @cached_property
    def extents(self) -> dict[str, Extent]:
        """Per factor of which a pixel is there where it shows: worked out once for all that is scored."""
        masks = {name: decode_mask(text) for name, text in self.encoded.items()}
        return {name: Extent.of(mask) for name, mask in masks.items() if mask.any()}

    def __reduce__(self) -> tuple[type[Sample], tuple[object, ...]]:
        """Travel between processes without what is worked out."""
        return Sample, (self.outcome, self.source, self.gap, self.encoded)


@dataclass(frozen=True)
class Truth:
    """All that is known about a case."""

    case: Mapping[str, Any]
    outcomes: tuple[str, ...]
    accuracy: float
    factors: tuple[Factor, ...]
    gap_kinds: tuple[str, ...]
    samples: Mapping[str, Sample]

    @property
    def artefacts(self) -> list[Factor]:
        """The artefacts that the network relies on."""
        return [factor for factor in self.factors if factor.is_artefact and factor.relied]

    @property
    def is_clean(self) -> bool:
        """Whether flagging anything is wrong."""
        return not self.artefacts

    def gap_members(self, number: int) -> frozenset[str]:
        """Name the production samples of a gap."""
        found = (
            name for name, one in self.samples.items() if one.gap == number and one.source == "production"
        )
        return frozenset(found)

    def prevalence(self, factor: str, outcome: int) -> float:
        """Give the share of a class's samples that show a factor."""
        own = [factor in one.encoded for one in self.samples.values() if one.outcome == outcome]
        return float(np.mean(own)) if own else 0.0


def read_planted(path: Path) -> Truth:
    """Read ``truth.json``."""
    content = json.loads(path.read_text())
    return Truth(
        case=content["case"],
        outcomes=tuple(content["outcomes"]),
        accuracy=content["accuracy"],
        factors=tuple(_factor(one, content["case"]["learning"]) for one in content["factors"]),
        gap_kinds=tuple(gap["kind"] for gap in content["gaps"]),
        samples={name: _sample(one) for name, one in content["samples"].items()},
    )


def _factor(record: Mapping[str, Any], learning: str) -> Factor:
    effects: Sequence[float] = record["effects"]
    relied = record["relied"] and learning in _LEARNED
    return Factor(record["factor"], record["role"], record["kind"], relied, tuple(effects))


def _sample(record: Mapping[str, Any]) -> Sample:
    return Sample(record["outcome"], record["source"], record["gap"], record["masks"])
