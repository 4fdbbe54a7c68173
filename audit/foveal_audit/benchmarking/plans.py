"""What the benchmark runs: cases, the information that comes with each, and what is held out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from foveal_audit.planting.case import Case
from foveal_audit.settings import QUICK, AuditSettings

#: Seeds from here on are for measuring alone: nothing may be tuned on their cases.
HELD_OUT = 10_000
#: Findings and coverage need no generator.
_SETTINGS = replace(QUICK, generators=0, nodes=4)


@dataclass(frozen=True)
class Trial:
    """A case and the tiers of information with which it is audited."""

    case: Case
    tiers: tuple[str, ...]

    @property
    def folder(self) -> str:
        """Name its folders."""
        return f"{self.case.name}-{self.case.seed}"


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes
    ----------
    trials
        Cases with their tiers.
    settings
        Of the audit; its seed is the case's.
    """

    name: str
    trials: tuple[Trial, ...]
    settings: AuditSettings = _SETTINGS

    def with_seed(self, seed: int, *, held_out: bool = False) -> Plan:
        """Shift the seeds of all cases; the held-out range is apart from the one for tuning."""
        offset = seed * 1000 + (HELD_OUT * 1000 if held_out else 0)
        moved = (replace(one, case=replace(one.case, seed=one.case.seed + offset)) for one in self.trials)
        return replace(self, trials=tuple(moved))

    def with_tier(self, tier: str) -> Plan:
        """Audit every case with one tier's information."""
        return replace(self, trials=tuple(replace(one, tiers=(tier,)) for one in self.trials))

    def only(self, names: Collection[str]) -> Plan:
        """Keep the cases that have one of the names: of a case, a task, a network, or what is planted."""
        return replace(self, trials=tuple(one for one in self.trials if names_of(one.case) & set(names)))

    def without(self, names: Collection[str]) -> Plan:
        """Leave those cases out: what is tuned on this plan is measured on ``only`` of the same names."""
        return replace(self, trials=tuple(one for one in self.trials if not names_of(one.case) & set(names)))


def names_of(case: Case) -> set[str]:
    """Give all names by which a case can be chosen."""
    return {case.name, case.task, case.network, *case.kinds}
