"""All tests: the slow ones first, so that no process is left with a long one when the others are done.

Drawn examples are the same in every run, so that a change alone can break a test; HYPOTHESIS_PROFILE=explore
draws new ones.
"""

import os

from hypothesis import settings

settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
