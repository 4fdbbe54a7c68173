from __future__ import annotations

import pytest

from foveal.spool import loss_counters
from foveal.spool.losses import LossFile
from foveal_handlers.auditing import Containment


@pytest.fixture
def containment(tmp_path):
    return Containment(LossFile(tmp_path / "worker"))


def fail(containment, part="observe", samples=1):
    with containment.around(part, samples):
        raise RuntimeError("injected fault")


def skipped(containment):
    """Count the batches that are left alone before the next one is not."""
    count = 0
    while containment.pausing(1):
        count += 1
    return count


def test_pauses_double_and_end(containment):
    lengths = []
    for _ in range(12):
        fail(containment)
        lengths.append(skipped(containment))
    assert lengths == [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023, 1023, 1023]


def test_a_success_ends_the_row(containment):
    for _ in range(5):
        fail(containment)
        skipped(containment)
    containment.succeeded()
    fail(containment)
    assert skipped(containment) == 1


def test_every_sample_is_counted_where_it_survives(containment, tmp_path):
    fail(containment, "observe", samples=3)
    assert containment.pausing(2)
    fail(containment, "record", samples=1)
    assert loss_counters(tmp_path) == {"fault_observe": 3, "paused": 2, "fault_record": 1}


def test_each_part_is_logged_once(containment, caplog):
    for part in ("observe", "record", "observe", "record", "observe"):
        fail(containment, part)
    assert [record.message for record in caplog.records] == [
        "Foveal failed to observe; predictions go on without it",
        "Foveal failed to record; predictions go on without it",
    ]
    assert all("injected fault" in str(record.exc_info) for record in caplog.records)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_stops_the_process_is_let_through(containment, stop):
    with pytest.raises(stop), containment.around("observe", 1):
        raise stop


def test_losses_are_in_the_spool_and_requests_at_fault_are_not(serve, tmp_path, png, monkeypatch):
    served = serve(size=None)
    served.ask([png(1, (16, 16)), png(2, (2, 2))])
    assert served.status(1) == 400
    assert loss_counters(tmp_path / "spool" / "small") == {}
    monkeypatch.setattr("foveal.observer.Observer.forward", lambda *_: 1 / 0)
    served.ask([png(1, (16, 16)), png(2, (16, 16))])
    served.ask([png(1, (16, 16))])
    assert loss_counters(tmp_path / "spool" / "small") == {"fault_observe": 2, "paused": 1}
    monkeypatch.undo()
    served.ask([png(1, (16, 16))])
    assert served.record(0) == "id-0"
