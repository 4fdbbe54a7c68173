"""From a file to the report: places in seconds, millimetres and hertz, of a record, a sound and a scan."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from placed_samples import TONE, model_of, write_placed
from ready_stores import ready_store
from synthetic_library import make_samples, make_windows

from foveal.collecting import collect
from foveal.explaining.files import describe
from foveal.explaining.samples import SampleExplainer
from foveal.library import Library
from foveal_audit.bench import usual_spacing
from foveal_audit.bundle.evidence import AuditResult, PlacedRef
from foveal_audit.bundle.schema import Findings
from foveal_audit.depicting import _spacing, facet_evidence
from foveal_audit.judgement.assessing import assess
from foveal_audit.judgement.facet import Facet, Judged
from foveal_audit.placing import common_band, placed_ref
from foveal_audit.report.page import render_page
from foveal_audit.units.unit import Unit
from foveal_audit.whole_samples import Reader
from foveal_audit.windows import read_evidence

COUNT = 4
#: What a report says of the only window of each sample, and how large a crop is.
TOLD = {
    "record": (r"(1\.9\d|2\.0\d)\u2013(2\.[34]\d) s", "A crop is 0.40 s."),
    "sound": (r"(0\.3\d|0\.40)\u2013(0\.4\d|0\.50) s, 1\.[89]\d*\u20132\.[012]\d* kHz", "A crop is 0.10 s."),
    "scan": ("z 16\u201332, y 4\\.0\u20138\\.0, x 6\\.0\u201312\\.0 mm", None),
}
SIZE = {"scan": "A crop is 16 \u00d7 4.0 \u00d7 6.0 mm."}


@pytest.fixture(scope="module", params=list(TOLD))
def world(request, tmp_path_factory):
    """One sort of samples, collected and explained."""
    folder = tmp_path_factory.mktemp(request.param)
    model, library = model_of(request.param), Library("places", ready_store(folder / "mlflow.db"))
    (folder / "samples").mkdir()
    files = write_placed(request.param, folder / "samples", COUNT)
    collect(model, folder / "samples", "training", library)
    with SampleExplainer(model) as explainer:
        explained = describe(explainer.explain(files[0]), explainer)
    return request.param, model, read_evidence(library, model.sha256), explained


def without_files(samples):
    return replace(samples, origins=(None,) * len(samples))


def page_of(model, evidence, result):
    """Write a report whose only finding is a facet of all contribution windows."""
    windows, samples = evidence.contribution, evidence.samples
    unit = Unit("contribution:0", windows.layer, (0,), local=True)
    judged = Judged(Facet(unit, 0, windows), 1, {}, None, None, None)
    (one,) = assess([judged], samples, model.sha256, model.labels, 0)
    one = one.model_copy(update={"verdict": "suspected"})
    named = {name: getattr(result.findings, name) for name in ("library", "config", "environment", "seed")}
    findings = Findings.of([one], model=result.findings.model, **named)
    shown = facet_evidence(one, windows, samples, None, windows, Reader.of(model))
    return shown, html.unescape(render_page(AuditResult(findings, [shown])))


def test_a_report_tells_places_in_the_units_of_the_samples(world, result):
    name, model, evidence, _ = world
    shown, page = page_of(model, evidence, result)
    told, large = TOLD[name][0], SIZE.get(name, TOLD[name][1])
    refs = re.findall(r'<span class="soft">training, ([^<]*), activation', page)
    assert len(refs) == COUNT
    assert all(re.fullmatch(told, one) for one in refs), refs
    assert large in page
    assert re.search(f"1 at {told}; 2 at {told}", page)  # below the whole samples
    assert re.search(r"Mask [^<]* (s|mm) in the training", page)
    assert "steps" not in re.sub(r"<style>.*?</style>|<script.*?</script>", "", page, flags=re.DOTALL)
    assert len(shown.whole) == 2
    assert (shown.band is not None) == (name == "sound")
    if shown.band:
        assert shown.band[0] <= TONE <= shown.band[1]
        assert re.search(
            r"At least half of the entries have evidence at 1\.[89]\d*\u20132\.[012]\d* kHz\.", page
        )


def test_an_explanation_tells_them_as_the_library_does(world):
    name, _, evidence, explained = world
    assert tuple(explained["spacing"]) == evidence.samples.spacing(0)
    assert explained["unit"] == ("mm" if name == "scan" else "s")
    assert all(("hertz" in box) == (name == "sound") for box in explained["boxes"])
    json.dumps(explained)


def test_the_size_of_steps_follows_from_the_library_alone(world):
    """No file is asked: neither for the spacing of an audit's samples nor for that of a facet."""
    _, model, evidence, _ = world
    samples = evidence.samples

    def never(origin):
        raise AssertionError(origin)

    nowhere = np.zeros(len(samples), bool)
    assert usual_spacing(never, samples, nowhere) == samples.spacing(0)
    assert _spacing(evidence.contribution, without_files(samples), model) == samples.spacing(0)


def test_a_report_without_files_tells_them_too(world, result):
    name, model, evidence, _ = world
    shown, page = page_of(model, replace(evidence, samples=without_files(evidence.samples)), result)
    assert len(shown.whole) == 0
    refs = re.findall(r'<span class="soft">training, ([^<]*), activation', page)
    assert len(refs) == COUNT
    assert all(re.fullmatch(TOLD[name][0], one) for one in refs)


def test_of_pictures_an_entry_stays_what_it_was():
    samples = make_samples(["training"])
    windows = make_windows([np.zeros((16, 16, 1), np.uint8)])
    assert type(placed_ref(windows, 0, samples)) is not PlacedRef
    assert samples.common_spacing(np.array([0])) is None
    assert windows.take(np.array([0])).band(0) is None


def test_samples_of_two_rates_have_none_in_common():
    plain = make_samples(["training"] * 3, shape=(100, 1))
    samples = replace(plain, spacings=np.array([[0.1], [0.1], [0.2]]))
    assert samples.common_spacing(np.array([0, 1, 1])) == (0.1,)
    assert samples.common_spacing(np.array([0, 2])) is None
    assert usual_spacing(None, samples, np.zeros(3, bool)) == (0.1,)
    assert samples.spacing(2) == (0.2,)


def held(bands, frequency):
    return sum(low <= frequency <= high for low, high in bands)


@given(
    hnp.arrays(np.int64, st.tuples(st.integers(1, 8), st.just(2)), elements=st.integers(0, 12)),
    st.integers(0, 4),
)
def test_the_common_band_is_what_half_of_the_entries_hold(bands, without):
    """Against counting at every half step: the stretch round the most held one that half of them hold."""
    bands = np.sort(bands, axis=1).astype(np.float64)
    bands[:, 1] += 1
    every = np.concatenate([bands, np.full((without, 2), np.nan)])
    counts = {at: held(bands, at) for at in np.arange(0.5, 14, 1)}
    most = max(counts.values())
    found = common_band(every)
    if 2 * most < len(every):
        assert found is None
        return
    low = high = next(at for at, count in counts.items() if count == most)
    while 2 * counts.get(low - 1, 0) >= len(every):
        low -= 1
    while 2 * counts.get(high + 1, 0) >= len(every):
        high += 1
    assert found == (low - 0.5, high + 0.5)


def test_without_any_band_there_is_none_in_common():
    assert common_band(np.full((3, 2), np.nan)) is None
    assert common_band(np.array([[100.0, 200.0], [np.nan, np.nan]])) == (100.0, 200.0)
    assert common_band(np.array([[100.0, 200.0], [300.0, 400.0], [500.0, 600.0]])) is None
