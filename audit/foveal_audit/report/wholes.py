"""Whole samples beside their crops: where in it the window lies that the crop was cut from."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from foveal.samples.strips import with_axis
from foveal_audit.bundle.evidence import WholeSample
from foveal_audit.bundle.schema import EntryRef
from foveal_audit.bundle.summary import plural
from foveal_audit.nouns import PICTURE, say
from foveal_audit.report import pictures, wording
from foveal_audit.report.sheets import Picture, sheet

#: Shown size of a whole sample's longer side: at least, at most.
SMALLEST, LARGEST = 160, 224
#: What the sounds of a sample are, in their order.
_HEARD = ("the window", "with what is around it")


@dataclass(frozen=True)
class Player:
    """What can be heard of a sample, by its number, and what it is."""

    uri: str
    number: int
    what: str


@dataclass(frozen=True)
class Whole:
    """The whole samples of the first crops, numbered as these are, and what is to be said of them."""

    picture: Picture
    note: str
    players: Sequence[Player] = ()


def of_crops(whole: Sequence[WholeSample], refs: Sequence[EntryRef]) -> list[WholeSample]:
    """Choose those that belong to the first crops shown, so that they can carry the same numbers."""
    chosen = []
    for one, ref in zip(whole, refs, strict=False):
        if one.ref != ref:
            break
        chosen.append(one)
    return chosen


def drawn(
    whole: Sequence[WholeSample], refs: Sequence[EntryRef], about: str, axes: int = PICTURE
) -> Whole | None:
    """Draw whole samples with the windows of the first crops.

    Parameters
    ----------
    refs
        The entries of the crops that are shown, in their order.
    about
        What they show, for those who cannot see it.
    axes
        Of the samples.
    """
    shown = of_crops(whole, refs)
    alt = f"{about}: {plural(len(shown), say('whole picture', axes))} with the window of the crop framed."
    tiles = [framed(one, SMALLEST, LARGEST) for one in shown]
    picture = sheet(tiles, alt, numbered=True, columns=max(1, len(tiles)))
    return None if picture is None else Whole(picture, _note(shown), list(_players(shown)))


def _players(shown: Sequence[WholeSample]) -> Iterator[Player]:
    for number, one in enumerate(shown, start=1):
        for sound, what in zip(one.sounds, _HEARD, strict=False):
            yield Player("data:audio/wav;base64," + base64.b64encode(sound).decode(), number, what)


def framed(
    one: WholeSample, smallest: int = pictures.SMALLEST, largest: int = pictures.LARGEST
) -> Image.Image:
    """Draw one whole sample at a size of its longer side, the window framed, time written below a trace."""
    image = pictures.framed(pictures.enlarged(pictures.rgb(one.picture), smallest, largest), one.frame)
    return _SCALED.get(len(one.sides), _plain)(image, one)


def _plain(image: Image.Image, _one: WholeSample) -> Image.Image:
    return image


def _timed(image: Image.Image, one: WholeSample) -> Image.Image:
    (steps,) = one.sides
    return with_axis(image, steps, wording.spacing_of(one.ref) or ())


#: By the number of axes.
_SCALED: Mapping[int, Callable[[Image.Image, WholeSample], Image.Image]] = {1: _timed}


def _note(shown: Sequence[WholeSample]) -> str:
    gone = [str(number) for number, one in enumerate(shown, start=1) if one.kept_only]
    kept = "only windows were kept, laid out here where they were seen; the rest is grey."
    notes = [f"Of {' and '.join(gone)} {kept}"] if gone else []
    found = [f"{number} {one.found}" for number, one in enumerate(shown, start=1) if one.found]
    notes += [f"Outlined is what the network segments: {'; '.join(found)}."] if found else []
    told = [
        f"{number} at {wording.where(one.ref)}"
        for number, one in enumerate(shown, start=1)
        if wording.spacing_of(one.ref)
    ]
    notes += [f"{'; '.join(told)}."] if told else []
    return " ".join(notes)
