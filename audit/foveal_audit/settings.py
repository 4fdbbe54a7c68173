"""How thorough an audit is: everything that changes its findings, written into every bundle."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from foveal.features import FeatureName


@dataclass(frozen=True)
class AuditSettings:
    """Settings of one audit.

    Attributes
    ----------
    seed
        Source of all chance.
    pairs
        Edited samples per causal test.
    nodes
        Nodes of the literal pipeline that are examined, those with most entries first.
    generators
        Features that get a generator: all that are flagged, then those with most entries, up to this many.
    generator_kind
        A kind of :data:`foveal_audit.generators.KINDS`.
    generator_steps
        Learning steps of a generator; None for the kind's own.
    features
        Names and patterns of the nodes, channels and classes to choose from (``fc1``, ``conv3:7``,
        ``class:*``); empty for all. Those named one by one are all examined, however many ``nodes`` says.
    """

    seed: int = 0
    pairs: int = 128
    nodes: int = 16
    generators: int = 8
    generator_kind: str = "pca-vae"
    generator_steps: int | None = None
    features: tuple[str, ...] = ()


#: Fewer pairs, nodes and generators: for a first look, and for machines that are in a hurry.
QUICK = AuditSettings(pairs=80, nodes=6, generators=3, generator_steps=60)


def feature_names(texts: Iterable[str]) -> tuple[str, ...]:
    """Read names and patterns as a person writes them: separated by commas or one by one, each once.

    Raises
    ------
    UsageError
        If one of them is no name of a feature.
    """
    names = (FeatureName.parse(name) for text in texts for name in text.split(","))
    return tuple(dict.fromkeys(map(str, names)))
