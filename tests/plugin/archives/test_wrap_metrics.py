"""Foveal's metrics in a copy of a server's metrics.yaml."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from plain_archives import laid_out

from foveal.archives.metrics_file import inserted, merge_file
from foveal.errors import UsageError
from foveal.monitoring.workers import declared, missing

NEW = {"gauge": [{"name": "g", "unit": "ms", "dimensions": ["ModelName", "Level"]}]}
LINES = "- name: g\n{0}  unit: ms\n{0}  dimensions: [ModelName, Level]\n"


def torchserves_own():
    spec = find_spec("ts")
    return (Path(spec.origin).parent / "configs" / "metrics.yaml").read_text()


def test_torchserves_own_file_gets_lines_and_keeps_the_others():
    text = torchserves_own()
    merged = inserted(text, missing(text))
    assert merged.startswith(text)
    before, after = yaml.safe_load(text), yaml.safe_load(merged)
    assert after["ts_metrics"] == before["ts_metrics"]
    assert after["model_metrics"] == {**before["model_metrics"], **declared()}
    for entries in declared().values():
        assert all(entry["dimensions"][-2:] == ["ModelName", "Level"] for entry in entries)


def test_torchserve_reads_what_was_written(tmp_path):
    """TorchServe's own worker makes a metric of every entry."""
    from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl  # noqa: PLC0415

    server = tmp_path / "metrics.yaml"
    server.write_text(torchserves_own())
    cache = MetricsCacheYamlImpl(str(merge_file(server, tmp_path, missing)))
    cache.initialize_cache()
    known = {name for metrics in cache.cache.values() for name in metrics}
    assert {"PredictionTime", "HandlerTime"} < known
    assert {entry["name"] for entries in declared().values() for entry in entries} < known


@pytest.mark.parametrize(
    ("text", "merged"),
    [
        (
            "model_metrics:\n  gauge:\n    - {name: a}\n# end\n",
            ("model_metrics:\n  gauge:\n    - {name: a}\n    ", "    ", "# end\n"),
        ),
        (
            "model_metrics:\n  gauge:\n  - name: a\nx: 1",
            ("model_metrics:\n  gauge:\n  - name: a\n  ", "  ", "x: 1\n"),
        ),
        ("model_metrics:\n  counter: []\n", ("model_metrics:\n  counter: []\n  gauge:\n  ", "  ", "")),
        ("", ("model_metrics:\n  gauge:\n  ", "  ", "")),
        ("x: 1", ("x: 1\nmodel_metrics:\n  gauge:\n  ", "  ", "")),
    ],
)
def test_lines_go_where_their_list_ends(text, merged):
    head, indent, tail = merged
    assert inserted(text, NEW) == head + LINES.format(indent) + tail


@pytest.mark.parametrize(
    "text",
    [
        "model_metrics: {gauge: [{name: a}]}\n",
        "model_metrics:\n",
        "d: &d [x]\nmodel_metrics:\n  gauge:\n  - name: a\n    dimensions: *d\n",
        "model_metrics:\n  gauge:\n",
        "model_metrics:\n  gauge: [{name: a}]\n",
    ],
)
def test_what_has_no_lines_to_add_to_is_written_anew(text):
    before = yaml.safe_load(text)
    gauges = (before["model_metrics"] or {}).get("gauge") or []
    assert yaml.safe_load(inserted(text, NEW)) == {
        **before,
        "model_metrics": {"gauge": [*gauges, *NEW["gauge"]]},
    }


def test_nothing_is_added_twice(tmp_path):
    server = tmp_path / "metrics.yaml"
    server.write_text(torchserves_own())
    once = merge_file(server, tmp_path / "store", missing)
    assert once == tmp_path / "store" / "metrics.foveal.yaml"
    twice = merge_file(once, tmp_path / "again", missing)
    assert twice.name == "metrics.foveal.yaml"
    assert twice.read_bytes() == once.read_bytes()
    assert server.read_text() == torchserves_own()


@pytest.mark.parametrize("content", [None, b"- a list", b"\xff\xfe", b"a: ["])
def test_files_that_are_no_metrics(tmp_path, content):
    path = tmp_path / "metrics.yaml"
    if content is not None:
        laid_out(tmp_path, {"metrics.yaml": content})
    with pytest.raises(UsageError) as caught:
        merge_file(path, tmp_path / "store", missing)
    assert caught.value.fault.startswith(f"{path} cannot be read as a metrics.yaml (")
    assert caught.value.mend == (
        "Give the file that metrics_config of the server's config.properties names, "
        "or TorchServe's own: ts/configs/metrics.yaml"
    )
    assert not (tmp_path / "store").exists()
