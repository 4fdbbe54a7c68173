"""A library's page in MLflow: the note of its run, in Markdown, with the gallery in it.

MLflow shows pictures in a note only from its own addresses: it drops ``data:`` URIs. So the gallery is an
artifact, and the note names it by an address relative to the page, which also holds behind a proxy's path.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from foveal.library.manifests import Added
from foveal.library.shards import ShardStore
from foveal.library.tracking import NOTE_TAG, Tracking
from foveal.library.units import Units
from foveal.records import Source

if TYPE_CHECKING:
    from foveal.library.gallery import Gallery

#: The sheet has one place, so that drawing it anew leaves no crop behind that was erased.
GALLERY = "gallery/gallery.png"
#: Tags of the library's run: the model version it is about, the run of its last audit and what that found.
VERSION_TAG, AUDIT_TAG, VERDICT_TAG = "foveal.model_version", "foveal.last_audit", "foveal.verdict"


class Page:
    """The page of one library.

    Parameters
    ----------
    tracking, store, units
        The library's run, its shards and the names of its windows.
    """

    def __init__(self, tracking: Tracking, store: ShardStore, units: Units) -> None:
        self._tracking, self._store, self._units = tracking, store, units
        self._gallery: Gallery | None = None
        self._drawn_at: float | None = None

    def publish(self, counts: Mapping[Source, Added], losses: Mapping[str, int], patience: float) -> None:
        """Write the note; draw the gallery unless one was drawn less than `patience` seconds ago."""
        if self._drawn_at is None or time.monotonic() - self._drawn_at >= patience:
            self._draw()
            self._drawn_at = time.monotonic()
        self._tracking.tag(NOTE_TAG, "\n".join(self._lines(counts, losses)))

    def _draw(self) -> None:
        from foveal.library.gallery import draw_gallery, empty_sheet  # noqa: PLC0415 - it brings torch along

        made = self._tracking.find() is not None
        self._gallery = draw_gallery(self._store, self._units) if made else None
        if self._gallery is not None:
            self._tracking.put(GALLERY, self._gallery.png)
        elif made and self._tracking.names_in("gallery"):
            self._tracking.put(GALLERY, empty_sheet())

    def _lines(self, counts: Mapping[Source, Added], losses: Mapping[str, int]) -> Iterator[str]:
        yield from (_headline(self._tracking.name, counts), "")
        if self._gallery is not None:
            yield from self._gallery_lines(self._gallery)
        yield from ("| source | samples | entries |", "|---|---:|---:|")
        yield from (
            f"| {source} | {count.samples:,} | {count.entries:,} |" for source, count in counts.items()
        )
        yield from ("", f"Lost on the way: {_listed(losses)}.", "")
        yield from self._links()
        yield f"Look into it with `foveal library show {self._tracking.name}`."

    def _gallery_lines(self, gallery: Gallery) -> Iterator[str]:
        info = self._tracking.run().info
        version = hashlib.sha256(gallery.png).hexdigest()[:8]  # else browsers show an older one
        address = urlencode({"path": GALLERY, "run_uuid": info.run_id, "v": version})
        page = f"#/experiments/{info.experiment_id}/runs/{info.run_id}/artifacts/{GALLERY}"
        yield from (f"![gallery](get-artifact?{address})", "")
        seen = f"{gallery.entries:,} newest entries" if gallery.entries != 1 else "only entry"
        yield f"The strongest crops among the {seen}, one per sample ([open it]({page})):"
        yield from (
            ", ".join(f"{plain(name)} {count:,}" for name, count in gallery.features.items()) + ".",
            "",
        )

    def _links(self) -> Iterator[str]:
        run = self._tracking.find()
        tags = self._tracking.tags() if run is not None else {}
        if run is not None and AUDIT_TAG in tags:
            page = f"#/experiments/{run.info.experiment_id}/runs/{tags[AUDIT_TAG]}"
            yield from (f"Last audit: [{plain(tags.get(VERDICT_TAG, 'see its run'))}]({page}).", "")
        if VERSION_TAG in tags:
            yield from (f"Model: {_model_link(tags[VERSION_TAG])}.", "")


def plain(text: str) -> str:
    """Take the meaning from everything that Markdown or HTML would read as markup."""
    return re.sub(r"[\\`*_{}\[\]()#!|<>~&@]", lambda sign: f"&#{ord(sign[0])};", " ".join(text.split()))


def _headline(name: str, counts: Mapping[Source, Added]) -> str:
    samples = ", ".join(f"{count.samples:,} {source}" for source, count in counts.items()) or "0"
    entries = sum(count.entries for count in counts.values())
    return f"Foveal's feature library **{plain(name)}**: {samples} samples, {entries:,} entries."


def _listed(losses: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {plain(reason)}" for reason, count in losses.items()) or "nothing"


def _model_link(uri: str) -> str:
    """Link ``models:/NAME/VERSION`` to its page in the registry."""
    name, _, version = uri.removeprefix("models:/").rpartition("/")
    if not name:
        return plain(uri)
    return f"[{plain(name)}, version {plain(version)}](#/models/{quote(name, safe='')}/versions/{version})"
