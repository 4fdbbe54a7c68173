"""Generators of the audit that is shown: what their sliders are told, and the exact frames they ask for."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response

from foveal.archives import AuditedModel, load_model
from foveal.errors import FovealError, UsageError
from foveal_audit.bundle.writing import GENERATORS, generator_folder
from foveal_audit.explorer.exhibits import Exhibits
from foveal_audit.explorer.templates import quoted
from foveal_audit.generators.storage import WEIGHTS, load_generator
from foveal_audit.lattice import Frames
from foveal_audit.lattice.answering import Answer, crop_answer, frame_answer, movie_answer, walk_answer
from foveal_audit.lattice.nodes import Nodes
from foveal_audit.lattice.opening import Seen
from foveal_audit.lattice.tiles import tile_side, told_of

#: Sliders that are shown at once, and steps of each that keys go through.
_AXES, _STEPS = 4, 5
_CARD = "card.json"
_LOG = logging.getLogger(__name__)


class Generators:
    """The generators, read when they are first asked for.

    Parameters
    ----------
    exhibits
        What is shown.
    model
        The audited model; the one that the findings name where none is given and it can be loaded.
    """

    def __init__(self, exhibits: Exhibits, model: str | None = None) -> None:
        self._exhibits, self._given = exhibits, model
        self._frames: dict[str, Future[Frames]] = {}
        self._told: dict[str, dict[str, Any]] = {}
        self._adding = threading.Lock()
        self._openers = ThreadPoolExecutor(1, "open")
        self._askers = ThreadPoolExecutor(1, "ask")

    def folder(self, feature: str) -> Path | None:
        """Give the folder of a feature's generator, None where there is none."""
        return self._folders.get(generator_folder(feature))

    @cached_property
    def _folders(self) -> dict[str, Path]:
        """List the generators that are there: no address that somebody asks for becomes a path."""
        audit = self._exhibits.audit
        if audit is None or audit.folder is None or self._exhibits.library is None:
            return {}
        found = (audit.folder / GENERATORS).glob(f"*/{WEIGHTS}")
        return {f"{GENERATORS}/{weights.parent.name}": weights.parent for weights in found}

    def json(self, feature: str) -> dict[str, Any] | None:
        """Give what the element of a feature's sliders is told, None where there is no generator."""
        folder = self.folder(feature)
        if folder is None:
            return None
        if feature not in self._told:
            self._told[feature] = _told(feature, folder)
        return self._told[feature]

    def frames(self, feature: str) -> Frames:
        """Give what answers for a feature.

        Raises
        ------
        UsageError
            There is no generator of it.
        """
        folder = self.folder(feature)
        if folder is None:
            raise UsageError(
                f"There is no generator of {feature[:60]!r}", "Ask for one that the audit learned"
            )
        return self._opened(feature, folder).result()

    def soon(self, feature: str) -> None:
        """Begin to open a feature's frames, for a page that will ask for them."""
        folder = self.folder(feature)
        if folder is not None:
            self._opened(feature, folder)

    def _opened(self, feature: str, folder: Path) -> Future[Frames]:
        with self._adding:
            known = self._frames.get(feature)
            if known is None or (known.done() and known.exception()):  # what failed is tried again
                known = self._frames[feature] = self._openers.submit(self._open, feature, folder)
        return known

    def _open(self, feature: str, folder: Path) -> Frames:
        """Open a feature's frames; the model's value comes later, for it takes longer than all else."""
        generator, findings = load_generator(folder), self._exhibits.findings
        with self._exhibits.reading() as library:
            seen = Seen.of(feature, library, None if findings is None else findings.model.sha256)
        frames = seen.frames(generator)
        frames.pending = True
        self._askers.submit(self._ask, frames, seen)
        return frames

    def _ask(self, frames: Frames, seen: Seen) -> None:
        """Get the audited model to say what it makes of frames, if it is at hand."""
        try:
            model = self._model
            pasting = None if model is None else seen.pasting(model)
            if pasting is not None:
                frames.gauge(pasting)
        except Exception as error:  # noqa: BLE001 - the model is code of somebody else's; frames do without it
            frames.note = f"The audited model cannot be asked: {error}"
            _LOG.warning("%s: %s", seen.feature, frames.note)
        finally:
            frames.pending = False

    @cached_property
    def _model(self) -> AuditedModel | None:
        """Load the audited model, and no other one in its place."""
        findings = self._exhibits.findings
        if findings is None:
            return None
        if self._given is not None:
            return load_model(self._given)
        try:
            model = load_model(findings.model.uri)
        except (FovealError, OSError):
            return None
        return model if model.sha256 == findings.model.sha256 else None


def _told(feature: str, folder: Path) -> dict[str, Any]:
    generator = load_generator(folder)
    nodes = Nodes.of(generator, min(_AXES, generator.latent_dim), _STEPS)
    words = _words(folder)
    sliders = [
        {"axis": at, "label": words.get(at, ""), "low": round(float(low), 5), "high": round(float(high), 5)}
        for at, (low, high) in enumerate(zip(nodes.low, nodes.high, strict=True))
    ]
    return {
        "feature": feature,
        "axes": sliders[: nodes.axes],
        "more": sliders[nodes.axes :],
        "steps": nodes.steps,
        "side": list(tile_side(generator.shape)),
        **told_of(generator.shape),
        "sprite": None,
        "exact": address(feature),
        "origin": [round(float(value), 5) for value in nodes.origin],
        "seed": 0,
    }


def address(feature: str) -> str:
    """Give where a feature's frames are."""
    return f"/frames/{quoted(feature)}"


def router(generators: Generators) -> APIRouter:
    """Make the routes; the longer addresses first, for a feature's name may hold anything."""
    routes = APIRouter()

    @routes.get("/frames/{feature:path}/walk.mp4")
    def movie(feature: str, request: Request) -> Response:
        return _sent(movie_answer(generators.frames(feature), _query(request)))

    @routes.get("/frames/{feature:path}/walk")
    def walk(feature: str, request: Request) -> Response:
        return _sent(walk_answer(generators.frames(feature), _query(request)))

    @routes.get("/frames/{feature:path}/crops/{row}")
    def crop(feature: str, row: int) -> Response:
        return _sent(crop_answer(generators.frames(feature), row))

    @routes.get("/frames/{feature:path}")
    def frame(feature: str, request: Request) -> Response:
        return _sent(frame_answer(generators.frames(feature), _query(request), address(feature)))

    return routes


def _words(folder: Path) -> dict[int, str]:
    """Read what each axis does; nothing where the card does not say."""
    try:
        axes = json.loads((folder / _CARD).read_bytes())["axes"]
        return {int(one["number"]): str(one["words"]) for one in axes}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def _query(request: Request) -> Mapping[str, str]:
    return dict(request.query_params)


def _sent(answer: Answer) -> Response:
    return Response(answer.body, media_type=answer.media_type, headers=dict(answer.headers))
