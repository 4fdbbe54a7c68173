"""A segmentation network that is an ONNX file and nothing else: collected and audited as with its code."""

from __future__ import annotations

from copy import deepcopy

import pytest
from onnx_nets import export
from planted_segments import LABELS, MEAN, SIDE, STD, audited, trained, write_pictures
from ready_stores import ready_store

from foveal.archives import load_model
from foveal.collecting import collect
from foveal.library import Library
from foveal.onnx_graphs.saving import save
from foveal_audit.auditing import audit
from foveal_audit.settings import AuditSettings

pytestmark = pytest.mark.slow

BESIDE = f"""\
preprocess: {{size: [{SIDE}, {SIDE}], channels: 1, mean: [{MEAN}], std: [{STD}]}}
labels: [{", ".join(LABELS)}]
foveal: {{window: [8, 8]}}
model: {{segmentation: {{background: 0}}}}
"""
SETTINGS = AuditSettings(pairs=24, nodes=2, generators=0)


def with_its_code():
    """Give the network with the name that the layer of its features has in the file: names seed draws."""
    net = deepcopy(trained())
    net._modules = {"dec_dec_1_Relu" if name == "dec" else name: one for name, one in net._modules.items()}
    net.__dict__["dec"] = net.dec_dec_1_Relu
    return audited(net)


def as_file(folder):
    save(export(trained(), sample=(1, SIDE, SIDE)), folder / "spots.onnx")
    (folder / "spots.yaml").write_text(BESIDE)
    return load_model(str(folder / "spots.onnx"), environ={})


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Collect and audit the network with its code, and the file; give a library and findings of each."""
    folder, found = tmp_path_factory.mktemp("segmentation-file"), {}
    pictures = {
        source: write_pictures(folder, source, number, seed)
        for seed, (source, number) in enumerate({"training": 120, "production": 40}.items(), 1)
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", ready_store(folder / "mlflow.db"))
        for how, model in {"code": with_its_code(), "file": as_file(folder)}.items():
            library = Library(how)
            for source, manifest in pictures.items():
                collect(model, manifest, source, library)
            found[how] = library, audit(model, library, SETTINGS).result.findings
        yield found


def test_the_same_windows_are_collected(studies):
    """Nodes have the patches that they read, contributions moving windows."""
    theirs, ours = (
        sorted((one.sample, one.source, one.feature, one.window) for one in studies[how][0].query().entries())
        for how in ("code", "file")
    )
    same = set(theirs) & set(ours)
    assert len(same) >= 0.99 * max(len(theirs), len(ours))
    assert len(theirs) > 300


def judged(findings):
    return {
        (one.feature, one.facet): (
            one.verdict,
            pytest.approx(one.artefact_score, abs=0.01),
            pytest.approx(one.reliance, abs=0.01),
            one.n_entries,
        )
        for one in findings.assessments
    }


def test_the_file_is_judged_as_the_network_is(studies):
    theirs, ours = (studies[how][1] for how in ("code", "file"))
    assert judged(ours) == judged(theirs)
    assert max(one.reliance for one in ours.assessments) > 0.5
