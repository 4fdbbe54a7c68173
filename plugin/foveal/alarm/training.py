"""What a library knows of training, for the alarm: points to compare with, and scores of samples held out."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from foveal.alarm.likeness import MOST, Form, Points, Reference, Scores, describe, form_of
from foveal.library import Library
from foveal.library.manifests import Shard
from foveal.library.reading import Reader
from foveal.records import Source

#: Fewer samples to compare with, or held out, are no ground for an alarm.
FEWEST = 50
_COLUMNS = ["scores", "activations", "sample_sha256"]


@dataclass(frozen=True)
class Training:
    """What the stream of one model is held against.

    Attributes
    ----------
    reference
        Training samples.
    held_out
        Scores of samples like them that are not among them.
    """

    reference: Reference
    held_out: Scores


def shards_of(library: Library, model_sha256: str) -> list[Shard]:
    """List the shards of training and validation samples of a model."""
    known = (shard for shard in library.store.shards() if shard.model_sha256 == model_sha256)
    return sorted((one for one in known if one.source != "production"), key=lambda one: one.name)


def fingerprint(shards: Sequence[Shard]) -> str:
    """Name what shards hold: an alarm begins anew when that is something else."""
    content = json.dumps([[one.name, one.content_sha256] for one in shards])
    return hashlib.sha256(content.encode()).hexdigest()


def read_training(library: Library, shards: Sequence[Shard]) -> Training | None:
    """Read what the stream is held against.

    Scores of validation samples are the measure where there are fifty. Else every second training sample is
    held out; a model that knows its training samples by heart then takes new ones for strange.

    Returns
    -------
    None where fewer than fifty samples can be compared with, or fewer than fifty held out.
    """
    parts = {source: _described(library, shards, source) for source in ("training", "validation")}
    form = _main_form(parts["training"])
    trained, validated = (_of_form(parts[source], form) for source in ("training", "validation"))
    if len(validated) < FEWEST:
        trained, validated = trained[::2], trained[1::2]
    if min(len(trained), len(validated)) < FEWEST:
        return None
    reference = Reference.of(form, trained[:MOST])
    return Training(reference, reference.scores(validated[:MOST]))


_Described = list[tuple[Form, list[float]]]


def _described(library: Library, shards: Sequence[Shard], source: Source) -> _Described:
    """Describe samples of a source, as many as can be used, chosen by their content and nothing else."""
    own = [shard for shard in shards if shard.source == source]
    table = Reader(library.store, own).table("samples", _COLUMNS)
    keys = [hashlib.sha256(text.encode()).digest() for text in table["sample_sha256"].to_pylist()]
    order = sorted(range(len(keys)), key=keys.__getitem__)[: 2 * MOST]
    rows = table.take(order).to_pylist() if order else []
    known = ((row["scores"], dict(row["activations"])) for row in rows)
    return [(form_of(*one), describe(*one)) for one in known]


def _main_form(described: _Described) -> Form:
    """Give the form of most samples: settings may have changed while a library grew."""
    counts = Counter(form for form, _ in described)
    return max(counts, key=lambda form: (counts[form], form), default=())


def _of_form(described: _Described, form: Form) -> Points:
    own = np.array([values for known, values in described if known == form], dtype=np.float32)
    return own[np.isfinite(own).all(axis=1)] if len(own) else own
