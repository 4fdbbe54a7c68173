from __future__ import annotations

import base64
import re
import time
from email.utils import formatdate

import pytest

SEARCH = "/api/2.0/mlflow/experiments/search"
MEND = "sudo timedatectl set-ntp true"


@pytest.fixture
def mlflow(server):
    """A server that answers like MLflow."""

    def start(version="3.17.2", status=200, ahead=0.0):
        date = {"Date": formatdate(time.time() + ahead, usegmt=True)}
        return server(
            {
                SEARCH: (status, date, b'{"message": "refused"}'),
                "/version": (200, date, version.encode()),
                "/health": (200, date, b"OK"),
            }
        )

    return start


def test_a_server_that_is_well(verdicts, mlflow):
    uri, _ = mlflow()
    assert verdicts("mlflow", "mlflow-version", "clock", tracking_uri=uri) == [
        ("ok", f"MLflow answers at {uri}", ""),
        ("ok", "The MLflow server 3.17.2 has no hole known to Foveal", ""),
        ("ok", "This machine and the MLflow server agree on the time", ""),
    ]


def test_an_old_server_and_one_that_does_not_say(verdicts, mlflow):
    uri, _ = mlflow("3.10.2")
    assert verdicts("mlflow-version", tracking_uri=uri) == [
        (
            "failure",
            "The MLflow server 3.10.2 has known holes: PYSEC-2026-93 (mended in 3.11)",
            "pip install 'mlflow>=3.11'",
        )
    ]
    uri, _ = mlflow("<script>")
    assert verdicts("mlflow-version", tracking_uri=uri)[0][:2] == (
        "skipped",
        "The server does not tell its version (200)",
    )


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        (-30, ("warning", "This machine's clock is N s ahead of MLflow's", MEND)),
        (30, ("warning", "This machine's clock is N s behind MLflow's", MEND)),
        (3600, ("failure", "This machine's clock is N s behind MLflow's", MEND)),
    ],
)
def test_clocks_that_differ(verdicts, mlflow, ahead, expected):
    uri, _ = mlflow(ahead=ahead)
    ((status, what, paste),) = verdicts("clock", tracking_uri=uri)
    assert (status, re.sub(r"\d+", "N", what), paste) == expected
    assert int(re.search(r"\d+", what)[0]) == pytest.approx(abs(ahead), abs=2)


def test_nobody_there(verdicts):
    uri = "http://127.0.0.1:9"
    found = verdicts("mlflow", "mlflow-version", "clock", tracking_uri=uri)
    assert [status for status, *_ in found] == ["failure", "skipped", "skipped"]
    assert found[0][2] == "curl -sS http://127.0.0.1:9/health"
    assert found[1][1] == "No MLflow server answers"


def test_passwords_are_used_but_not_told(verdicts, mlflow):
    uri, seen = mlflow(status=403)
    host = uri.removeprefix("http://")
    assert verdicts("mlflow", tracking_uri=f"http://me:secret@{host}") == [
        (
            "failure",
            f"MLflow at http://***@{host} refuses this user (403)",
            "export MLFLOW_TRACKING_USERNAME=... MLFLOW_TRACKING_PASSWORD=...",
        )
    ]
    assert seen == ["Basic " + base64.b64encode(b"me:secret").decode()]
    verdicts("mlflow", tracking_uri=uri, environ={"MLFLOW_TRACKING_TOKEN": "t"})
    assert seen[-1] == "Bearer t"
    ((_, what, paste),) = verdicts("mlflow", tracking_uri="http://me:secret@127.0.0.1:9")
    assert "secret" not in what + paste


def test_a_server_of_another_kind(verdicts, mlflow):
    uri, _ = mlflow(status=502)
    assert verdicts("mlflow", tracking_uri=uri) == [
        ("failure", f"MLflow at {uri} answers 502: refused", f"curl -sS {uri}/health")
    ]


def test_stores_that_are_no_servers(verdicts, tmp_path, monkeypatch):
    for uri in (f"sqlite:///{tmp_path}/mlflow.db", f"file://{tmp_path}/new/mlruns", f"{tmp_path}/mlruns"):
        assert verdicts("mlflow", tracking_uri=uri) == [("ok", f"{uri} can be written", "")]
    monkeypatch.setattr("os.access", lambda *_: False)
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert verdicts("mlflow", tracking_uri=uri) == [
        ("failure", f"{uri} cannot be written by this user", f"sudo chown $USER {tmp_path}")
    ]
    assert verdicts("mlflow", tracking_uri="databricks://profile")[0][0] == "skipped"


def test_none_is_set(verdicts):
    assert set(verdicts("mlflow", "mlflow-version", "clock")) == {
        (
            "skipped",
            "No MLflow server is set; foveal serve starts one of its own",
            "export MLFLOW_TRACKING_URI=http://HOST:5000",
        )
    }
