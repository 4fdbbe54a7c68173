"""How large the windows of a finding are and at which frequencies they lie, as far as that is known."""

from __future__ import annotations

from foveal.samples.places import hertz, size
from foveal_audit.bundle.schema import Assessment, GapFinding
from foveal_audit.explorer.exhibits import Exhibits
from foveal_audit.library_columns import bands_of
from foveal_audit.placing import common_band


def measures(exhibits: Exhibits, one: Assessment | GapFinding) -> list[str]:
    """Say it of the entries that are listed of a facet; nothing of pictures, gaps and without a library."""
    ids = [ref.id for ref in one.entries if ref.id] if isinstance(one, Assessment) else []
    if not ids or exhibits.library is None:
        return []
    with exhibits.reading() as library:
        table = library.query(ids=ids).table(["window", "spacing", "band"])
    rows = table.select(["window", "spacing"]).to_pylist()
    large = {size(row["window"], row["spacing"]) if row["spacing"] else "" for row in rows}
    bands = bands_of(table)
    band = None if bands is None else common_band(bands)
    said = [f"A crop is {large.pop()}."] if len(large) == 1 and "" not in large else []
    return [*said, *([f"At least half of the entries have evidence at {hertz(band)}."] if band else [])]
