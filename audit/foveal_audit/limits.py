"""What the data cannot tell: said in every bundle, so that silence is not taken for absence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from foveal import Library
from foveal.facades.occluded import Occluded
from foveal.records import SOURCES
from foveal_audit.bundle.summary import plural
from foveal_audit.judgement.facet import Judged
from foveal_audit.judgement.irrelevance import is_property
from foveal_audit.judgement.learned import has_learned
from foveal_audit.judgement.power import power_sentence
from foveal_audit.judgement.verdict import THRESHOLDS
from foveal_audit.nouns import say
from foveal_audit.windows import Evidence, Samples

#: Said of a model that has learned nothing; nothing is flagged then.
NOTHING_LEARNED = (
    "Artefacts: the model's answers hardly go with the labels, nothing that moves it was learned"
)


def without_gaps(evidence: Evidence) -> str:
    """Say why gaps cannot be looked for, or "" where they can."""
    samples, owner = evidence.samples, evidence.contribution.owner
    if not samples.of("production").any():
        return "the library holds no production samples to compare with"
    return "" if samples.of("training")[owner].any() else "no training sample has a contribution window"


def closed_layers(module: nn.Module) -> list[str]:
    """Say that a network's layers cannot be reached, and how it is explained instead; nothing where they can.

    Parameters
    ----------
    module
        The network, or its façade.
    """
    if not isinstance(module, Occluded):
        return []
    how = "it is explained by perturbation: asked about the sample without each of its cells in turn"
    return [f"The network's layers and nodes: {module.closed}; {how}"]


def limits(
    library: Library,
    model_sha256: str,
    evidence: Evidence,
    readable: NDArray[np.bool_],
    labels: Sequence[str],
) -> list[str]:
    """List what a library does not allow to be examined.

    Parameters
    ----------
    library, model_sha256
        What was read, and the model that counts.
    evidence
        What it holds about that model.
    readable
        Marks the samples whose file is there and unchanged.
    labels
        Names of the classes.
    """
    lost = library.losses().items()
    return [
        *(f"{count} samples lost before the library ({reason})" for reason, count in lost),
        *_gaps(evidence),
        *_other_models(library, model_sha256, evidence),
        *_files(evidence.samples, readable),
        *_training(evidence.samples, labels),
        *_dead_layers(evidence),
    ]


def what_was_missed(judged: Sequence[Judged], evidence: Evidence) -> list[str]:
    """Say which artefacts the causal tests would miss; nothing where the model has learned nothing.

    Parameters
    ----------
    judged
        What was measured of all facets and of properties of whole pictures.
    evidence
        What the library holds.
    """
    samples = evidence.samples
    if not has_learned(samples):
        return []
    pastes = [one.paste for one in judged if one.paste is not None and not is_property(one.signals)]
    if not pastes:
        return ["Artefacts: no facet could be tested, one of any size and prevalence would be missed"]
    training = samples.of("training")
    shown = np.unique(evidence.contribution.owner[training[evidence.contribution.owner]])
    return [power_sentence(len(shown), pastes)]


def unshown_concepts(names: Sequence[str]) -> list[str]:
    """Name the concepts about which nothing can be said."""
    return [
        f"Concept {name!r}: neither training nor production shows it, or its exemplars are cut otherwise "
        "than the model's windows are"
        for name in names
    ]


def _gaps(evidence: Evidence) -> Iterator[str]:
    if reason := without_gaps(evidence):
        yield f"Training-set gaps: {reason}"


def _other_models(library: Library, model_sha256: str, evidence: Evidence) -> Iterator[str]:
    if evidence.left_out:
        yield f"{evidence.left_out} samples that were observed under other settings of the model"
    others = [shard for shard in library.shards() if shard["model_sha256"] != model_sha256]
    if others:
        names = ", ".join(sorted({str(shard["model_sha256"])[:12] for shard in others}))
        number = sum(int(shard["rows"]["samples"]) for shard in others)
        yield f"{number} samples that were observed with another model or version ({names})"


def _files(samples: Samples, readable: NDArray[np.bool_]) -> Iterator[str]:
    with_file = np.array([origin is not None for origin in samples.origins], dtype=bool)
    if unread := int((~with_file).sum()):
        yield (
            f"{plural(unread, 'sample')} came without a file (served requests): {_used(samples, with_file)}"
        )
    if gone := int((with_file & ~readable).sum()):
        yield (
            f"{plural(gone, 'sample')} whose file is gone or was changed: "
            f"{_used(samples, with_file & readable)}"
        )


def _used(samples: Samples, usable: NDArray[np.bool_]) -> str:
    """Say which samples are left for the causal tests, and of which source none is."""
    if not usable.any():
        return "no causal test is possible"
    empty = [name for name in SOURCES if samples.of(name).any() and not (samples.of(name) & usable).any()]
    none = f", none of which is from {' or '.join(empty)}" if empty else ""
    return f"causal tests use the others{none}"


def _training(samples: Samples, labels: Sequence[str]) -> Iterator[str]:
    training = np.flatnonzero(samples.of("training"))
    if len(training) < THRESHOLDS.fewest:
        yield f"{len(training)} training samples: fewer than {THRESHOLDS.fewest} decide nothing"
    if len({samples.sha256[row] for row in training}) == 1 < len(training):
        yield say("All training samples are one and the same image: nothing can be told apart", samples.axes)
    answers = np.unique(samples.predicted[training])
    if len(answers) == 1:
        name = labels[answers[0]] if answers[0] < len(labels) else f"class {answers[0]}"
        yield f"Causal tests: the model answers all training samples with {name!r}, they need another class"
    if not has_learned(samples):
        yield NOTHING_LEARNED
    if not any(len(np.unique(values[training])) >= 2 for values in samples.metadata.values()):
        yield "Ties to sites, devices or other metadata: no column of it tells training samples apart"


def _dead_layers(evidence: Evidence) -> Iterator[str]:
    for layer, values in evidence.activations.items():
        if values.size and float(values.max()) <= 0:
            yield f"{layer}: dead, none of its {values.shape[1]} nodes is above zero for any sample"
