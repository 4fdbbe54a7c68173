"""Erasing: every pixel and value of the samples that are wanted gone, wherever Foveal put them.

The order makes it safe to cut off anywhere and to repeat: tombstones first, so that nothing comes back
meanwhile; then the plan with what was found (:mod:`foveal.library.plan`); then everything that holds pixels
or values, each replaced in one step; at last the receipt, and the plan goes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foveal.errors import FovealError
from foveal.library.artifacts import put_whole, sweep_parts
from foveal.library.leftovers import sweep_cache
from foveal.library.manifests import KINDS
from foveal.library.plan import Plan, Plans
from foveal.library.receipt import FOLDER, Changed, Receipt, Unreached
from foveal.library.redactors import AuditRuns, Erased, Redacted, redact
from foveal.library.schema import clean_text
from foveal.library.shelves import Shelves
from foveal.library.spooled import Rewriting, held, model_spool, rewrite, scan_spool
from foveal.library.tombstones import Tombstones
from foveal.library.tracking import Tracking
from foveal.library.units import Units
from foveal.library.unsaying import Unsaying
from foveal.library.upkeep import alone
from foveal.library.wanted import Wanted
from foveal.samples.tile_names import whole_name

if TYPE_CHECKING:
    from foveal.library.annotations import Event
    from foveal.library.store import Library

RETRAIN_TAG = "foveal.retrain"
#: Where the store notes what replaced shards held.
REPLACED = "replaced"
#: What is shipped while an erasure is under way is looked at again, so many times.
_LOOKS = 3
_LONGEST_TAG = 4000


def erase(
    library: Library,
    wanted: Wanted,
    spools: Sequence[Path] = (),
    bundles: Sequence[Path] = (),
    *,
    keep_events: bool = True,
) -> Receipt:
    """Erase samples from spools, library, caches of this machine, bundles; doing so again changes nothing.

    Parameters
    ----------
    library
        The library.
    wanted
        What is to go.
    spools
        Spools, or one model's folders in them.
    bundles
        Folders of audits. Those logged to MLflow are found without being named.
    keep_events
        Keep a record that there was a sample: time, source, model, and hashes that nobody can try again.

    Returns
    -------
    Receipt
        Also kept as ``receipts/ID.json`` with the library, where there was something to erase.

    Raises
    ------
    UsageError
        If there is no such library, spool or bundle.
    EnvironmentFault
        If MLflow or the disk fails; the same call again goes on.
    """
    library.tracking.run()
    folders = [(spool, model_spool(spool, library.name)) for spool in spools]
    with alone(library.tracking), ExitStack() as locks:
        locked = {folder: locks.enter_context(held(folder)) for _, folder in folders if folder is not None}
        return _Erasure(library, wanted, locked, bundles, keep_events).run()


class _Erasure:
    def __init__(
        self, library: Library, wanted: Wanted, folders: dict[Path, bool], bundles: Sequence[Path], keep: bool
    ) -> None:
        self._library, self._wanted, self._folders, self._bundles = library, wanted, folders, bundles
        self._tracking = library.tracking
        self._keep = keep
        self._tombstones = Tombstones(self._tracking)
        self._plans = Plans(self._tracking)
        self._shelves = Shelves(library, wanted)
        self._unsaying = Unsaying(self._tracking)
        self._plan = Plan("")
        self._receipt = Receipt(library.name, _requested(wanted, self._tombstones))

    def run(self) -> Receipt:
        sweep_parts(self._tracking)
        self._shelves.orphans()[0].finish()
        self._tombstones.add(self._wanted)
        self._plan = self._plans.open(_key(self._wanted, self._tombstones))
        for _ in range(_LOOKS):
            if not self._erase_found():
                break
        self._erase_derived()
        self._erase_bundles()
        return self._finish()

    def _erase_found(self) -> bool:
        """Look everywhere, write down what is there, and erase it."""
        scans = [scan_spool(folder, self._wanted, free) for folder, free in self._folders.items()]
        shards = self._shelves.scan(self._plan)
        leftovers, orphans = self._shelves.orphans()
        found = [one for scan in scans for one in scan.rewritings]
        self._receipt.unreached = [one for scan in scans for one in scan.unreached]
        if shards or orphans or found:
            self._note(found)
        self._unsay()  # as long as the names are known
        if shards or orphans or found:
            for shard in shards:
                self._shelves.erase(shard, self._plan)
            leftovers.delete(orphans)
            self._receipt.count("library", unfinished=len(orphans))
            for one in found:
                rewrite(one, self._wanted)
        return bool(shards or orphans or found)

    def _note(self, found: Sequence[Rewriting]) -> None:
        """Write down what is about to go."""
        for one in found:
            self._plan.note(one.gone)
            earlier = self._plan.spool.get(str(one.path), {"was": one.was, "samples": 0})
            samples = earlier["samples"] + len(one.gone)
            self._plan.spool[str(one.path)] = {**earlier, "samples": samples, "now": one.now}
        self._plans.put(self._plan, self._keep)

    def _unsay(self) -> None:
        """Take names and entries out of what experts said."""
        names = self._plan.names | set(self._wanted.names)
        words = self._unsaying.find(names, self._plan.ids, self._plan.id)
        if words:
            self._plan.words |= {new.path: _reworded(old, new) for old, new in words}
            self._plans.put(self._plan, self._keep)
        self._unsaying.replace(words)

    def _erase_derived(self) -> None:
        """Take out what was made of shards: copies, units, names of what was lost, the gallery."""
        self._shelves.remember(self._plan)
        hashes = [sha for noted in self._plan.shards.values() for sha in noted["files"].values()]
        if self._plan.ids:
            forgotten = Units(self._tracking, self._library.store).forget(
                self._plan.ids, self._plan.id.rsplit("-", 1)[-1]
            )
            self._receipt.count("units", entries=forgotten.ids)
            self._receipt.files += [
                Changed("library", path, sha, None) for path, sha in forgotten.files.items()
            ]
            hashes += forgotten.files.values()
        self._receipt.count("cache", files=sweep_cache(self._library.run_id, hashes))
        if hashes:
            self._library.forget_index()
        self._receipt.count("losses", names=self._forget_losses())
        if self._plan.shards:
            self._library.publish_note(patience=0)

    def _forget_losses(self) -> int:
        """Leave the names out of reports about what was lost; the counts stay."""
        forgotten = 0
        for name in self._tracking.names_in("losses"):
            report = json.loads(self._tracking.read(f"losses/{name}"))
            left = [sample for sample in report["samples"] if not self._is_named(clean_text(sample))]
            if len(left) < len(report["samples"]):
                forgotten += len(report["samples"]) - len(left)
                content = json.dumps({**report, "samples": left}, indent=1, sort_keys=True).encode()
                put_whole(self._tracking, f"losses/{name}", content)
        return forgotten

    def _is_named(self, sample: str) -> bool:
        return not {sample, whole_name(sample)}.isdisjoint(self._wanted.names)

    def _erase_bundles(self) -> None:
        erased = self._erased()
        for bundle in self._bundles:
            try:
                self._take(str(bundle), redact(bundle, erased))
            except FovealError as fault:
                self._receipt.unreached.append(Unreached.of(str(bundle), fault))
        for place, outcome in AuditRuns(self._tracking).redact(erased):
            if isinstance(outcome, FovealError):
                self._receipt.unreached.append(Unreached.of(place, outcome))
            else:
                self._take(place, outcome)
        if self._receipt.retrain:
            self._tracking.tag(RETRAIN_TAG, json.dumps(self._receipt.retrain)[:_LONGEST_TAG])

    def _take(self, place: str, redacted: Redacted | None) -> None:
        if redacted is not None:
            self._receipt.count("bundles", bundles=1, files=len(redacted.files))
            self._receipt.files += [
                Changed(place, path, **sha) for path, sha in sorted(redacted.files.items())
            ]
            self._receipt.retrain = sorted({*self._receipt.retrain, *redacted.generators})

    def _erased(self) -> Erased:
        """Say what bundles are to be redacted for; by now, also for what erasures before took."""
        receipts = [json.loads(self._tracking.read(f"{FOLDER}/{n}")) for n in self._tracking.names_in(FOLDER)]
        features = {one for receipt in receipts for one in receipt["features"]} | set(self._plan.features)
        shards = {name: noted["content"] for name, noted in self._plan.shards.items()}
        for receipt in receipts:
            shards |= receipt["shards"]
        return Erased(
            erasure=self._plan.id,
            when=self._plan.started,
            run_id=self._library.run_id,
            stale=frozenset({*shards.values(), *self._merged_into(set(shards))}),
            names=frozenset(self._plan.names | set(self._wanted.names)),
            features=frozenset(features),
            holds=_Holding(self._library),
        )

    def _merged_into(self, names: set[str]) -> set[str]:
        """Give the hashes of shards that compacting merged into ones of these names."""
        paths = [f"{REPLACED}/{name}" for name in self._tracking.names_in(REPLACED)]
        notes = {Path(path).stem: json.loads(note) for path, note in _read_all(self._tracking, paths)}
        known = set(names)
        while more := {name for name, note in notes.items() if note["by"] in known} - known:
            known |= more
        return {notes[name]["content_sha256"] for name in known - names}

    def _finish(self) -> Receipt:
        """Write the receipt, then throw the plan away."""
        receipt, plan = self._receipt, self._plan
        receipt.finished = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
        receipt.started = plan.started
        receipt.shards = {name: noted["content"] for name, noted in plan.shards.items()}
        receipt.features = plan.features
        for place, noted in (("library", plan.shards), ("spool", plan.spool)):
            receipt.count(place, samples=sum(one["samples"] for one in noted.values()), files=len(noted))
        receipt.count("library", entries=sum(one["entries"] for one in plan.shards.values()))
        receipt.count("events", events=len(plan.events) if self._keep else 0)
        receipt.count("annotations", events=len(plan.words))
        receipt.files[:0] = [*self._shard_files(), *_segment_files(plan), *_word_files(plan)]
        if receipt.changed:
            receipt.id = plan.id
            put_whole(self._tracking, f"{FOLDER}/{plan.id}.json", receipt.to_json())
        self._plans.close(plan)
        return receipt

    def _shard_files(self) -> list[Changed]:
        present = {shard.name: shard for shard in self._library.store.shards()}
        files = []
        for noted in self._plan.shards.values():
            new = present.get(noted["by"])
            for kind, (path, was) in zip(KINDS, noted["files"].items(), strict=True):
                files.append(Changed("library", path, was, None))
                if new is not None:
                    files.append(Changed("library", new.path(kind), None, new.part(kind).sha256))
        return files


class _Holding:
    """Says whether the library still holds a sample; reads the names when first asked."""

    def __init__(self, library: Library) -> None:
        self._library = library

    def __call__(self, source: str, sample: str) -> bool:
        return (source, sample) in self._known

    @cached_property
    def _known(self) -> set[tuple[str, str]]:
        samples = self._library.samples(columns=["source", "sample"])
        return set(zip(samples["source"].to_pylist(), samples["sample"].to_pylist(), strict=True))


def _read_all(tracking: Tracking, paths: Sequence[str]) -> list[tuple[str, bytes]]:
    return list(zip(paths, tracking.read_all(paths), strict=True))


def _segment_files(plan: Plan) -> list[Changed]:
    return [Changed("spool", path, one["was"], one["now"]) for path, one in plan.spool.items()]


def _word_files(plan: Plan) -> list[Changed]:
    before = [Changed("library", one["of"], one["was"], None) for one in plan.words.values()]
    return before + [Changed("library", path, None, one["now"]) for path, one in plan.words.items()]


def _reworded(old: Event, new: Event) -> dict[str, Any]:
    return {"of": old.path, "was": _sha256(old), "now": _sha256(new)}


def _sha256(event: Event) -> str:
    return hashlib.sha256(event.content()).hexdigest()


def _key(wanted: Wanted, tombstones: Tombstones) -> str:
    return tombstones.digest("\0".join((wanted.by, wanted.value, *sorted(wanted.sources))))[:32]


def _requested(wanted: Wanted, tombstones: Tombstones) -> dict[str, Any]:
    """Write down what was asked for, without the name itself."""
    told = {"value": wanted.value} if wanted.by == "before" else {"digest": tombstones.digest(wanted.value)}
    return {"by": wanted.by, "sources": sorted(wanted.sources), **told}
