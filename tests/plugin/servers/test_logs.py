from __future__ import annotations

from foveal.servers.logs import telling_line

MODEL_LOG = """\
2026-11-21T08:29:24,731 [INFO ] W-9000-tiny_1.0-stdout MODEL_LOG - Listening on port: /tmp/.ts.sock.9000
2026-11-21T08:29:25,000 [INFO ] W-9000-tiny_1.0-stdout MODEL_LOG - KeyError: 'of an earlier start'
2026-11-21T08:29:26,000 [INFO ] W-9000-tiny_1.0-stdout MODEL_LOG - Backend worker process died.
2026-11-21T08:29:26,000 [INFO ] W-9000-tiny_1.0-stdout MODEL_LOG - Traceback (most recent call last):
2026-11-21T08:29:26,000 [INFO ] W-9000-tiny_1.0-stdout MODEL_LOG -   File "x.py", line 3, in <module>
2026-11-21T08:29:26,000 [INFO ] W-9000-tiny_1.0-stdout MODEL_LOG - UsageError: Unknown key 'a'. Mend it.
2026-11-21T08:29:26,100 [INFO ] W-9000-tiny_1.0-stdout MODEL_LOG - The end
"""


def test_the_line_that_says_why(tmp_path):
    log = tmp_path / "model_log.log"
    log.write_text(MODEL_LOG)
    assert telling_line(log) == "UsageError: Unknown key 'a'. Mend it."
    assert telling_line(log, only_after="worker process died") == telling_line(log)
    assert telling_line(log, only_after="no such words") is None


def test_what_torchserve_guesses_last_is_passed_over(tmp_path):
    log = tmp_path / "model_log.log"
    log.write_text(
        "ModuleNotFoundError: No module named 'foveal_handlers'\n"
        "ModuleNotFoundError: No module named 'ts.torch_handler.foveal_vision_entry'\n"
    )
    assert telling_line(log) == "ModuleNotFoundError: No module named 'foveal_handlers'"


def test_what_earlier_runs_wrote_is_passed_over(tmp_path):
    log = tmp_path / "torchserve.log"
    log.write_text("KeyError: 'earlier'\n")
    assert telling_line(log, start=log.stat().st_size) is None


def test_lines_of_java_too(tmp_path):
    log = tmp_path / "torchserve.log"
    log.write_text("WARNING: x\njava.net.BindException: Address already in use\n\tat java.base/x\n")
    assert telling_line(log) == "java.net.BindException: Address already in use"


def test_silent_and_missing_logs(tmp_path):
    (tmp_path / "a.log").write_text("all is well\n")
    assert telling_line(tmp_path / "a.log") is None
    assert telling_line(tmp_path / "b.log") is None
