"""The kinds of samples: one row each. Whatever differs between kinds is in the row's module, nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from foveal.errors import UsageError, nearest
from foveal.samples.arrays import encode_array
from foveal.samples.images import read_file
from foveal.samples.places import UNITS
from foveal.samples.values import Values

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from foveal.records import Window

__all__ = [
    "DEFAULT",
    "KINDS",
    "Band",
    "Decoded",
    "Kind",
    "Tile",
    "Transform",
    "get_kind",
    "read_any",
    "read_transform",
]

#: Frequencies from a lowest to a highest one, in Hz.
Band = tuple[float, float]

#: What a section without ``kind`` is about.
DEFAULT = "image"

#: The module of each kind; it holds the row as ``KIND``. Named here and not imported: the worker of one kind
#: does without the readers of the others.
_MODULES = {
    "image": "foveal.samples.transform",
    "signal": "foveal.samples.traces.signal",
    "audio": "foveal.samples.traces.audio",
    "volume": "foveal.samples.volumes",
}


@dataclass(frozen=True)
class Decoded:
    """What a file holds.

    Attributes
    ----------
    values
        The sample (*S, C).
    tags
        What the file says of itself, which may name a person: kept only as far as ``keep.metadata`` names it.
    spacing
        Size of one step per axis, in seconds or millimetres; empty where it is unknown.
    channels
        Names of the channels; empty where they are unknown.
    """

    values: Values
    tags: Mapping[str, str] = field(default_factory=dict)
    spacing: tuple[float, ...] = ()
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tile:
    """A part of a file that is a sample of its own.

    Attributes
    ----------
    path
        What its kind reads it by: a path inside the file.
    window
        Where it lies in the file's sample.
    empty
        Whether it holds nothing but one value per channel.
    """

    path: Path
    window: Window
    empty: bool = False


class Transform(Protocol):
    """What is done to a sample before it reaches the network: the ``preprocess`` section of an archive."""

    @property
    def kind(self) -> str:
        """Name of the kind of samples that it takes."""

    def __call__(self, values: Values, /, name: str = "", spacing: tuple[float, ...] = ()) -> Tensor:
        """Turn values (*S, C) into what the network takes, float32 (C, *grid).

        Raises
        ------
        UsageError
            If the sample does not fit; names `name`.
        """

    def blank(self) -> Tensor | None:
        """Give a tensor (1, C, *grid) of zeros, where the size is fixed."""

    def inverse(self, tensor: Tensor) -> NDArray[Any]:
        """Undo the normalisation: tensor (C, *grid) to values (*grid, C)."""

    def to_mapping(self) -> dict[str, Any]:
        """Write the section; :func:`read_transform` reads it back."""

    def on_sample(
        self,
        map: NDArray[Any],  # noqa: A002 - the design's word
        shape: tuple[int, ...] = (),
        spacing: tuple[float, ...] = (),
    ) -> NDArray[Any]:
        """Turn a map (..., *grid) on the network's grid into one (..., *s) whose axes are the sample's.

        It covers :meth:`frame` of a sample of this shape (*S, C) and spacing.
        """

    def frame(self, shape: tuple[int, ...], spacing: tuple[float, ...] = ()) -> Window:
        """Say which part of a sample of a shape (*S, C) the network sees."""

    def spacing(self, stated: tuple[float, ...]) -> tuple[float, ...]:
        """Say how large the steps are that windows of a sample count in, from what its file states.

        Returns
        -------
        tuple of float
            Per axis, in the kind's unit; empty where it is unknown, or the kind's steps have no size.
        """

    def band(
        self,
        map: NDArray[Any],  # noqa: A002 - the design's word
        window: Window,
        shape: tuple[int, ...],
        spacing: tuple[float, ...] = (),
    ) -> Band | None:
        """Say at which frequencies a map's (*grid) evidence in a window of a sample (*S, C) lies.

        None where the network's grid has no frequencies, their unit is unknown, or none stands out.
        """


def _as_array(data: bytes, values: Values) -> bytes:  # noqa: ARG001 - a kind may keep the bytes instead
    return encode_array(values)


def _never(data: bytes) -> str:  # noqa: ARG001
    return ""


@dataclass(frozen=True)
class Kind:
    """One kind of sample.

    Attributes
    ----------
    name
        ``image``, ``signal``, ``audio`` or ``volume``.
    axes
        Names of the axes.
    suffixes
        How its files are called.
    formats
        The formats that are read, for people.
    decode
        Reads bytes; the name is for errors. Formats are told by their content, as requests have no file name.
    transform
        Reads the ``preprocess`` section, less ``kind``.
    example
        A command line that shows the kind.
    read
        Reads a file's bytes; a format of several files gives them as one.
    spooled
        Gives the bytes that the worker notes of a request, from those that were sent and the values: without
        anything that only the file's header says.
    sound
        Gives what a browser plays of values and their spacing; None where there is nothing to hear.
    offline
        Names the format of bytes that only commands read, as its decoder brings what no serving worker may
        import; an empty text for all others.
    folders
        Whether a folder may be one sample, as a series of slices is.
    tiles
        Cuts a file (its path, a tile's side, what neighbours share at least) into tiles, none where it is no
        larger than one; None where samples are not cut.
    """

    name: str
    axes: tuple[str, ...]
    suffixes: frozenset[str]
    formats: tuple[str, ...]
    decode: Callable[[bytes, str], Decoded]
    transform: Callable[[Mapping[str, Any]], Transform]
    example: str
    read: Callable[[Path], bytes] = read_file
    spooled: Callable[[bytes, Values], bytes] = _as_array
    sound: Callable[[Values, tuple[float, ...]], bytes] | None = None
    offline: Callable[[bytes], str] = _never
    folders: bool = False
    tiles: Callable[[Path, int, int], Iterator[Tile]] | None = None

    @property
    def unit(self) -> str:
        """The unit of one step: ``s`` or ``mm``; empty where steps have no size."""
        return UNITS.get(len(self.axes), "")


class _Kinds(Mapping[str, Kind]):
    """The kinds by name, each imported when it is asked for."""

    def __getitem__(self, name: str) -> Kind:
        kind: Kind = import_module(_MODULES[name]).KIND
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


KINDS: Mapping[str, Kind] = _Kinds()


def get_kind(name: str) -> Kind:
    """Give a kind by its name.

    Raises
    ------
    UsageError
        For an unknown one; the nearest is named.
    """
    if name not in _MODULES:
        raise UsageError(f"Unknown kind {name!r}", nearest(name, KINDS))
    return KINDS[name]


def read_any(path: Path) -> bytes:
    """Read the bytes of a sample of which only the path is known: as the first kind does with such files.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    fitting = (kind for kind in KINDS.values() if _is_for(kind, path))
    first = next(fitting, None)
    return read_file(path) if first is None else first.read(path)


def _is_for(kind: Kind, path: Path) -> bool:
    if path.parent.is_file():
        return kind.tiles is not None
    return kind.folders if path.is_dir() else path.name.lower().endswith(tuple(kind.suffixes))


def read_transform(preprocess: Mapping[str, Any]) -> Transform:
    """Read a ``preprocess`` section; its key ``kind`` says what the rest is about, without it images.

    Raises
    ------
    UsageError
        For an unknown kind or key (the nearest is named), or a value that does not fit.
    """
    rest = {key: value for key, value in preprocess.items() if key != "kind"}
    return get_kind(str(preprocess.get("kind", DEFAULT))).transform(rest)
