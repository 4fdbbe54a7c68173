"""A real TorchServe serves a segmentation network: the plain masks, audited and not; what decided is kept."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from planted_segments import check, drawn, judged, trained, write_pictures
from ready_stores import ready_store
from segmentation_archives import LABELS, network, packed

from foveal.archives import load_model
from foveal.collecting import collect
from foveal.developing import develop
from foveal.library import Library
from foveal.samples import decode_image, encode_png
from foveal.segmenting.masks import mask_of
from foveal.servers import TorchServe
from foveal.shipper import ship
from foveal.spool import read_segment
from foveal_audit.auditing import audit
from foveal_audit.settings import AuditSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("segmentation")


@pytest.fixture(scope="module")
def server(folder):
    store = folder / "store"
    packed(store, "audited.mar")
    packed(store, "plain.mar", config={"foveal": {"sample_rate": 0}})
    with TorchServe(store, spool=folder / "spool", logs=folder / "logs") as server:
        yield server


@pytest.fixture(scope="module")
def images():
    made = []
    for seed in range(6):
        out = io.BytesIO()
        pixels = np.random.default_rng(seed).integers(0, 256, (40, 48), dtype=np.uint8)
        Image.fromarray(pixels).save(out, "PNG")
        made.append(out.getvalue())
    return made


def test_masks_are_the_plain_networks_and_what_decided_is_kept(server, folder, images):
    model = load_model(str(folder / "store" / "audited.mar"))
    for image in images:
        audited, plain = (server.request(f"/predictions/{one}", image) for one in ("audited", "plain"))
        assert (audited.status, plain.status) == (200, 200)
        assert audited.body == plain.body
        found = json.loads(audited.body)
        with torch.inference_mode():
            by_hand = network()(model.transform(decode_image(image, ""))[None]).argmax(1)[0].numpy()
        for name, one in found["classes"].items():
            assert one["share"] == (by_hand == LABELS.index(name)).mean()
            if name != "nothing":
                assert np.array_equal(mask_of(one["runs"], found["shape"]), by_hand == LABELS.index(name))
    paths = [path for path in (folder / "spool" / "audited").glob("*") if path.suffix in {".open", ".seg"}]
    noted = [develop(seen) for path in paths for seen in read_segment(path)]
    assert len(noted) == len(images)
    assert {one.sample.model_sha256 for one in noted} == {model.sha256}
    assert all(any(entry.feature == "contribution" for entry in one.entries) for one in noted)


def test_explanations_and_refusals(server, images):
    found = json.loads(server.request("/explanations/audited", images[0]).body)
    assert found["class"] in LABELS
    assert found["map"]["layer"] == "dec"
    assert server.request("/predictions/audited", b"no picture").status == 400
    assert server.request("/predictions/audited", images[1]).status == 200


@pytest.mark.full
def test_a_study_from_requests_to_findings(tmp_path):
    archive = packed(
        tmp_path / "store", net=trained(), labels=("nothing", "lesion"), config={"foveal": {"window": [8, 8]}}
    )
    with TorchServe(tmp_path / "store", spool=tmp_path / "spool", logs=tmp_path / "logs") as server:
        for pixels, *_ in drawn(80, 2):
            assert server.request("/predictions/spots", encode_png(pixels)).status == 200
    spots, library = load_model(str(archive)), Library("spots", ready_store(tmp_path / "mlflow.db"))
    collect(spots, write_pictures(tmp_path, "training", 240, 1), "training", library)
    assert ship(tmp_path / "spool" / "spots", library).samples == 80
    found = audit(spots, library, AuditSettings(pairs=40, nodes=2, generators=0)).result.findings
    assert found.library.samples == {"training": 240, "production": 80}
    check(judged(found.assessments, "training", 240, 1))
