"""What pieces of work measured, as JSON and arrays, and back without a difference."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foveal_audit.bundle.evidence import FacetEvidence
from foveal_audit.engine.columns import open_windows, write_windows
from foveal_audit.gaps.finding import Gap, Gaps
from foveal_audit.judgement.facet import Facet, Judged
from foveal_audit.judgement.pairs import Effect
from foveal_audit.judgement.signals import Signal
from foveal_audit.units.formation import Formation
from foveal_audit.units.unit import Unit

_EFFECTS = ("removal", "paste", "mediation")
_ROWS = ("members", "windows", "nearest")
#: What the evidence of a facet has without a generator.
_PLAIN = ("assessment", "crops", "maps", "refs", "whole")
_JSON, _ARRAYS = "record.json", "arrays.npz"
#: Where a generator's own files lie in its result.
FILES = "files"


def write_judged(judged: Judged, folder: Path) -> None:
    """Write what was measured about a facet."""
    (folder / _JSON).write_text(json.dumps(_judged_record(judged)))


def _judged_record(judged: Judged) -> dict[str, Any]:
    effects = {name: getattr(judged, name) for name in _EFFECTS}
    return {
        "outcome": judged.outcome,
        "signals": _signal_records(judged.signals),
        **{name: None if effect is None else asdict(effect) for name, effect in effects.items()},
    }


def read_judged(folder: Path, facet: Facet) -> Judged:
    """Read what was measured about a facet."""
    return _judged_from(json.loads((folder / _JSON).read_text()), facet)


def _judged_from(content: Mapping[str, Any], facet: Facet) -> Judged:
    effects = {name: None if content[name] is None else Effect(**content[name]) for name in _EFFECTS}
    return Judged(facet, content["outcome"], _signals_from(content["signals"]), **effects)


def _signal_records(signals: Mapping[str, Signal]) -> dict[str, dict[str, Any]]:
    return {name: asdict(signal) for name, signal in signals.items()}


def _signals_from(content: Mapping[str, Any]) -> dict[str, Signal]:
    return {name: Signal(**signal) for name, signal in content.items()}


def write_properties(judged: Sequence[Judged], folder: Path) -> None:
    """Write properties of whole pictures: what was measured about each, and the pictures that carry it."""
    content = [
        {**_judged_record(one), "unit": asdict(one.facet.unit), "number": one.facet.number} for one in judged
    ]
    (folder / _JSON).write_text(json.dumps(content))
    for number, one in enumerate(judged):
        write_windows(iter([one.facet.windows]), folder / str(number))


def read_properties(folder: Path) -> list[Judged]:
    """Read properties of whole pictures."""
    found = []
    for number, content in enumerate(json.loads((folder / _JSON).read_text())):
        facet = Facet(_unit_from(content["unit"]), content["number"], open_windows(folder / str(number)))
        found.append(_judged_from(content, facet))
    return found


def _unit_from(record: Mapping[str, Any]) -> Unit:
    formation = Formation(**record["formation"])
    return Unit(**{**record, "channels": tuple(record["channels"]), "formation": formation})


def write_gaps(gaps: Gaps, folder: Path) -> None:
    """Write the gaps of a library, the p-value of every production sample, and the concepts not shown."""
    found = [{**vars(gap), **{name: getattr(gap, name).tolist() for name in _ROWS}} for gap in gaps.found]
    content = {"found": found, "not_shown": list(gaps.not_shown)}
    (folder / _JSON).write_text(json.dumps(content, default=_plain))
    np.savez(folder / _ARRAYS, p_values=gaps.p_values)


def read_gaps(folder: Path) -> Gaps:
    """Read the gaps of a library."""
    content = json.loads((folder / _JSON).read_text())
    rows = [{name: np.array(gap[name], dtype=np.int64) for name in _ROWS} for gap in content["found"]]
    gaps = [Gap(**{**gap, **own}) for gap, own in zip(content["found"], rows, strict=True)]
    with np.load(folder / _ARRAYS) as arrays:
        return Gaps(gaps, arrays["p_values"], tuple(content["not_shown"]))


def write_generated(evidence: FacetEvidence, signals: Mapping[str, Signal], folder: Path) -> None:
    """Write what a generator adds to the evidence of a facet, and to its signals."""
    added = {one.name: getattr(evidence, one.name) for one in fields(evidence) if one.name not in _PLAIN}
    pictures = {name: value for name, value in added.items() if _are_arrays(value)}
    rest = {name: value for name, value in added.items() if name not in pictures}
    counts = {name: len(value) for name, value in pictures.items()}
    content = {"fields": rest, "pictures": counts, "signals": _signal_records(signals)}
    (folder / _JSON).write_text(json.dumps(content, default=_plain))
    np.savez(
        folder / _ARRAYS,
        **{f"{name}.{i}": one for name, all_ in pictures.items() for i, one in enumerate(all_)},
    )


@dataclass(frozen=True)
class Generated:
    """What a generator gives to the bundle.

    Attributes
    ----------
    facet
        The facet of its feature that it shows.
    fields
        What it adds to the facet's :class:`~foveal_audit.bundle.evidence.FacetEvidence`.
    signals
        What was measured with it, see :func:`foveal_audit.judgement.dose.walk_axes`.
    files
        Name and content of its own files, in memory: the folder that they come from may go before the bundle
        is written.
    """

    facet: int
    fields: Mapping[str, Any]
    signals: Mapping[str, Signal]
    files: Mapping[str, bytes]

    def write(self, folder: Path) -> None:
        """Write its own files."""
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def read_drawn(folder: Path, facet: int) -> Generated | None:
    """Read what a generator gives to the bundle; None where it had too few crops."""
    if not (folder / _JSON).is_file():
        return None
    content, own = json.loads((folder / _JSON).read_text()), folder / FILES
    paths = [path for path in sorted(own.rglob("*")) if path.is_file()]
    with np.load(folder / _ARRAYS) as arrays:
        added = {**content["fields"], **_pictures(arrays, content["pictures"])}
    files = {str(path.relative_to(own)): path.read_bytes() for path in paths}
    return Generated(facet, added, _signals_from(content["signals"]), files)


def _pictures(arrays: Mapping[str, NDArray[Any]], counts: Mapping[str, int]) -> dict[str, list[NDArray[Any]]]:
    return {name: [arrays[f"{name}.{i}"] for i in range(count)] for name, count in counts.items()}


def _are_arrays(value: object) -> bool:
    return (
        isinstance(value, Sequence) and len(value) > 0 and all(isinstance(one, np.ndarray) for one in value)
    )


def _plain(value: object) -> object:
    """Write numpy's numbers and arrays, and mappings of other kinds, as JSON has them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not written")
