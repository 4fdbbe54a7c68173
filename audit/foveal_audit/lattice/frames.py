"""Exact frames of a generator, with what the audited model makes of them and the real crops nearest by."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Hashable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from foveal.errors import UsageError
from foveal_audit.generators.crops import Crops, Latents
from foveal_audit.generators.generator import Generator
from foveal_audit.generators.memorisation import CopyGuard
from foveal_audit.generators.pasting import Pasting
from foveal_audit.generators.pictures import Pictures, as_pictures
from foveal_audit.generators.walk import walk_latents, write_walk

from .gauge import Activation, Gauge
from .nodes import DECIMALS
from .plausible import Plausible
from .swift import SwiftDecoder
from .tiles import as_tiles

NEAREST = 3
_COLD = "The audited model hardly responds to this picture: what excites it is missing."


@dataclass(frozen=True)
class RealCrops:
    """The crops that a generator was learned from, or the library's entries of the same facet.

    Attributes
    ----------
    registered, originals
        (n, C, *s) in [0, 1]: as the generator knows them, and as they were cut.
    entries, samples
        Of each crop the entry's identity and the sample's name.
    unread
        How many more there are whose crops cannot be read.
    """

    registered: Crops
    originals: Crops
    entries: Sequence[str]
    samples: Sequence[str]
    unread: int = 0


@dataclass(frozen=True)
class Near:
    """A real crop: its row, how far it is (root mean square difference in [0, 1]), and where it is from."""

    row: int
    distance: float
    entry: str
    sample: str


@dataclass(frozen=True)
class Frame:
    """A frame as it is answered.

    Attributes
    ----------
    image
        WebP without loss, a tile of :mod:`.tiles`; blank where the frame looks like a real crop.
    z
        (d,) the latent.
    withheld
        Whether it does.
    activation
        None where the model was not asked.
    nearest
        The nearest real crops, the nearest first.
    warnings
        Sentences for whoever looks at it.
    pending
        Whether the model will be asked later: what is missing now comes with another question.
    """

    image: bytes
    z: NDArray[np.float32]
    withheld: bool
    activation: Activation | None
    nearest: tuple[Near, ...]
    warnings: tuple[str, ...]
    pending: bool = False

    def header(self, crops: str = "") -> str:
        """Write all but the picture as one line of ASCII JSON; ``crops`` is the address of the real ones."""
        near = [{**asdict(one), "url": f"{crops}/{one.row}"} for one in self.nearest]
        told = {
            "z": [round(float(value), DECIMALS) for value in self.z],
            "withheld": self.withheld,
            "activation": self.activation and asdict(self.activation),
            "nearest": near,
            "warnings": self.warnings,
            "pending": self.pending,
        }
        return json.dumps(told)


class Frames:
    """Answers what a generator shows at a latent.

    Parameters
    ----------
    generator
        As served.
    real
        At least two crops; they also tell copies.
    activation
        As the card's, see :func:`foveal_audit.depicting.draw_generator`; a few of its samples are used.
    groups
        What each crop belongs to, see :class:`CopyGuard`.
    seed
        Of the grain, which stands still; that of the lattice for the same frames.

    Attributes
    ----------
    pending
        Whether a gauge is on its way, see :meth:`gauge`.
    note
        Sentence that goes with every frame, or nothing.
    """

    def __init__(
        self,
        generator: Generator,
        real: RealCrops,
        activation: Pasting | None = None,
        groups: Sequence[Hashable] | None = None,
        seed: int = 0,
    ) -> None:
        self.generator, self.real, self.seed = generator, real, seed
        self.guard = CopyGuard.of(real.registered, groups)
        self._decoded = SwiftDecoder(generator, seed)
        self._plausible = Plausible.of(generator, real.registered, seed)
        self._gauge = None if activation is None else self._gauge_of(activation)
        self.pending, self.note = False, ""
        self._one_by_one = Lock()

    def gauge(self, activation: Pasting) -> None:
        """Say from now on what the audited model makes of frames; what is usual is found out first."""
        made = self._gauge_of(activation)
        made.prepare()
        self._gauge = made

    def _gauge_of(self, activation: Pasting) -> Gauge:
        """Make a gauge that pastes crops in the unit that the generator knows them in."""
        return Gauge(replace(activation, span=self.generator.span), self.real.registered)

    def frame(self, z: Sequence[float] | NDArray[np.floating], *, ask_model: bool = True) -> Frame:
        """Give the frame at a latent (d,).

        Raises
        ------
        UsageError
            A latent of another length, or one that is not finite.
        """
        with self._one_by_one:
            return self._frame(self._checked(z), ask_model)

    def drawn(self, seed: int) -> Frame:
        """Give the frame of the draw that the seed makes."""
        return self.frame(self.generator.draw(1, seed)[0].round(DECIMALS))

    def walk(self, seed: int, frames: int) -> Latents:
        """Give a smooth closed walk (frames, d) through draws."""
        return walk_latents(self.generator, frames, seed)

    def movie(self, seed: int) -> bytes:
        """Give that walk as an MP4.

        Raises
        ------
        UsageError
            Every frame of it looks like a real crop.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "walk.mp4"
            write_walk(self.generator, path, seed=seed, guard=self.guard)
            if not path.is_file():
                raise UsageError(f"No frame of walk {seed} may be shown", "Choose another seed")
            return path.read_bytes()

    def crop(self, row: int) -> bytes:
        """Give a real crop as it was cut, as a WebP.

        Raises
        ------
        UsageError
            There is no such crop.
        """
        count = len(self.real.originals)
        if not 0 <= row < count:
            raise UsageError(f"There is no crop {row}", f"Crops are numbered 0 to {count - 1}")
        return _webp(as_pictures(self.real.originals[row : row + 1]))

    def _checked(self, z: Sequence[float] | NDArray[np.floating]) -> NDArray[np.float32]:
        latent = np.asarray(z, np.float32)
        if latent.shape != (self.generator.latent_dim,) or not np.isfinite(latent).all():
            raise UsageError(
                f"The latent has {latent.size} values", f"Give {self.generator.latent_dim} finite numbers"
            )
        return latent

    def _frame(self, z: NDArray[np.float32], ask_model: bool) -> Frame:
        crop = self._decoded(z)
        apart = self._distances(crop[0])
        order = np.argsort(apart, kind="stable")[:NEAREST]
        withheld = self._is_copy(int(order[0]), float(apart[order[0]]))
        gauge = self._gauge if ask_model and not withheld else None
        activation = None if gauge is None else gauge(crop)
        return Frame(
            _webp(as_tiles(np.zeros_like(crop) if withheld else crop)),
            z,
            withheld,
            activation,
            tuple(self._near(int(row), float(apart[row])) for row in order),
            (*self._plausible.warnings(z, float(apart[order[0]])), *_cold(activation), *self._notes),
            self.pending,
        )

    @property
    def _notes(self) -> tuple[str, ...]:
        unread, read = self.real.unread, len(self.real.originals)
        left_out = (
            f"{unread} of {read + unread} real crops cannot be read and are left out." if unread else ""
        )
        return tuple(note for note in (left_out, self.note) if note)

    @cached_property
    def _rows(self) -> NDArray[np.float32]:
        return self.real.registered.reshape(len(self.real.registered), -1)

    def _distances(self, crop: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(np.sqrt(((self._rows - crop.ravel()) ** 2).mean(1)))

    def _is_copy(self, row: int, distance: float) -> bool:
        own = self.guard.own is None or bool(self.guard.own[row])
        return distance < self.guard.reach and own

    def _near(self, row: int, distance: float) -> Near:
        return Near(row, round(distance, 4), str(self.real.entries[row]), str(self.real.samples[row]))


def _cold(activation: Activation | None) -> tuple[str, ...]:
    return (_COLD,) if activation and activation.value < activation.low else ()


def _webp(pictures: Pictures) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pictures[0]).save(buffer, "WEBP", lossless=True, quality=0, method=0)
    return buffer.getvalue()
