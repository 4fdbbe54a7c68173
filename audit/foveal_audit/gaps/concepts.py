"""Known concepts: whether what an expert can show is in the training data, and whether the model sees it.

``concepts/NAME/*.png``: five exemplar crops or more of each concept. *Data side*: a direction is learned that
tells the exemplars from training crops (a concept activation vector, Kim et al. 2018, by a shrunk
discriminant); a crop shows the concept where it scores like the exemplars do that were held out (conformal).
*Model side*: does any channel of the network answer to the exemplars more than to random crops? The channel
is chosen without the exemplar on which it is tried, or the best of many would always look good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import fisher_exact
from scipy.stats import t as student_t
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from foveal.archives import AuditedModel
from foveal.errors import UsageError, shown
from foveal.samples import read_image
from foveal.samples.values import Values
from foveal_audit.bench import spacing_of
from foveal_audit.gaps.description import intensities
from foveal_audit.gaps.embedding import CropEmbedder
from foveal_audit.gaps.spaces import Floats
from foveal_audit.units.appearance import resize_crop
from foveal_audit.windows import Samples, Windows

#: Fewest exemplars of a concept.
EXEMPLARS = 5
#: Surely below this cross-fitted AUROC no channel answers to a concept.
SEEN_BY_MODEL = 0.8
#: Training holds a concept with this many samples, and this share of them.
HELD, HELD_SHARE = 5, 0.005
#: Largest p-value of production showing a concept more often than training does.
_MORE_OFTEN = 0.01
#: How sure it must be that no channel answers.
_SURE = 0.95
#: Windows that are compared with the exemplars.
_COMPARED = 4000

Verdict = Literal["missing_concept", "ignored_concept", "covered", "not_shown"]


@dataclass(frozen=True)
class Concepts:
    """Exemplars by the concept's name: samples (*S, C), at least five of each."""

    exemplars: dict[str, tuple[Values, ...]]


@dataclass(frozen=True)
class ConceptGap:
    """What is known of a concept.

    Attributes
    ----------
    verdict
        ``missing_concept``: production shows it and training does not hold it; ``ignored_concept``: training
        does, and surely no channel of the model answers to it; ``covered``: neither; ``not_shown``: neither
        training nor production shows it. Then no sample has it, or the exemplars are cut otherwise than the
        model's windows are, which nobody can tell apart.
    trained
        Number of training samples with a crop like the exemplars.
    members
        Positions of the production samples with such a crop.
    windows
        Positions of their windows, those most like the exemplars first.
    seen
        Cross-fitted AUROC of the best channel, 0 to 1.
    channel
        The channel that answers most, as a number in the description by the network.
    """

    name: str
    verdict: Verdict
    trained: int
    members: NDArray[np.int64]
    windows: NDArray[np.int64]
    seen: float
    channel: int


def _read_image(origin: str) -> Values:
    return read_image(Path(origin))


def read_concepts(folder: Path, read: Callable[[str], Values] = _read_image) -> Concepts:
    """Read the exemplars of known concepts: one folder per concept, its pictures in it.

    Parameters
    ----------
    folder
        Holds a folder per concept.
    read
        Reads a file, see :func:`foveal_audit.bench.reader_of`; by default pictures.

    Raises
    ------
    UsageError
        The folder is missing or holds no folders, a concept has fewer than five exemplars, or a picture
        cannot be read.
    """
    if not folder.is_dir():
        raise UsageError(f"{shown(folder)} is no folder", "Name a folder with one folder per concept")
    places = sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    if not places:
        raise UsageError(
            f"{shown(folder)} holds no folders",
            f"Put the exemplars of each concept into a folder of its name: {shown(folder / 'NAME')}/*.png",
        )
    return Concepts({place.name: _exemplars(place, read) for place in places})


def _exemplars(place: Path, read: Callable[[str], Values]) -> tuple[Values, ...]:
    files = sorted(file for file in place.iterdir() if file.is_file() and not file.name.startswith("."))
    if len(files) < EXEMPLARS:
        raise UsageError(
            f"Concept {shown(place.name)!r} has {len(files)} exemplars", f"Show at least {EXEMPLARS} of it"
        )
    return tuple(_read(file, read) for file in files)


