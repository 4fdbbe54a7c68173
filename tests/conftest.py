"""All tests: the slow ones first, so that no process is left with a long one when the others are done."""


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
