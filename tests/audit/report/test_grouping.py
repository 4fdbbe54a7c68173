"""Which findings show the same detail."""

from __future__ import annotations

from functools import cache
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from foveal_audit.bundle.schema import EntryRef
from foveal_audit.report.grouping import coincidence, grouped, overlap

HERE, BESIDE, FAR = (0, 60, 32, 92), (4, 62, 36, 94), (60, 0, 92, 32)


def entries(box, samples):
    return [EntryRef(sample=f"s{i}", window=box, activation=1.0, source="training") for i in samples]


@cache
def naive_overlap(one, other):
    """Count the cells of the grid that lie in both."""
    cells = [set(product(range(y0, y1), range(x0, x1))) for y0, x0, y1, x1 in (one, other)]
    return len(cells[0] & cells[1]) / min(map(len, cells))


def naive_groups(listed):
    """Paint every facet in its own colour; what coincides takes the smaller colour, until nothing changes."""

    def alike(one, other):
        shared = {a.sample for a in one} & {b.sample for b in other}
        same = {
            a.sample
            for a in one
            for b in other
            if a.sample == b.sample and naive_overlap(a.window, b.window) >= 0.25
        }
        return len(same) >= 10 and 2 * len(same) >= len(shared)

    colours, pairs = list(range(len(listed))), list(product(range(len(listed)), repeat=2))
    met = {(i, j): alike(listed[i], listed[j]) for i, j in pairs}
    for _ in listed:
        for i, j in pairs:
            if met[i, j]:
                colours[i] = colours[j] = min(colours[i], colours[j])
    return [[row for row, own in enumerate(colours) if own == one] for one in dict.fromkeys(colours)]


corners = st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(1, 6), st.integers(1, 6))
boxes = corners.map(lambda c: (c[0], c[1], c[0] + c[2], c[1] + c[3]))


@given(boxes, boxes)
def test_the_overlap_is_that_of_counted_cells(one, other):
    assert overlap(one, other) == pytest.approx(naive_overlap(one, other))
    assert overlap(one, other) == overlap(other, one)


def test_signals_and_volumes_overlap_too_and_other_dimensions_never():
    assert overlap((0, 8), (6, 10)) == 0.5
    assert overlap((0, 0, 0, 2, 2, 2), (1, 1, 1, 3, 3, 3)) == 0.125
    assert overlap((0, 8), (0, 0, 8, 8)) == 0


@given(
    st.lists(
        st.tuples(
            st.sampled_from([HERE, BESIDE, FAR, (16, 70, 48, 102)]), st.integers(0, 15), st.integers(5, 25)
        ),
        max_size=6,
    )
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_groups_are_those_of_the_naive_way(facet, drawn):
    listed = [entries(box, range(first, first + count)) for box, first, count in drawn]
    facets = [facet({}, id=f"A-{i:08x}", entries=own) for i, own in enumerate(listed)]
    assert grouped(facets) == naive_groups(listed)


def test_what_is_linked_by_a_third_is_one_detail(facet):
    rows = [range(12), range(100, 112), (*range(12), *range(100, 112))]
    assert grouped([facet({}, entries=entries(HERE, own)) for own in rows]) == [[0, 1, 2]]
    assert grouped([facet({}, entries=entries(HERE, own)) for own in rows[:2]]) == [[0], [1]]
    assert grouped([]) == []


@pytest.mark.parametrize(("same", "shared", "holds"), [(10, 20, True), (10, 21, False), (9, 9, False)])
def test_ten_samples_and_half_of_the_shared_ones_are_needed(facet, same, shared, holds):
    one = facet({}, entries=entries(HERE, range(shared)))
    other = facet({}, entries=entries(BESIDE, range(same)) + entries(FAR, range(same, shared)))
    found = coincidence(one, other)
    assert (found.same, found.shared, found.holds) == (same, shared, holds)


def test_of_several_windows_in_a_sample_one_is_enough(facet):
    one = facet({}, entries=entries(HERE, range(10)) + entries(FAR, range(10)))
    assert coincidence(one, facet({}, entries=entries(BESIDE, range(10)))).holds


def test_a_property_of_whole_pictures_has_no_place(facet, rim):
    both = [facet(rim, entries=entries((0, 0, 96, 96), range(20))) for _ in range(2)]
    assert grouped([*both, facet({}, entries=entries(HERE, range(20)))]) == [[0], [1], [2]]
