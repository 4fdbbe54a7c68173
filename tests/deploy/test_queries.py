"""Every query of the dashboard and the alerts is one, and asks for metrics and labels that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import promql_parser
import pytest
import yaml

from foveal.monitoring.names import METRICS, series

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = json.loads((DEPLOY / "grafana" / "foveal.json").read_text())
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"
RULES = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
EXPRESSIONS = {
    **{
        f"{panel['title']} {t['refId']}": t["expr"] for panel in DASHBOARD["panels"] for t in panel["targets"]
    },
    **{rule["alert"]: rule["expr"] for rule in RULES},
}


def selectors(expression):
    """Parse a query, with Grafana's variables filled in, and list what it selects."""
    filled = expression.replace("$__rate_interval", "5m").replace("$model", ".*")
    found = []

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(filled), visit)
    return found


def labels(name):
    """List the labels that a series has anywhere."""
    metric = next(each for each in METRICS if re.fullmatch(rf"{each.name}(_bucket|_sum|_count)?", name))
    by_place = {"worker": [*metric.dimensions, "Hostname"], "shipper": metric.shipper_labels}
    own = {label for place in metric.places for label in by_place[place]}
    return own | ({"le"} if name.endswith("_bucket") else set())


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS.items())
def test_what_a_query_selects_exists(title, expression):
    selected = selectors(expression)
    assert selected
    for each in selected:
        assert each.name in series()
        assert {matcher.name for matcher in each.matchers.matchers} <= labels(each.name)
    grouped = {
        label.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(",")
    }
    assert grouped <= set().union(*(labels(each.name) for each in selected))


def test_every_metric_is_on_the_dashboard():
    shown = {each.name for expression in EXPRESSIONS.values() for each in selectors(expression)}
    assert {re.sub(r"_bucket$", "", name) for name in shown} == {metric.name for metric in METRICS}


def test_a_query_of_a_metric_that_is_not_there_would_be_noticed():
    assert [each.name in series() for each in selectors("sum(rate(foveal_drops_total[5m]))")] == [False]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_alerts_are_complete_and_say_what_their_query_keeps(rule):
    assert rule["labels"]["severity"] in {"warning", "critical"}
    words = f"{rule['annotations']['summary']} {rule['annotations']['description']}"
    kept = set(re.findall(r"\$labels\.(\w+)", words))
    grouped = re.findall(r"by \(([^)]*)\)", rule["expr"])
    if grouped:
        assert kept <= {label.strip() for label in grouped[0].split(",")}


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    "command",
    [("check", "rules", str(ALERTS)), ("test", "rules", str(Path(__file__).parent / "alerts_test.yaml"))],
)
def test_promtool_takes_the_alerts_and_they_fire_when_they_should(command):
    done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


SCHEMA = {
    "type": "object",
    "required": ["__inputs", "__requires", "uid", "title", "schemaVersion", "templating", "panels", "time"],
    "properties": {
        "__inputs": {
            "type": "array",
            "minItems": 1,
            "items": {"required": ["name", "label", "type", "pluginId", "pluginName"]},
        },
        "id": {"const": None},
        "uid": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,40}$"},
        "schemaVersion": {"type": "integer", "minimum": 30},
        "templating": {
            "properties": {"list": {"type": "array", "items": {"required": ["name", "type", "query"]}}}
        },
        "panels": {
            "type": "array",
            "minItems": 1,
            "items": {
                "required": ["id", "type", "title", "gridPos", "datasource", "targets", "fieldConfig"],
                "properties": {
                    "type": {"enum": ["stat", "timeseries"]},
                    "datasource": {
                        "properties": {"type": {"const": "prometheus"}, "uid": {"const": "${datasource}"}}
                    },
                    "gridPos": {
                        "required": ["h", "w", "x", "y"],
                        "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 100},
                    },
                },
            },
        },
    },
}


def test_the_dashboard_is_one_that_can_be_imported():
    jsonschema.validate(DASHBOARD, SCHEMA)
    assert DASHBOARD["uid"] == "foveal-operations"
    assert [each["name"] for each in DASHBOARD["templating"]["list"]] == ["datasource", "model"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_panels_lie_beside_each_other():
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
