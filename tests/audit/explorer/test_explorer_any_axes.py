"""Crops and maps of traces and volumes in the explorer."""

import re
import wave
from dataclasses import replace

import numpy as np
import planted_traces
import pytest
from fastapi.testclient import TestClient
from ready_stores import ready_store

from foveal.collecting import collect
from foveal.library import Library
from foveal.samples.arrays import encode_crop
from foveal.samples.traces.transform import AudioTransform
from foveal_audit import elements
from foveal_audit.explorer import deciding, pages, tiles
from foveal_audit.explorer.app import make_app
from foveal_audit.explorer.deciding import LONGEST, Decision
from foveal_audit.explorer.exhibits import open_exhibits
from foveal_audit.explorer.guard import Guard
from foveal_audit.explorer.measuring import measures
from foveal_audit.explorer.templates import render


@pytest.mark.parametrize(("shape", "size"), [((300, 2), (128, 128)), ((9, 10, 12, 1), (23, 21))])
def test_crops_of_traces_and_volumes_are_drawn(shape, size):
    values = np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)
    image = tiles.crop_picture(encode_crop(values), "x")
    assert image.size == size
    louder = tiles.crop_picture(encode_crop(values), "x", (0.4, 0.6))
    assert louder.size == size
    assert (np.asarray(louder) != np.asarray(image)).any()
    assert tiles.crop_uri(encode_crop(values), "x")[1] == size


def test_a_map_of_a_trace_lies_over_its_spans_of_time():
    colours, line = tiles.map_layers([0.0, 0.0, 4.0, 0.0], [4], (128, 64))
    assert line.size == (64, 32)
    strongest = np.asarray(colours.convert("RGBA"))[..., 3]
    assert (strongest == strongest[:1]).all()  # the same over the whole height
    assert 16 <= strongest[0].argmax() < 24


def test_a_map_of_a_volume_is_drawn_as_its_slices():
    colours, line = tiles.map_layers(np.ones(2 * 3 * 4), [2, 3, 4], (50, 42))
    assert max(line.size) == tiles.LAYER
    opacity = np.asarray(colours.convert("RGBA"))[..., 3]
    assert opacity[0, 0] > 200
    assert opacity[-1, -1] < 20  # where there is no slice


def test_what_is_no_map_is_not_drawn():
    for values, shape in (([], []), ([1.0], [1, 1, 1, 1]), ([1.0, 2.0], [3]), ([], [0])):
        assert tiles.map_layers(values, shape, (8, 8)) == (None, None)


def test_pictures_of_16_signed_bits_have_a_window_of_values():
    pixels = np.linspace(-1000, 3000, 64, dtype=np.int16).reshape(8, 8, 1)
    image = np.asarray(tiles.crop_picture(encode_crop(pixels), "x", (0.25, 0.75)))
    assert image.shape == (8, 8, 3)
    assert (image[0, :4] == 0).all()
    assert (image[-1, -4:] == 255).all()


def decision(values, window, map_shape):
    row = {
        "id": "a",
        "crop": encode_crop(values),
        "window": list(window),
        "map": np.ones(int(np.prod(map_shape))).tolist(),
        "map_shape": list(map_shape),
        "feature": "fc:1",
    }
    return lambda shape: Decision({"shape": list(shape)}, [row])


def test_windows_of_a_trace_are_laid_along_its_time():
    made = decision(np.sin(np.arange(100, dtype=np.float32))[:, None], (100, 200), (4,))
    image = np.asarray(deciding.frame(made((1000, 1))))
    assert image.shape == (round(0.3 * LONGEST), LONGEST, 3)
    there = (image != 118).any((0, 2))
    first, last = np.flatnonzero(there)[[0, -1]]
    assert (first, last) == (round(0.1 * LONGEST), round(0.2 * LONGEST) - 1)


