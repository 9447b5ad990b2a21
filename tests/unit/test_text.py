import pytest

from foretype.context.text import Snapshot, column_from_units, content, split_lines, units_from_column


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a\n", ["a\n", ""]),
        ("a\nb", ["a\n", "b"]),
        ("a\r\nb\rc\n", ["a\r\n", "b\r", "c\n", ""]),
        ("\r\r\n\n", ["\r", "\r\n", "\n", ""]),
        ("\n\r", ["\n", "\r", ""]),
        ("a\fb\vc\x1cd\x85e\u2028f\u2029g\n", ["a\fb\vc\x1cd\x85e\u2028f\u2029g\n", ""]),
    ],
)
def test_lines_end_where_the_protocol_says(text: str, lines: list[str]) -> None:
    assert split_lines(text) == lines
    assert "".join(lines) == text


@pytest.mark.parametrize(
    ("line", "body"), [("a\r\n", "a"), ("a\r", "a"), ("a\n", "a"), ("a\f\n", "a\f"), ("a", "a"), ("\n", "")]
)
def test_content_is_the_line_without_its_terminator(line: str, body: str) -> None:
    assert content(line) == body


# a: 1 byte and 1 unit; é: 2 and 1; €: 3 and 1; 😀: 4 and 2.
LINE = "aé€😀z\r\n"


@pytest.mark.parametrize(
    ("encoding", "starts"),
    [("utf-8", [0, 1, 3, 6, 10, 11]), ("utf-16", [0, 1, 2, 3, 5, 6]), ("utf-32", [0, 1, 2, 3, 4, 5])],
)
def test_columns_and_units_agree(encoding, starts: list[int]) -> None:
    assert [units_from_column(LINE, column, encoding) for column in range(6)] == starts
    assert [column_from_units(LINE, units, encoding) for units in starts] == list(range(6))


@pytest.mark.parametrize(("encoding", "units", "column"), [("utf-8", 2, 1), ("utf-8", 9, 3), ("utf-16", 4, 3)])
def test_units_inside_a_character_mean_the_place_before_it(encoding, units: int, column: int) -> None:
    assert column_from_units(LINE, units, encoding) == column


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
@pytest.mark.parametrize("line", [LINE, "plain\r\n", "plain\r", "plain"])
def test_units_outside_of_the_line_mean_its_ends(line: str, encoding) -> None:
    assert column_from_units(line, 2**31 - 1, encoding) == 5
    assert column_from_units(line, -1, encoding) == 0


@pytest.mark.parametrize(("encoding", "width"), [("utf-8", 3), ("utf-16", 1), ("utf-32", 1)])
def test_a_lone_surrogate_is_as_wide_as_what_stands_in_for_it(encoding, width: int) -> None:
    for char in ("\ud83d", "\ude00", "\ufffd"):
        assert units_from_column(char + "x", 1, encoding) == width
        assert column_from_units(char + "x", width, encoding) == 1


def test_a_snapshot_splits_at_a_column_in_characters() -> None:
    snapshot = Snapshot("file:///a.py", "a.py", "python", 1, ("a\r\n", "😀b\n", ""))
    assert snapshot.text == "a\r\n😀b\n"
    assert snapshot.split_at(1, 1) == ("a\r\n😀", "b\n")
    assert snapshot.split_at(2, 0) == ("a\r\n😀b\n", "")