def _read(file: Path, read: Callable[[str], Values]) -> Values:
    try:
        return read(str(file))
    except UsageError as error:
        raise UsageError(
            f"Exemplar {shown(file)} cannot be read: {error.fault}",
            "Replace it, or take it out of the folder",
        ) from error


def find_concept_gaps(
    concepts: Concepts, windows: Windows, samples: Samples, model: AuditedModel, seed: int
) -> list[ConceptGap]:
    """Say of every concept whether training holds it and the model sees it.

    Parameters
    ----------
    concepts
        As :func:`read_concepts` gives them.
    windows
        Contribution windows of training and production.
    samples, model
        The library's samples and the audited model.
    seed
        Draws the windows that are compared where there are very many.

    Raises
    ------
    UsageError
        An exemplar has another number of channels than the samples.
    """
    rows = _compared(windows, samples, seed)
    if not (samples.of("training")[windows.owner[rows]]).any():
        return []
    # Crops of a library do not state their rate; exemplars may, and are like them.
    spacing = next((spacing_of(crops[0]) for crops in concepts.exemplars.values()), ())
    describe = _describer(windows.take(rows), samples, model, spacing)
    exemplars = {name: describe(name, crops) for name, crops in concepts.exemplars.items()}
    place = _Place(describe.known, rows, windows, samples)
    return [_judge(name, exemplars, place) for name in exemplars]


def _compared(windows: Windows, samples: Samples, seed: int) -> NDArray[np.int64]:
    rows = np.flatnonzero((samples.of("training") | samples.of("production"))[windows.owner])
    if len(rows) <= _COMPARED:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, _COMPARED, replace=False))


@dataclass(frozen=True)
class _Described:
    """Crops as the network's channels, and with intensities beside them."""

    channels: Floats
    both: Floats


class _describer:  # noqa: N801 - used as a function
    """Describe crops as the windows are described: in units of the windows' spread."""

    def __init__(
        self, windows: Windows, samples: Samples, model: AuditedModel, spacing: tuple[float, ...]
    ) -> None:
        crops = [windows.crop(row) for row in range(len(windows))]
        shapes = [samples.shapes[owner] for owner in windows.owner]
        self._depth, self._span = crops[0].shape[-1], windows.span
        self._shape = tuple(np.median(np.array(shapes), axis=0).astype(int).tolist())
        self._embed: Callable[..., Floats] = CropEmbedder(model, (crops[0], shapes[0]), spacing)
        raw = self._embed(crops, shapes), intensities(windows.images)
        self._centres = [(one.mean(axis=0), one.std(axis=0) + 1e-6 + 1e-3 * one.std()) for one in raw]
        self.known = self._scaled(raw)

    def __call__(self, name: str, crops: Sequence[Values]) -> _Described:
        for crop in crops:
            if crop.shape[-1] != self._depth:
                raise UsageError(
                    f"An exemplar of concept {shown(name)!r} has {crop.shape[-1]} channels, "
                    f"the samples have {self._depth}",
                    "Cut the exemplars out of pictures like the samples",
                )
        images = np.stack([resize_crop(crop, span=self._span) for crop in crops])
        return self._scaled((self._embed(crops, [self._shape] * len(crops)), intensities(images)))

    def _scaled(self, raw: tuple[Floats, Floats]) -> _Described:
        parts = [(one - mean) / spread for one, (mean, spread) in zip(raw, self._centres, strict=True)]
        return _Described(raw[0], np.concatenate(parts, axis=1).astype(np.float32))


@dataclass(frozen=True)
class _Place:
    """The windows that exemplars are compared with: described, and where they come from."""

    known: _Described
    rows: NDArray[np.int64]
    windows: Windows
    samples: Samples


