"""MLflow is down, hangs, fails, answers by half or in riddles: nothing is lost, all arrives later."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
from faulty_proxy import FAULTS, FaultyProxy
from small_records import observation

from foveal import shipper as shipping
from foveal.errors import EnvironmentFault, FovealError
from foveal.library import Library
from foveal.shipper import ship
from foveal.spool import Spool

pytestmark = pytest.mark.slow

_NUMBERS = count()

#: A server that agrees to everything and keeps nothing is found out only by what is missing afterwards.
SAYING_YES = {"answer_nothing", "answer_empty_json"}


@pytest.fixture(scope="module")
def proxy(mlflow_server):
    with FaultyProxy(mlflow_server.uri) as proxy:
        yield proxy


@pytest.fixture
def away(proxy):
    """A library behind the proxy, not asked for anything yet."""
    proxy.become()
    return Library(f"away {next(_NUMBERS)}", proxy.uri)


@pytest.fixture
def impatient(monkeypatch):
    """Let nobody wait for seconds."""
    monkeypatch.setattr(shipping, "_POLL_SECONDS", 0.05)
    monkeypatch.setattr(shipping, "_LONGEST_PAUSE_SECONDS", 0.2)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def append(folder, *names):
    with Spool(folder, roll_bytes=1) as spool:
        assert all(spool.append(observation(name)) for name in names)


def segments(folder):
    return sorted(path.name for path in folder.glob("*.seg"))


@pytest.fixture(scope="module", autouse=True)
def given_up(tmp_path_factory):
    """`foveal ship` and a server that hangs; the other tests are run meanwhile, for it takes its time."""
    spool_folder = tmp_path_factory.mktemp("hanging") / "spool" / "nodules"
    append(spool_folder, "a")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    with FaultyProxy("http://nobody.invalid") as proxy, ThreadPoolExecutor(1) as pool:
        proxy.become("hang")
        process = subprocess.Popen(
            [Path(sys.executable).with_name("foveal"), "ship", spool_folder],
            env={**environ, "MLFLOW_TRACKING_URI": proxy.uri},
            stderr=subprocess.PIPE,
            text=True,
        )
        began = time.monotonic()
        ended = pool.submit(lambda: (process.communicate()[1], time.monotonic() - began))

        def end():
            errors, seconds = ended.result()
            return process.returncode, errors, seconds

        yield proxy.uri, spool_folder, end
        process.kill()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_single_try_fails_in_words_and_keeps_the_spool(proxy, away, spool_folder, kept, impatient, fault):
    append(spool_folder, "a", "b")
    before = segments(spool_folder)
    proxy.become(fault)
    with pytest.raises(FovealError) as caught:
        ship(spool_folder, away)
    assert f" at {proxy.uri}" in str(caught.value)
    assert isinstance(caught.value, EnvironmentFault) or fault in SAYING_YES
    assert segments(spool_folder) == before
    proxy.become()
    assert ship(spool_folder, away).segments == 2
    assert kept(Library(away.name, proxy.uri)) == {"a", "b"}


def wait_until(true, seconds=60):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_follower_tries_through_every_fault_and_recovers(proxy, away, spool_folder, kept, impatient):
    stop, shipped = threading.Event(), []
    spool_folder.mkdir(parents=True)
    follower = threading.Thread(target=lambda: shipped.append(ship(spool_folder, away, True, stop)))
    follower.start()
    names = []
    for fault in FAULTS:
        proxy.become(fault)
        names += [f"during {fault}", f"still {fault}"]
        began = time.perf_counter()
        append(spool_folder, *names[-2:])
        assert time.perf_counter() - began < 1.0
        wait_until(lambda: proxy.asked >= 2)
        assert follower.is_alive()
    assert len(segments(spool_folder)) == len(names)
    proxy.become()
    wait_until(lambda: not segments(spool_folder))
    stop.set()
    follower.join(30)
    assert shipped[0].samples == len(names)
    assert kept(Library(away.name, proxy.uri)) == set(names)


def test_faults_between_any_two_requests_double_nothing(proxy, away, spool_folder, kept, impatient):
    append(spool_folder, *map(str, range(12)))
    stop = threading.Event()
    proxy.become("lose_answer", "halve_answer", "refuse", "reset", share=0.25)
    follower = threading.Thread(target=ship, args=(spool_folder, away, True, stop))
    follower.start()
    wait_until(lambda: not segments(spool_folder))
    stop.set()
    follower.join(30)
    proxy.become()
    assert kept(Library(away.name, proxy.uri)) == {str(n) for n in range(12)}


def test_the_command_gives_up_in_time_with_the_agreed_code(given_up):
    """With nothing set: MLflow's own patience would be half an hour."""
    uri, spool_folder, end = given_up
    code, errors, seconds = end()
    assert code == 3
    assert f"MLflow at {uri} does not answer" in errors
    assert seconds < 60
    assert len(segments(spool_folder)) == 1
