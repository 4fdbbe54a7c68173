"""All tests: the files that take longest first, so that no process is left with one when the others are done.

Drawn examples are the same in every run, so that a change alone can break a test; HYPOTHESIS_PROFILE=explore
draws new ones.
"""

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

HERE = Path(__file__).parent
#: Half a minute or more each, longest first: whole studies, trained and audited.
LONGEST = (
    "system/test_readme.py",
    "audit/comparing/test_known_truth.py",
    "system/test_chest_xrays.py",
    "system/test_null_studies.py",
    "system/test_wrapped.py",
    "system/test_cifar.py",
    "system/test_digits.py",
    "audit/engine/test_resuming.py",
    "audit/benchmarking/test_benchmarking_running.py",
    "audit/commands/test_audit.py",
)


def pytest_configure():
    gone = [name for name in LONGEST if not (HERE / name).is_file()]
    if gone:
        raise pytest.UsageError(f"tests/conftest.py puts first what is not there: {', '.join(gone)}")


def pytest_collection_modifyitems(items):
    places = {HERE / name: place for place, name in enumerate(LONGEST)}
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (places.get(item.path, len(places)), item.path not in slow))


def pytest_collection_finish():
    """Take what lives as long as the process from the garbage collector: it would look at all of it again."""
    gc.collect()
    gc.freeze()
