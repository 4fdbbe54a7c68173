"""How large a demo is, and how long its stages take."""

from __future__ import annotations

from dataclasses import dataclass

from foveal_audit.settings import QUICK, AuditSettings


@dataclass(frozen=True)
class DemoPlan:
    """Sizes of one demo.

    Attributes
    ----------
    training, production
        Images made for each.
    epochs
        Passes over the training images.
    audit
        How thorough the audit is.
    """

    training: int
    production: int
    epochs: int
    audit: AuditSettings


FULL_DEMO = DemoPlan(training=4000, production=800, epochs=10, audit=AuditSettings())
QUICK_DEMO = DemoPlan(training=2000, production=400, epochs=12, audit=QUICK)