def test_windows_of_a_volume_are_laid_as_seen_along_its_first_axis():
    values = np.full((8, 10, 20, 1), 7, np.uint8)
    made = decision(values, (2, 10, 40, 10, 20, 60), (2, 2, 2))
    image = np.asarray(deciding.frame(made((30, 50, 100, 1))))
    assert image.shape == (LONGEST // 2, LONGEST, 3)
    rows, columns = np.nonzero((image != 118).any(2))
    scale = LONGEST / 100
    assert (rows.min(), rows.max()) == (round(10 * scale), round(20 * scale) - 1)
    assert (columns.min(), columns.max()) == (round(40 * scale), round(60 * scale) - 1)


@pytest.mark.parametrize("shape", [(), (1,), (0, 1), (4, 4, 4, 4, 1)])
def test_a_sample_of_no_known_shape_has_no_picture(shape):
    made = decision(np.zeros((4, 1), np.float32), (0, 4), (2,))
    assert deciding.frame(made(shape)) is None


def test_a_window_of_another_number_of_axes_is_left_out():
    made = decision(np.zeros((4, 1), np.float32), (0, 4), (2,))
    assert (np.asarray(deciding.frame(made((40, 40, 1)))) == 118).all()


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A library of six sounds of 4000 steps a second, and where their files are."""
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    (folder / "data").mkdir()
    for number in range(6):
        values = (0.4 * planted_traces.trace(rng, number % 2, marked=True)).clip(-1, 1)
        with wave.open(str(folder / "data" / f"{number}.wav"), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(4000)
            file.writeframes((values * 32767).round().astype("<i2").tobytes())
    store = ready_store(folder / "mlflow.db")
    transform = AudioTransform(rate=4000.0, size=(planted_traces.LENGTH,), channels=2, std=(0.4,))
    collect(
        replace(planted_traces.audited(), transform=transform),
        folder / "data",
        "training",
        Library("s", store),
    )
    return open_exhibits(None, "s", tracking_uri=store), folder / "data"


def test_a_decision_on_a_sound_can_be_heard_until_its_file_changes(sounds):
    exhibits, folder = sounds
    guard = Guard()
    client = TestClient(make_app(exhibits, guard), "http://127.0.0.1:8123")
    client.get("/", params={"token": guard.token})
    page = client.get("/why", params={"request": "3.wav"}).text
    places = re.findall(r'<audio[^>]* src="([^"]+)"', page)
    assert len(places) >= 2
    alone, around = (client.get(place.replace("&amp;", "&")) for place in places[:2])
    assert alone.headers["content-type"] == "audio/wav"
    assert len(alone.content) == 44 + 48 * 4
    assert len(around.content) == 44 + planted_traces.LENGTH * 4
    assert client.get("/sound", params={"request": "3.wav", "entry": "nothing"}).status_code == 400
    (folder / "3.wav").write_bytes(b"another")
    assert client.get(places[0].replace("&amp;", "&")).json() == {
        "fault": "There is nothing to hear of '3.wav'",
        "mend": "Ask for a sound whose file is there",
    }


def test_pictures_have_no_players(exhibits):
    guard = Guard()
    client = TestClient(make_app(exhibits, guard), "http://127.0.0.1:8123")
    client.get("/", params={"token": guard.token})
    assert "<audio" not in client.get("/why", params={"request": "training/00001.png"}).text


def test_of_pictures_only_steps_are_known(exhibits):
    guard = Guard()
    client = TestClient(make_app(exhibits, guard), "http://127.0.0.1:8123")
    client.get("/", params={"token": guard.token})
    entries = client.get("/api/entries", params={"start": 0, "count": 2}).json()["entries"]
    assert len(entries) == 2
    assert not any({"place", "spacing", "band"} & set(one) for one in entries)
    assert measures(exhibits, exhibits.findings.assessments[0]) == []
    assert client.get("/static/sliders.js").text == elements.script("sliders")


@pytest.mark.parametrize("part", ["-1", "2", "99999999999999999999", "x"])
@pytest.mark.parametrize("words", [("training/00001.png", "a"), ("../../etc/passwd", "\x00"), ("", "")])
def test_no_question_for_a_sound_brings_it_down(exhibits, part, words):
    guard = Guard()
    client = TestClient(make_app(exhibits, guard), "http://127.0.0.1:8123")
    client.get("/", params={"token": guard.token})
    answer = client.get("/sound", params={"request": words[0], "entry": words[1], "part": part})
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ((0, 40), "the detail is put into other recordings"),
        ((0, 0, 0, 4, 4, 4), "the detail is put into other scans"),
    ],
)
def test_no_finding_on_recordings_or_scans_speaks_of_pictures(module_result, window, said):
    one = module_result.findings.artefacts[0]
    entries = [entry.model_copy(update={"window": window}) for entry in one.entries]
    own = one.model_copy(update={"entries": entries, "reasons": [], "counter_evidence": []})
    argued = pages._argued(own, module_result.findings)
    page = render(
        "panel.html.j2",
        one=own,
        is_gap=False,
        title="",
        ids=["a"],
        said=None,
        sliders=None,
        measures=[],
        **argued,
    )
    words = re.sub(r"<[^>]*>", " ", page)
    assert said in words
    left = words.replace("clean models, all of pictures", "")
    assert not re.findall(r"pictur|\bimages?\b|rectangle|paint|pixel|colour", left, re.IGNORECASE)
