"""MLflow's settings, shared by the threads of a process."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from foveal.library.patience import patience

FEW = {"FOVEAL_TEST_RETRIES": "1", "FOVEAL_TEST_QUIET": "true"}
MANY = {"FOVEAL_TEST_RETRIES": "12"}


def present():
    return {name: os.environ[name] for name in {*FEW, *MANY} if name in os.environ}


def test_what_is_set_is_taken_away_again():
    with patience(FEW):
        assert present() == FEW
    assert present() == {}


def test_the_most_patient_counts_while_it_is_there():
    with patience(FEW):
        with patience(MANY):
            assert present() == {**FEW, **MANY}
        assert present() == FEW


def test_who_leaves_first_takes_nothing_from_who_stays():
    first, second = patience(MANY), patience(FEW)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert present() == FEW
    second.__exit__(None, None, None)
    assert present() == {}


def test_what_the_user_has_set_stays(monkeypatch):
    monkeypatch.setenv("FOVEAL_TEST_RETRIES", "7")
    with patience(MANY):
        assert present() == {"FOVEAL_TEST_RETRIES": "7"}
    assert present() == {"FOVEAL_TEST_RETRIES": "7"}


def test_an_error_gives_everything_back():
    with pytest.raises(KeyError), patience(FEW):
        raise KeyError
    assert present() == {}


def test_threads_never_miss_their_settings():
    start = Barrier(4)

    def call(number):
        start.wait()
        missing = 0
        for _ in range(400):
            with patience(FEW if number % 2 else MANY):
                missing += "FOVEAL_TEST_RETRIES" not in os.environ
        return missing

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(call, range(4))) == 0
    finally:
        sys.setswitchinterval(interval)
    assert present() == {}
