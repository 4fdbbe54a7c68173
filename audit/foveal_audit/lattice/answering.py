"""Answers to what ``<foveal-sliders>`` asks of a server; no web framework is needed to give them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from foveal.errors import UsageError

from .frames import Frame, Frames

MOST_FRAMES = 1000  # of a walk
_LARGEST_SEED = 2**32 - 1
_FOREVER = {"Cache-Control": "private, max-age=3600"}


@dataclass(frozen=True)
class Answer:
    """What goes back: the body, its media type and further headers."""

    body: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def frame_answer(frames: Frames, query: Mapping[str, str], address: str) -> Answer:
    """Answer ``?z=1,2,..`` or ``?seed=7``, with ``part=picture`` where the model need not be asked.

    Parameters
    ----------
    frames
        Of the feature asked for.
    query
        The address's parameters, as they came.
    address
        Of the feature's frames, to name real crops below it.

    Raises
    ------
    UsageError
        Neither, or something else than numbers.
    """
    frame = _asked(frames, query)
    headers = {"Foveal-Frame": frame.header(f"{address}/crops"), "Cache-Control": "no-store"}
    return Answer(frame.image, "image/webp", headers)


def walk_answer(frames: Frames, query: Mapping[str, str]) -> Answer:
    """Answer ``?seed=7&frames=144`` with the latents of a walk.

    Raises
    ------
    UsageError
        Not numbers, or more than 1000 frames.
    """
    count = _whole(query, "frames", MOST_FRAMES)
    latents = frames.walk(_whole(query, "seed", _LARGEST_SEED), max(1, count)).round(5).astype(float)
    return Answer(json.dumps({"latents": latents.tolist()}).encode(), "application/json")


def movie_answer(frames: Frames, query: Mapping[str, str]) -> Answer:
    """Answer ``?seed=7`` with the walk as an MP4.

    Raises
    ------
    UsageError
        Not a number, or nothing of it may be shown.
    """
    return Answer(frames.movie(_whole(query, "seed", _LARGEST_SEED)), "video/mp4", _FOREVER)


def crop_answer(frames: Frames, row: int) -> Answer:
    """Answer with a real crop.

    Raises
    ------
    UsageError
        There is no such crop.
    """
    return Answer(frames.crop(row), "image/webp", _FOREVER)


def _asked(frames: Frames, query: Mapping[str, str]) -> Frame:
    if "z" in query:
        return frames.frame(_latent(query["z"]), ask_model=query.get("part") != "picture")
    return frames.drawn(_whole(query, "seed", _LARGEST_SEED))


def _latent(text: str) -> list[float]:
    try:
        return [float(value) for value in text.split(",")]
    except ValueError as fault:
        raise UsageError(
            f"{text[:40]!r} is not a latent", "Give numbers with commas between: 0.1,-0.2"
        ) from fault


def _whole(query: Mapping[str, str], name: str, most: int) -> int:
    text = query.get(name, "")
    if not (text.isascii() and text.isdigit()) or int(text[:20]) > most:
        raise UsageError(f"{text[:40]!r} is no {name}", f"Give a whole number from 0 to {most}")
    return int(text)
