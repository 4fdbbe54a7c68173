"""Tables as CSV."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from foveal_audit.bundle.tables import read_table, table_text

CELLS = st.text() | st.sampled_from(["", "\r", "a\r\nb", '"', ",", "\n", "\x00", "\u2028"])


@given(st.lists(st.tuples(CELLS, CELLS), max_size=6))
@example([("\r", "b"), ("c", "")])
def test_any_text_is_read_as_it_was_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("t") / "one.csv"
    path.write_bytes(table_text(("a", "b"), rows).encode())
    columns, read = read_table(path)
    assert columns == ("a", "b")
    assert [tuple(row.values()) for row in read] == rows


def test_a_table_that_is_not_there_has_nothing(tmp_path):
    assert read_table(tmp_path / "none.csv") == ((), [])
