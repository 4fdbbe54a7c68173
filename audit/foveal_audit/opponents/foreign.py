"""Detectors of foreign samples: production ranked by a strangeness, and set aside from a threshold on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from foveal.archives import AuditedModel
from foveal_audit.benchmarking.opponent import Foreign, Group
from foveal_audit.opponents.seen import Seen, look
from foveal_audit.opponents.strangeness import Scores
from foveal_audit.windows import Evidence

#: Usual: what is stranger than 95 % of training is foreign. Ours: a group must be more of it than
#: chance gives, or every model would have one.
_TYPICAL, _ALPHA = 0.95, 0.01


@dataclass(frozen=True)
class ForeignOpponent:
    """A detector of foreign samples.

    Attributes
    ----------
    measure
        Gives every readable sample's strangeness.
    """

    name: str
    measure: Callable[[Seen], Scores]

    def artefacts(self, evidence: Evidence, model: AuditedModel, seed: int) -> Sequence[Group] | None:  # noqa: ARG002
        """Look for none."""
        return None

    def gaps(self, evidence: Evidence, model: AuditedModel, seed: int) -> Foreign | None:  # noqa: ARG002
        """Score production; a sample whose file cannot be read is taken to be like training.

        None where there is no production, or nothing can be read.
        """
        seen = look(evidence, model)
        training, production = seen.of("training"), seen.of("production")
        if not len(training) or not len(production):
            return None
        scores = self.measure(seen)
        everything = np.full(len(evidence.samples), scores.min())
        everything[seen.rows] = scores
        odd = production[scores[production] > np.quantile(scores[training], _TYPICAL)]
        chance = binomtest(len(odd), len(production), 1 - _TYPICAL, alternative="greater").pvalue
        groups = (seen.rows[odd],) if chance < _ALPHA else ()
        return Foreign(everything[evidence.samples.of("production")], groups)
