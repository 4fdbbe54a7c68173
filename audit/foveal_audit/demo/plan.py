"""How large a demo is."""

from __future__ import annotations

from dataclasses import dataclass

from foveal_audit.settings import QUICK, AuditSettings


@dataclass(frozen=True)
class DemoPlan:
    """Sizes of one demo.

    Attributes
    ----------
    training, production
        Samples made for each.
    epochs
        Passes over the training samples.
    audit
        How thorough the audit is.
    paper
        Whether the bundle gets a ``report.pdf``, which takes seconds.
    """

    training: int
    production: int
    epochs: int
    audit: AuditSettings
    paper: bool = True


FULL_DEMO = DemoPlan(training=4000, production=800, epochs=10, audit=AuditSettings())
QUICK_DEMO = DemoPlan(training=2000, production=400, epochs=12, audit=QUICK)

#: The audits of the small studies; the quick one learns no generators, and there is no PDF of it.
_SMALL = AuditSettings(pairs=128, nodes=4, generators=2)
_SMALL_QUICK = AuditSettings(pairs=80, nodes=4, generators=0)


def small_demos(training: int, production: int, epochs: tuple[int, int]) -> tuple[DemoPlan, DemoPlan]:
    """Give a small study's full and quick demo; the quick one has half of the samples."""
    full = DemoPlan(training, production, epochs[0], _SMALL)
    quick = DemoPlan(training // 2, production // 2, epochs[1], _SMALL_QUICK, paper=False)
    return full, quick