def _judge(name: str, exemplars: Mapping[str, _Described], place: _Place) -> ConceptGap:
    owner, training = place.windows.owner[place.rows], place.samples.of("training")
    own, others = exemplars[name], [one.both for other, one in exemplars.items() if other != name]
    scores, least = concept_scores(own.both, place.known.both, training[owner], others)
    alike = scores >= least
    trained = len(np.unique(owner[alike & training[owner]]))
    shows = np.flatnonzero(alike & place.samples.of("production")[owner])
    seen, most, channel = seen_by_channels(own.channels, place.known.channels[training[owner]])
    order = shows[np.argsort(-scores[shows], kind="stable")]
    members = np.unique(owner[shows])
    sizes = int(training.sum()), int(place.samples.of("production").sum())
    verdict = _verdict(Counted(trained, sizes[0]), Counted(len(members), sizes[1]), most)
    return ConceptGap(name, verdict, trained, members, place.rows[order], seen, channel)


class Counted(NamedTuple):
    """So many samples of so many show a concept."""

    shown: int
    all: int


def _verdict(training: Counted, production: Counted, seen_at_most: float) -> Verdict:
    if training.shown < max(HELD, HELD_SHARE * training.all):
        return "missing_concept" if is_more_often(production, training) else "not_shown"
    return "covered" if seen_at_most >= SEEN_BY_MODEL else "ignored_concept"


def is_more_often(production: Counted, training: Counted) -> bool:
    """Tell whether production shows a concept, and more often than training (Fisher's exact test)."""
    table = [[one.shown, one.all - one.shown] for one in (production, training)]
    return production.shown >= HELD and float(fisher_exact(table, "greater").pvalue) <= _MORE_OFTEN


def concept_scores(
    exemplars: Floats, known: Floats, training: NDArray[np.bool_], others: Sequence[Floats] = ()
) -> tuple[NDArray[np.float64], float]:
    """Score windows by how like the exemplars they are, and say from which score on they show the concept.

    Parameters
    ----------
    exemplars, known
        Descriptions (e, D) and (n, D).
    training
        bool (n,), which windows the exemplars are told from.
    others
        Exemplars of other concepts: the direction must not lead to them.

    Returns
    -------
    float64 (n,) scores, and the lowest score of a held-out exemplar: another exemplar of the same kind scores
    lower with a probability of 1 / (e + 1) at most (conformal).
    """
    against = np.concatenate([known[training], *others])
    held = []
    for out in range(len(exemplars)):
        rest = np.delete(exemplars, out, axis=0)
        held.append(float(_direction(rest, against)(exemplars[out : out + 1])[0]))
    return _direction(exemplars, against)(known), min(held)


def _direction(exemplars: Floats, against: Floats) -> Callable[[Floats], NDArray[np.float64]]:
    """Learn the direction to the exemplars; its scores are 1 at their mean and 0 at that of the rest."""
    told = np.arange(len(against) + len(exemplars)) >= len(against)
    learned = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(
        np.concatenate([against, exemplars]), told
    )
    way = learned.coef_[0]
    low, high = float(against.mean(axis=0) @ way), float(exemplars.mean(axis=0) @ way)
    return lambda rows: np.asarray((rows @ way - low) / max(high - low, 1e-12), dtype=np.float64)


def seen_by_channels(exemplars: Floats, usual: Floats) -> tuple[float, float, int]:
    """Say how well the best channel tells exemplars from usual crops, chosen without the one it is tried on.

    Parameters
    ----------
    exemplars, usual
        Activations (e, channels) and (n, channels).

    Returns
    -------
    Cross-fitted AUROC, 0 to 1, its upper bound (95 %, by Student's t over the exemplars), and the channel
    that is best on all exemplars.
    """
    if not exemplars.shape[1]:
        return 0.5, 0.5, 0
    ordered = np.sort(usual, axis=0)
    below = np.array([np.searchsorted(ordered[:, c], exemplars[:, c], "left") for c in range(usual.shape[1])])
    up_to = np.array(
        [np.searchsorted(ordered[:, c], exemplars[:, c], "right") for c in range(usual.shape[1])]
    )
    ranks = (below + up_to) / 2 / len(usual)  # (channels, e): share of usual crops below each exemplar
    whole = ranks.sum(axis=1)
    chosen = [int(np.argmax(whole - ranks[:, out])) for out in range(len(exemplars))]
    found = np.array([ranks[c, out] for out, c in enumerate(chosen)])
    more = student_t.ppf(_SURE, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found))
    return float(found.mean()), float(found.mean() + more), int(np.argmax(whole))
