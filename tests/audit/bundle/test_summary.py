"""The verdict in one line."""

import pytest

from foveal_audit.bundle.summary import VERDICTS, count_verdicts, headline, plural


@pytest.mark.parametrize(
    ("confirmed", "suspected", "gaps", "line"),
    [
        (0, 1, 1, "1 artefact suspected, 1 training-set gap"),
        (0, 2, 0, "2 artefacts suspected, no training-set gap found"),
        (1, 0, 3, "1 artefact confirmed, 3 training-set gaps"),
        (2, 1, 1, "2 artefacts confirmed, 1 suspected, 1 training-set gap"),
        (0, 0, 0, "No artefact suspected, no training-set gap found"),
    ],
)
def test_headline(confirmed, suspected, gaps, line):
    assert headline({"confirmed": confirmed, "suspected": suspected}, gaps) == line


def test_every_verdict_is_counted_even_at_zero():
    counts = count_verdicts(["genuine", "genuine", "suspected"])
    assert tuple(counts) == VERDICTS
    assert counts == {"confirmed": 0, "suspected": 1, "genuine": 2, "not_relied_on": 0, "undecidable": 0}


@pytest.mark.parametrize(("count", "text"), [(0, "0 entries"), (1, "1 entry"), (1200, "1,200 entries")])
def test_plural(count, text):
    assert plural(count, "entry", "entries") == text
