"""The formats of one kind of sample: told apart by their content, as a request's body has no name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from foveal.errors import EnvironmentFault, UsageError
from foveal.samples.kinds import Decoded


@dataclass(frozen=True)
class Format:
    """One format.

    Attributes
    ----------
    name
        What people call it.
    fits
        Tells it by its first bytes.
    decode
        Reads it; the name is for errors.
    suffixes
        How its files are called.
    offline
        Whether its decoder brings what no serving worker may import: it is read by commands only.
    """

    name: str
    fits: Callable[[bytes], bool]
    decode: Callable[[bytes, str], Decoded]
    suffixes: frozenset[str] = field(default_factory=frozenset)
    offline: bool = False


def decode_as(data: bytes, name: str, formats: Sequence[Format], what: str) -> Decoded:
    """Read a sample in the first format that its bytes fit.

    Raises
    ------
    UsageError
        If they fit none, or are damaged; names the sample.
    """
    for one in formats:
        if one.fits(data):
            return one.decode(data, name)
    raise UsageError(
        f"Sample {name!r} cannot be read as {what}: unknown or damaged format",
        "Give a whole file of one of these formats: " + ", ".join(names_of(formats)),
    )


def offline_by(formats: Sequence[Format]) -> Callable[[bytes], str]:
    """Give what names the format of bytes that a serving worker must not read, else an empty text."""

    def offline(data: bytes) -> str:
        first = next((one for one in formats if one.fits(data)), None)
        return first.name if first is not None and first.offline else ""

    return offline


#: Decoders quote in their errors what they find in a file, which may name a person.
_QUOTED = re.compile(r"(?<!\w)(['\"]).*\1(?!\w)", re.DOTALL)


@contextmanager
def reading(name: str, what: str, extra: str = "") -> Iterator[None]:
    """Turn whatever a decoder raises on foreign bytes into one line that names the sample.

    Nothing that the decoder quotes is in it.

    Parameters
    ----------
    name
        The sample.
    what
        The format.
    extra
        The extra that brings the decoder, named where it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders warn of their own past and of foreign bytes
            yield
    except (UsageError, EnvironmentFault):
        raise
    except ImportError as error:
        raise EnvironmentFault(
            f"Sample {name!r} cannot be read: {error.name} is not installed",
            f"Install it: pip install foveal[{extra}]",
        ) from None
    except Exception as error:  # noqa: BLE001 - decoders fail in many ways on foreign bytes; all mean one thing
        # What a decoder calls its own objects, and what it advises programmers to do, helps nobody here.
        told = _QUOTED.sub("a text of the file", str(error))
        said = re.sub(r"<[^<>]* object at [^<>]*>", "it", told).partition(";")[0]
        reason = " ".join(said.split())[:120].rstrip(".") or type(error).__name__
        raise UsageError(
            f"Sample {name!r} cannot be read as {what}: {reason}", "Give a whole file of that format"
        ) from None


def suffixes_of(formats: Sequence[Format]) -> frozenset[str]:
    """Gather how the files of these formats are called."""
    return frozenset().union(*(one.suffixes for one in formats))


def names_of(formats: Sequence[Format]) -> tuple[str, ...]:
    """Gather what people call these formats, and which of them only commands read."""
    return tuple(f"{one.name} (not while serving)" if one.offline else one.name for one in formats)
