"""The desk: what one process keeps open between pieces of work on one library."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from foveal.archives import AuditedModel, load_model
from foveal.errors import UsageError
from foveal.features import CONTRIBUTION
from foveal_audit.bench import ModelBench
from foveal_audit.engine.columns import open_evidence, read_split, with_looks
from foveal_audit.engine.knowing import CONCEPTS, ROIS, read_kept_rois
from foveal_audit.examining import Split
from foveal_audit.judgement.surroundings import Surroundings, surroundings
from foveal_audit.rois import Rois
from foveal_audit.settings import AuditSettings
from foveal_audit.windows import Evidence, Windows

_Kept = TypeVar("_Kept")


@dataclass(frozen=True)
class NamedModel:
    """A model for another process: where to load it from, and that it must be this one."""

    source: str
    identity: str

    def load(self) -> AuditedModel:
        """Load it.

        Raises
        ------
        UsageError
            If what is there now is another model than the one that is audited.
        """
        model = load_model(self.source)
        if identity_of(model) != self.identity:
            raise UsageError(
                f"{self.source} is not the model any more that this audit began with",
                "Audit it anew, without --resume",
            )
        return model


def identity_of(model: AuditedModel) -> str:
    """Name a model together with the settings under which it is audited."""
    return f"{model.sha256}:{model.config.sha256}"


class Desk:
    """Opens evidence, model and what belongs to them once; of one library at a time.

    Parameters
    ----------
    load
        Gives the audited model, when it is needed.
    """

    def __init__(self, load: Callable[[], AuditedModel]) -> None:
        self._load = load
        self._library: Path | None = None
        self._kept: dict[Hashable, object] = {}

    @cached_property
    def model(self) -> AuditedModel:
        """The audited model."""
        return self._load()

    def evidence(self, folder: Path) -> Evidence:
        """Open a library's evidence; what was kept of another one is given up."""
        if folder != self._library:
            self._library, self._kept = folder, {}
        return self._once("evidence", partial(open_evidence, folder))

    def windows(self, inputs: Mapping[str, Path], feature: str) -> Windows:
        """Open the windows of a feature with all that was computed about their crops."""
        return with_looks(self.evidence(inputs["evidence"]).of(feature), inputs[feature])

    def split(self, inputs: Mapping[str, Path], feature: str) -> Split:
        """Read how the windows of a feature were split."""
        return read_split(inputs[feature])

    def bench(self, inputs: Mapping[str, Path]) -> ModelBench:
        """Set up the model on the samples whose files could be read when the audit began."""
        samples = self.evidence(inputs["evidence"]).samples
        readable = inputs["readable"] / READABLE
        return self._once(("bench", readable), lambda: ModelBench(self.model, samples, np.load(readable)))

    def surroundings(self, inputs: Mapping[str, Path], settings: AuditSettings) -> Surroundings:
        """Gather what every facet is held against."""
        evidence = self.evidence(inputs["evidence"])

        def gather() -> Surroundings:
            contribution = evidence.contribution
            if len(contribution):
                contribution = with_looks(contribution, inputs[CONTRIBUTION])
            held = Evidence(evidence.samples, contribution, {}, {})
            return surroundings(held, settings, self.rois(inputs))

        return self._once(("surroundings", settings, inputs.get(ROIS)), gather)

    def rois(self, inputs: Mapping[str, Path]) -> Rois | None:
        """Read the regions of interest; None where nobody told any."""
        if ROIS not in inputs:
            return None
        return self._once((ROIS, inputs[ROIS]), lambda: read_kept_rois(inputs[ROIS]))

    def concepts(self, inputs: Mapping[str, Path]) -> Path | None:
        """Say where the exemplars of known concepts lie."""
        return inputs.get(CONCEPTS)

    def _once(self, key: Hashable, make: Callable[[], _Kept]) -> _Kept:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]  # type: ignore[return-value]  # made by the same function


#: Marks the samples whose file could be read.
READABLE = "readable.npy"
