"""foveal compare."""

import csv
import json

import numpy as np
import planted
import pytest
import typer
from typer.testing import CliRunner

from foveal.errors import EnvironmentFault, UsageError
from foveal.samples import encode_png
from foveal_audit.commands import compare
from foveal_audit.comparing.intervals import Estimate
from foveal_audit.comparing.results import Result
from foveal_audit.comparing.writing import as_csv, as_html, write_comparison

MODEL = "python:planted:model"


@pytest.fixture
def run():
    app = typer.Typer()
    app.callback()(lambda: None)
    compare.register(app)
    return lambda *words: CliRunner().invoke(app, ["compare", MODEL, *map(str, words)])


@pytest.fixture
def data(tmp_path):
    """Discs with their masks; the last two pictures have no mask and an empty one."""
    rng = np.random.default_rng(0)
    for n in range(8):
        image = planted.picture(rng, 1)
        (tmp_path / "data" / "disc").mkdir(parents=True, exist_ok=True)
        (tmp_path / "truth" / "disc").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / "disc" / f"{n}.png").write_bytes(encode_png(image))
        mask = (image > 200).astype(np.uint8) * (n < 7)
        if n > 0:
            (tmp_path / "truth" / "disc" / f"{n}.png").write_bytes(encode_png(mask))
    return tmp_path


def test_a_comparison_is_written_and_shown(run, data):
    out = data / "out"
    outcome = run(
        data / "data", "--truth", data / "truth", "--method", "layercam", "--method", "hirescam",
        "--layer", "auto", "-o", out, "--target", "label", "--json",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    shown = json.loads(outcome.stdout)
    assert shown == {**json.loads((out / "compare.json").read_text()), "files": shown["files"]}
    assert (shown["unknown"], shown["trivial"], len(shown["samples"])) == (1, 1, 6)
    layercam = shown["results"][0]
    assert (layercam["method"], layercam["layer"]) == ("layercam", "relu2")
    assert layercam["measures"]["pointing"] == {"mean": 1, "low": 1, "high": 1, "count": 6}
    assert len(layercam["values"]["deletion"]) == 6
    rows = list(csv.DictReader((out / "compare.csv").open()))
    assert {row["method"] for row in rows} == {"layercam", "hirescam", "random map", "centre"}
    assert "<script" not in (out / "compare.html").read_text()


def test_the_table_has_intervals_and_the_reasons_of_refusals(run, data, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    outcome = run(
        data / "data", "--truth", data / "truth", "--method", "cam", "--method", "layercam",
        "--layer", "conv1", "-o", data / "out", "--no-faithfulness",
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.output
    assert "6 samples; mean (95% interval)" in outcome.stdout
    assert "cam at conv1: Method 'cam'" in outcome.stdout
    assert "insertion" not in outcome.stdout


def test_the_limit_spreads_over_the_data(run, data):
    outcome = run(
        data / "data", "--truth", data / "truth", "--limit", "4", "--method", "layercam",
        "-o", data / "out", "--json", "--no-faithfulness",
    )  # fmt: skip
    assert json.loads(outcome.stdout)["samples"] == ["disc/2.png", "disc/4.png", "disc/6.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "gradcan"], "Unknown method 'gradcan'. Did you mean 'gradcam'"),
        (
            ["--truth", "nowhere"],
            "Truth 'nowhere' does not exist. Give a folder of masks or a CSV with boxes.",
        ),
        (["--method", "layercam", "--target", "class:5"], ""),
    ],
)
def test_what_is_wrong_is_said(run, data, words, said):
    truth = [] if "--truth" in words else ["--truth", data / "truth"]
    outcome = run(data / "data", *truth, *words, "-o", data / "out")
    assert isinstance(outcome.exception, UsageError)
    assert str(outcome.exception).startswith(said)
    assert not (data / "out").exists()


def test_a_label_that_is_no_class_is_refused(run, data):
    (data / "data" / "disc").rename(data / "data" / "ring")
    (data / "truth" / "disc").rename(data / "truth" / "ring")
    outcome = run(data / "data", "--truth", data / "truth", "--target", "label", "-o", data / "out")
    assert str(outcome.exception) == (
        "Sample 'ring/1.png' is labelled 'ring', which is no class of the model. "
        "The model's classes are stripes, disc."
    )


def test_a_truth_that_knows_no_sample_is_refused(run, data, tmp_path):
    (tmp_path / "other").mkdir()
    np.save(tmp_path / "other" / "x.npy", np.ones((24, 24)))
    outcome = run(data / "data", "--truth", tmp_path / "other", "-o", data / "out")
    assert str(outcome.exception) == (
        f"No sample of '{data / 'data'}' has a truth that marks a part of it. "
        "The truth does not know 8 of 8 samples; name masks like samples."
    )


RESULTS = [
    Result("a<b>", "l1", "passes", {"auc": Estimate(0.5, 0.25, 1.0, 3)}),
    Result("c", "l2", "fails", {}, "It cannot. Take another."),
]
FACTS = {
    "model": "m", "data": "d", "truth": "t", "target": "top", "unknown": 0, "trivial": 1,
    "samples": ["x"], "interval": "95%",
}  # fmt: skip


def test_the_table_of_commas():
    assert as_csv(RESULTS).splitlines() == [
        "method,layer,sanity,measure,mean,low,high,samples,refused",
        "a<b>,l1,passes,auc,0.500000,0.250000,1.000000,3,",
        "c,l2,fails,,,,,0,It cannot. Take another.",
    ]


def test_the_page_escapes_and_draws():
    page = as_html(FACTS, RESULTS)
    assert "a&lt;b&gt;" in page
    assert 'x1="25.0" y1="6" x2="100.0"' in page
    assert "0.500<br>(0.250 to 1.000)" in page
    assert "It cannot. Take another." in page


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault) as caught:
        write_comparison(tmp_path / "file", FACTS, RESULTS)
    assert str(caught.value) == (
        f"Folder '{tmp_path / 'file'}' cannot be written: File exists. Choose another with -o."
    )
