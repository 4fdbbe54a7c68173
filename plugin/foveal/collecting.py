"""Attributes a data set on disk and adds it to a library.

Two passes over the samples: the first reads every one of them and learns how strongly each node responds, the
second attributes. So the activation rule is exact, and nothing is added before every sample was found
readable. Samples are added in pieces that depend on the data set alone: a run that was cut off and continued
gives the same records as one that was not. A sample that the library holds already costs no forward pass.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from foveal.capture import naming_samples
from foveal.errors import UsageError
from foveal.features import CLASS
from foveal.library import Added, Library, node_activations
from foveal.library.schema import clean_text
from foveal.observer import Observer, Seen
from foveal.records import Observation, Source
from foveal.samples.cutting import Cut, Tiles, cut_samples
from foveal.samples.keeping import kept_values
from foveal.samples.kinds import Decoded
from foveal.samples.listing import SampleFile, list_samples

if TYPE_CHECKING:
    from foveal.archives.model import AuditedModel

#: Samples that become one shard; a run that is cut off loses at most the work on as many.
_SHARD = 512

#: Told what is being done (``reading``, ``attributing``), the samples done and the samples there are.
Progress = Callable[[str, int, int], None]

_Activations = dict[str, NDArray[np.float32]]
_Identity = tuple[Any, ...]


@dataclass(frozen=True)
class Collected:
    """What one run did.

    Attributes
    ----------
    samples, entries
        Records that were added.
    already
        Samples that the library held before.
    left_out
        Samples of another source, as their manifest says.
    unreadable
        Names of the samples that were skipped because they cannot be read.
    empty_tiles
        Tiles that were left out: they hold one value per channel.
    shared
        Steps that neighbouring tiles share at most; what lies there is in entries of each.
    """

    samples: int = 0
    entries: int = 0
    already: int = 0
    left_out: int = 0
    unreadable: tuple[str, ...] = ()
    empty_tiles: int = 0
    shared: int = 0


def collect(
    model: AuditedModel,
    data: Path,
    source: Source,
    library: Library,
    progress: Progress | None = None,
    batch: int = 64,
    *,
    skip_unreadable: bool = False,
    tiles: Tiles | None = None,
) -> Collected:
    """Attribute a data set and add it to a library.

    A sample counts as collected when the library holds one of the same source, name, content, label and
    metadata, seen by the same model under the same configuration. Its time is when its file last changed.

    Parameters
    ----------
    model
        The model that looks.
    data
        A folder or a CSV manifest; see :func:`foveal.samples.listing.list_samples`.
    source
        What the samples are. Those that a manifest says come from elsewhere are left out and counted.
    library
        Where they go.
    progress
        Called after every batch.
    batch
        Samples per forward pass.
    skip_unreadable
        Leave out the files that cannot be read and put them on record, instead of refusing all.
    tiles
        Take each tile of a sample that is larger as a sample of its own. Its windows count in its own steps;
        its metadata say of which file it is (``slide``) and where it starts there (``tile``).

    Raises
    ------
    UsageError
        If the data set is wrong or a sample cannot be read or does not fit the model; nothing was added then.
    EnvironmentFault
        If MLflow fails; what was added stays, and running again goes on from there.
    """
    report = progress or _to_nobody
    listed = list_samples(data, model.kind)
    meant = _meant(listed, data, source)
    cut = Cut(meant) if tiles is None else cut_samples(meant, model.kind, tiles, report)
    if not cut.samples:
        raise UsageError(
            f"Every tile of '{data}' holds one value only", "Give images that show something, or no --tile"
        )
    with ExitStack() as stack:
        job = _Job(model, source, library, report, batch, stack)
        items = job.identify(cut.samples, skip_unreadable)
        held = job.held(items)
        unreadable = job.examine(items, held, skip_unreadable)
        if skip_unreadable:
            _put_on_record(library, source, data, unreadable)
        added = job.attribute(items, {*held, *(item.identity for item in unreadable)})
    return Collected(
        samples=added.samples,
        entries=added.entries,
        already=len(held),
        left_out=len(listed) - len(meant),
        unreadable=tuple(item.file.name for item in unreadable),
        empty_tiles=cut.empty,
        shared=cut.shared,
    )


def _meant(listed: Sequence[SampleFile], data: Path, source: Source) -> list[SampleFile]:
    """Leave out what a manifest says comes from elsewhere."""
    meant = [file for file in listed if file.source in (None, source)]
    if not meant:
        raise UsageError(
            f"No sample of '{data}' comes from {source}", "Give the --source that its manifest names"
        )
    return meant


class _Item(NamedTuple):
    """A file of the data set with all that tells it from others of its source."""

    file: SampleFile
    sha256: str
    metadata: dict[str, str]

    @property
    def identity(self) -> _Identity:
        """Give the identity in the words of the library."""
        label = None if self.file.label is None else clean_text(self.file.label)
        pairs = ((clean_text(key), clean_text(value)) for key, value in self.metadata.items())
        return clean_text(self.file.name), self.sha256, label, tuple(sorted(pairs))


class _Loaded(NamedTuple):
    """An item, decoded, and the tensor that the model takes."""

    item: _Item
    sample: Decoded
    tensor: Tensor


class _Job:
    """One run of :func:`collect`."""

    def __init__(
        self,
        model: AuditedModel,
        source: Source,
        library: Library,
        report: Progress,
        batch: int,
        stack: ExitStack,
    ) -> None:
        self._model, self._source, self._library = model, source, library
        self._report, self._batch, self._stack = report, batch, stack
        self._observer: Observer | None = None

    def identify(self, files: Sequence[SampleFile], skip_unreadable: bool) -> list[_Item]:
        """Hash the files and choose the metadata that is kept; what is to be skipped holds nothing."""
        return [self._identified(file, skip_unreadable) for file in files]

    def _identified(self, file: SampleFile, skip_unreadable: bool) -> _Item:
        """Hash one file and choose its metadata: what the manifest says, else what the file itself says."""
        keep, data = self._model.config.keep.metadata, b""
        with suppress(UsageError) if skip_unreadable else nullcontext():  # told of where samples are examined
            data = self._bytes_of(file)
        told = {key: value for key, value in file.metadata.items() if not keep or key in keep}
        tags = self._tags(data, file, [key for key in keep if key not in told])
        return _Item(file, hashlib.sha256(data).hexdigest(), tags | told)

    def _tags(self, data: bytes, file: SampleFile, wanted: Sequence[str]) -> dict[str, str]:
        """Read the wanted tags of a file; one that cannot be read is told of later."""
        if not wanted:
            return {}
        with suppress(UsageError):
            tags = self._model.kind.decode(data, file.name).tags
            return {key: tags[key] for key in wanted if key in tags}
        return {}

    def held(self, items: Iterable[_Item]) -> set[_Identity]:
        """Find out which of the samples the library holds already."""
        if not self._library.exists():
            return set()
        return {item.identity for item in items} & set(_identities(self._recorded(["label", "metadata"])))

    def examine(
        self, items: Sequence[_Item], held: Collection[_Identity], skip_unreadable: bool
    ) -> list[_Item]:
        """Read all new samples, and fix the activation rule from their and the held samples' activations.

        Returns
        -------
        list
            The samples that cannot be read, where these may be skipped.
        """
        unreadable: list[_Item] = []
        found: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
        for start, piece in _pieces(items, held):
            for group, done in self._batches(self._load(piece, unreadable if skip_unreadable else None)):
                for layer, values in self._activations(group).items():
                    found[layer].append(values)
                self._report("reading", start + done, len(items))
        if self._observer is not None:
            for layer, values in self._held_activations(held, list(found)).items():
                found[layer].append(values)
            self._observer.rules.prime({layer: np.concatenate(parts) for layer, parts in found.items()})
        return unreadable

    def attribute(self, items: Sequence[_Item], done: Collection[_Identity]) -> Added:
        """Attribute and add what is not done."""
        total = Added()
        for start, piece in _pieces(items, done):
            total += self._library.add(self._observed(piece, start, len(items)), self._free_name(piece))
        if total.samples:
            self._library.publish_note()
        return total

    def _observed(self, piece: Sequence[_Item], start: int, total: int) -> list[Observation]:
        observations: list[Observation] = []
        for group, done in self._batches(self._load(piece, None)):
            seen = [self._seen(loaded) for loaded in group]
            _, found = self._watching(group).observe(seen, _stacked(group))
            observations += found
            self._report("attributing", start + done, total)
        return observations

    def _seen(self, loaded: _Loaded) -> Seen:
        file, sha256, metadata = loaded.item
        changed = datetime.fromtimestamp((file.within or file.path).stat().st_mtime, timezone.utc)
        return Seen(
            sample=file.name,
            row=0,
            values=kept_values(loaded.sample.values, hide_text=self._model.config.keep.hides_text),
            spacing=loaded.sample.spacing,
            source=self._source,
            time=changed.isoformat(timespec="milliseconds"),
            key="\0".join((self._source, file.name, sha256)),
            label=file.label,
            metadata=metadata,
            origin=str(file.path),
            sha256=sha256,
        )

    def _watching(self, group: Sequence[_Loaded]) -> Observer:
        """Give the observer, made with the first sample that is seen."""
        if self._observer is None:
            first = group[0]
            observer = self._model.observer(first.tensor[None], first.item.file.name)
            self._observer = self._stack.enter_context(observer)
        return self._observer

    def _activations(self, group: Sequence[_Loaded]) -> _Activations:
        """Give the activations that the rule learns from; no forward pass for rules that learn nothing."""
        observer = self._watching(group)
        if self._model.config.rule.kind != "percentile":
            return {}
        x = _stacked(group)
        with naming_samples([loaded.item.file.name for loaded in group], x):
            forward = observer.forward(x)
        tensors = {**forward.nodes, CLASS: forward.output}
        return {layer: tensor.float().numpy().copy() for layer, tensor in tensors.items()}

    def _held_activations(self, held: Collection[_Identity], layers: Iterable[str]) -> _Activations:
        if not held:
            return {}
        table = self._recorded(["label", "metadata", "scores", "activations"])
        table = table.filter(pa.array([identity in held for identity in _identities(table)], pa.bool_()))
        scores = np.array(table["scores"].to_pylist(), np.float32)
        return {layer: scores if layer == CLASS else node_activations(table, layer) for layer in layers}

    def _recorded(self, columns: Sequence[str]) -> pa.Table:
        return self._library.samples(
            self._source,
            ["sample", "sample_sha256", *columns],
            model_sha256=self._model.sha256,
            config_sha256=self._model.config.sha256,
        )

    def _load(self, items: Iterable[_Item], unreadable: list[_Item] | None) -> Iterator[_Loaded]:
        """Read samples one after the other; unreadable ones are put aside where there is a list for them."""
        for item in items:
            try:
                sample = self._model.kind.decode(self._bytes_of(item.file), item.file.name)
            except UsageError:
                if unreadable is None:
                    raise
                unreadable.append(item)
            else:
                yield _Loaded(item, sample, self._model.tensor(sample, item.file.name))

    def _bytes_of(self, file: SampleFile) -> bytes:
        """Read a sample's bytes; errors name it as the data set does."""
        try:
            return self._model.kind.read(file.path)
        except UsageError as fault:
            raise UsageError(fault.fault.replace(str(file.path), file.name), fault.mend) from None

    def _batches(self, loaded: Iterable[_Loaded]) -> Iterator[tuple[list[_Loaded], int]]:
        """Group samples that fit into one forward pass; say how many are done after each group."""
        done = 0
        number = count()
        for _, group in groupby(loaded, key=lambda one: (one.tensor.shape, next(number) // self._batch)):
            members = list(group)
            done += len(members)
            yield members, done

    def _free_name(self, piece: Sequence[_Item]) -> str:
        """Name a shard after what it holds; the same samples may be there under labels that came back."""
        words = (
            self._source,
            self._model.sha256,
            self._model.config.sha256,
            *(item.identity for item in piece),
        )
        name = f"collect-{self._source}-{hashlib.sha256(repr(words).encode()).hexdigest()[:24]}"
        taken = {shard["name"] for shard in self._library.shards()} if self._library.exists() else set()
        return next(free for n in count() if (free := f"{name}-{n}" if n else name) not in taken)


def _pieces(items: Sequence[_Item], done: Collection[_Identity]) -> Iterator[tuple[int, list[_Item]]]:
    """Cut the data set into pieces, always at the same places, and give what is to be done of each."""
    for start in range(0, len(items), _SHARD):
        piece = [item for item in items[start : start + _SHARD] if item.identity not in done]
        if piece:
            yield start, piece


def _to_nobody(stage: str, done: int, total: int) -> None:
    """Take a progress report and do nothing."""


def _stacked(group: Sequence[_Loaded]) -> Tensor:
    return torch.stack([loaded.tensor for loaded in group])


def _identities(table: pa.Table) -> Iterator[_Identity]:
    """Read the identities of recorded samples, in the order of the table."""
    columns = (table[name].to_pylist() for name in ("sample", "sample_sha256", "label", "metadata"))
    for name, sha256, label, metadata in zip(*columns, strict=True):
        yield name, sha256, label, tuple(sorted(metadata))


def _put_on_record(library: Library, source: Source, data: Path, unreadable: Sequence[_Item]) -> None:
    """Say in the library what was skipped; a later run without trouble takes it back."""
    if unreadable or library.exists():
        origin = f"collect-{source}-{hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:16]}"
        counts = {"unreadable": len(unreadable)} if unreadable else {}
        library.report_losses(origin, counts, [clean_text(item.file.name) for item in unreadable])
