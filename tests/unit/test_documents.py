"""The document store: cases one by one, then random edits against a reference that knows only whole strings."""

import re
import time
from collections.abc import Callable
from types import SimpleNamespace

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from lsprotocol import types

from foretype.lsp.documents import Change, Documents, Edit, path_from_uri

URI = "file:///desk/a.py"


def change(text: str, *place: int) -> SimpleNamespace:
    """One entry of `contentChanges`; `place` is nothing, or line and character of the start and of the end."""
    if not place:
        return SimpleNamespace(text=text)
    start, end = (SimpleNamespace(line=place[i], character=place[i + 1]) for i in (0, 2))
    return SimpleNamespace(text=text, range=SimpleNamespace(start=start, end=end))


def edited(text: str, *changes: SimpleNamespace, encoding="utf-16") -> str:
    documents = Documents()
    documents.encoding = encoding
    documents.open(URI, "python", 1, text)
    assert documents.change(URI, 2, changes).status == "applied"
    snapshot = documents.get(URI)
    assert list(snapshot.lines) == reference_lines(snapshot.text)
    return snapshot.text


def test_open_get_close() -> None:
    documents = Documents(root="/desk")
    documents.open(URI, "python", 7, "a\r\nb")
    snapshot = documents.get(URI)
    assert (snapshot.uri, snapshot.path, snapshot.language, snapshot.version) == (URI, "a.py", "python", 7)
    assert snapshot.lines == ("a\r\n", "b")
    assert documents.close(URI) is True
    assert documents.close(URI) is False
    assert documents.get(URI) is None


def test_a_snapshot_is_frozen_and_kept_until_the_document_changes() -> None:
    documents = Documents()
    documents.open(URI, "python", 1, "a")
    before = documents.get(URI)
    assert documents.get(URI) is before
    documents.change(URI, 2, [change("b", 0, 1, 0, 1)])
    assert (before.text, before.version) == ("a", 1)
    assert (documents.get(URI).text, documents.get(URI).version) == ("ab", 2)


def test_opening_again_begins_anew() -> None:
    documents = Documents()
    documents.open(URI, "python", 9, "old")
    documents.open(URI, "lua", 1, "new")
    snapshot = documents.get(URI)
    assert (snapshot.text, snapshot.language, snapshot.version) == ("new", "lua", 1)


@pytest.mark.parametrize(
    ("text", "entry", "after"),
    [
        ("", change("a", 0, 0, 0, 0), "a"),
        ("abc", change("", 0, 1, 0, 2), "ac"),
        ("a\nb\nc\n", change("X", 0, 1, 2, 0), "aXc\n"),
        ("a\nb\n", change("1\n2\n", 1, 0, 1, 0), "a\n1\n2\nb\n"),
        ("a\nb", change("", 0, 1, 1, 0), "ab"),
        ("a\nb\n", change("", 0, 0, 2, 0), ""),
        # full synchronisation, by a missing range and by None
        ("a\nb", change("c\r"), "c\r"),
        ("a\nb", SimpleNamespace(text="c", range=None), "c"),
        # start and end swapped
        ("abc\ndef", change("X", 1, 1, 0, 1), "aXef"),
        ("abc", change("X", 0, 2, 0, 1), "aXc"),
        # past the end of the line, of the document, and before its beginning
        ("ab\ncd", change("X", 0, 99, 0, 99), "abX\ncd"),
        ("ab\r\ncd", change("X", 0, 3, 0, 3), "abX\r\ncd"),
        ("ab\rcd", change("X", 0, 3, 0, 4), "abX\rcd"),
        ("ab\ncd", change("X", 9, 0, 12, 5), "ab\ncdX"),
        ("ab\n", change("X", 1, 7, 1, 7), "ab\nX"),
        ("ab\ncd", change("X", 0, 1, 99, 0), "aX"),
        ("ab\ncd", change("X", 2, 0, 2, 0), "ab\ncdX"),
        ("ab", change("X", -1, 5, 0, -3), "Xab"),
        # characters that end a line for Python, but not for the protocol
        ("a\fb\nc", change("X", 1, 0, 1, 0), "a\fb\nXc"),
        ("a\u2028b\nc", change("X", 1, 1, 1, 1), "a\u2028b\ncX"),
        ("a\x85\x1c\vb\nc", change("", 1, 0, 1, 1), "a\x85\x1c\vb\n"),
        ("a\nb", change("\f\u2029", 0, 1, 0, 1), "a\f\u2029\nb"),
        # a CRLF is split
        ("a\r\nb", change("\r", 0, 1, 1, 0), "a\rb"),
        ("a\r\nb", change("\rX\n", 0, 1, 1, 0), "a\rX\nb"),
        ("a\r\n\nb", change("\rX", 0, 1, 1, 0), "a\rX\nb"),
        # a CRLF is joined: from below, from above, by what is deleted between, inside of the new text
        ("a\rb", change("\n", 1, 0, 1, 0), "a\r\nb"),
        ("a\nb", change("\r", 0, 1, 0, 1), "a\r\nb"),
        ("a\rXX\nb", change("", 1, 0, 1, 2), "a\r\nb"),
        ("a\r\n\nb", change("\r", 0, 1, 1, 0), "a\r\nb"),
        ("a\rX\rY\nb", change("", 1, 0, 2, 1), "a\r\nb"),
        ("ab", change("\r\n", 0, 1, 0, 1), "a\r\nb"),
        ("a\rb\rc", change("X", 1, 0, 1, 1), "a\rX\rc"),
    ],
)
def test_one_change(text: str, entry: SimpleNamespace, after: str) -> None:
    assert edited(text, entry) == after


@pytest.mark.parametrize(
    ("encoding", "units", "after"),
    [
        ("utf-8", 6, "é😀|z"),
        ("utf-16", 3, "é😀|z"),
        ("utf-32", 2, "é😀|z"),
        # inside of a character
        ("utf-8", 1, "|é😀z"),
        ("utf-8", 5, "é|😀z"),
        ("utf-16", 2, "é|😀z"),
    ],
)
def test_columns_count_in_the_encoding_agreed_on(encoding: str, units: int, after: str) -> None:
    assert edited("é😀z", change("|", 0, units, 0, units), encoding=encoding) == after


def test_several_changes_each_see_the_one_before() -> None:
    entries = [change("b\n", 0, 1, 0, 1), change("X", 1, 0, 1, 0), change("", 0, 0, 0, 1)]
    assert edited("ac", *entries) == "b\nXc"
    assert edited("ac", change("whole\r\ntext"), change("!", 1, 4, 1, 4)) == "whole\r\ntext!"


def test_the_edits_say_what_was_replaced() -> None:
    documents = Documents()
    documents.open(URI, "python", 1, "a\n😀b\nc")
    result = documents.change(URI, 2, [change("X", 0, 1, 1, 2), change("Y", 0, 2, 0, 2), change("Z")])
    assert result == Change("applied", (Edit(0, 1, "\n😀", "X"), Edit(0, 2, "", "Y"), Edit(0, 0, "aXYb\nc", "Z")))


def test_lsprotocol_objects_are_taken() -> None:
    documents = Documents()
    documents.open(URI, "python", 1, "ab")
    place = types.Position(0, 1)
    documents.change(URI, 2, [types.TextDocumentContentChangePartial(range=types.Range(place, place), text="X")])
    assert documents.get(URI).text == "aXb"
    documents.change(URI, 3, [types.TextDocumentContentChangeWholeDocument(text="new")])
    assert documents.get(URI).text == "new"


def test_a_change_of_an_unknown_document_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    documents = Documents()
    assert documents.change(URI, 2, [change("secret")]) == Change("unknown")
    assert documents.get(URI) is None
    assert URI in caplog.text and "secret" not in caplog.text


@pytest.mark.parametrize("version", [5, 4, -1])
def test_a_version_that_does_not_increase_is_told_and_applied(version: int, caplog: pytest.LogCaptureFixture) -> None:
    documents = Documents()
    documents.open(URI, "python", 5, "a")
    documents.get(URI)
    assert documents.change(URI, version, [change("b", 0, 1, 0, 1)]).status == "backwards"
    snapshot = documents.get(URI)
    assert (snapshot.text, snapshot.version) == ("ab", version)
    assert "version" in caplog.text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_lone_surrogates_can_be_encoded(encoding: str) -> None:
    text = edited("a\ud83db\nc", change("\ude00", 1, 1, 1, 1), encoding=encoding)
    assert text == "a\ufffdb\nc\ufffd"
    assert text.encode()


def test_halves_of_a_character_that_come_one_by_one_are_one_character() -> None:
    text = edited("", change("\ud83d", 0, 0, 0, 0), change("\ude00", 0, 1, 0, 1), change("!", 0, 2, 0, 2))
    assert text == "😀!"


def test_a_keystroke_in_a_long_file_does_not_cost_the_file() -> None:
    documents = Documents()
    documents.open(URI, "python", 1, "    value = compute(value)\n" * 100_000)
    began = time.perf_counter()
    for version in range(2, 502):
        documents.change(URI, version, [change("x", 50_000, 4, 50_000, 4)])
    # Splitting 100,000 lines takes some 10 ms each time; these take some 10 µs.
    assert time.perf_counter() - began < 1
    assert documents.get(URI).lines[50_000].startswith("    " + "x" * 500)


@pytest.mark.parametrize(
    ("uri", "root", "path"),
    [
        ("file:///desk/src/a.py", "/desk", "src/a.py"),
        ("file:///desk/src/a.py", "/desk/", "src/a.py"),
        ("file:///desk/src/a.py", "file:///desk", "src/a.py"),
        ("file:///desk/src/a.py", None, "a.py"),
        ("file:///desker/a.py", "/desk", "a.py"),
        ("file:///desk", "/desk", "desk"),
        ("file:///desk/a.py", "/", "desk/a.py"),
        ("file://localhost/desk/a.py", "/desk", "a.py"),
        ("file:/desk/b/a.py", "/desk", "b/a.py"),
        ("FILE:///desk/b/a.py", "/desk", "b/a.py"),
        ("file:///my%20desk/%C3%A9%23%25.py", "/my desk", "é#%.py"),
        ("file:///w/what?#1.py", "/w", "what?#1.py"),
        ("file:///w/%FF.py", "/w", "\ufffd.py"),
        ("file:///w/\ud83d.py", "/w", "\ud83d.py"),
        # Windows, wherever the test runs
        ("file:///c%3A/Desk/src/a.py", "C:\\Desk", "src/a.py"),
        ("file:///C:/Desk/src/a.py", "file:///c%3A/desk", "src/a.py"),
        ("file:///c:/desk/a.py", "c:/desk", "a.py"),
        ("file:///c:/desk/a.py", "d:\\desk", "a.py"),
        ("file:///c:/desk/a.py", "/desk", "a.py"),
        ("file://server/share/src/a.py", "\\\\server\\share", "src/a.py"),
        # what is not a file
        ("untitled:Untitled-1", "/desk", "Untitled-1"),
        ("untitled:/desk/new.py", "/desk", "new.py"),
        ("untitled:c:\\desk\\new.py", "/desk", "new.py"),
        ("git:/desk/a.py?%7B%22ref%22%3A%22~%22%7D", "/desk", "a.py"),
        ("vscode-notebook-cell:/desk/n.ipynb#W0sZmls", "/desk", "n.ipynb"),
        ("vscode-remote://ssh-remote%2Bhost/desk/b/a.py", "/desk", "a.py"),
        ("zipfile:///desk/a.zip::b/c.py", "/desk", "c.py"),
        ("C:\\desk\\a.py", "/desk", "a.py"),
        ("/desk/a.py", "/desk", "a.py"),
        ("file://[broken", "/desk", "[broken"),
        ("untitled:", None, "untitled:"),
        ("file:///", "/", "file:///"),
        ("", None, ""),
    ],
)
def test_path_from_uri(uri: str, root: str | None, path: str) -> None:
    assert path_from_uri(uri, root) == path


# The reference: one string, cut by offsets that are found character by character.


def reference_lines(text: str) -> list[str]:
    lines, start, i = [], 0, 0
    while i < len(text):
        if text[i] == "\n" or (text[i] == "\r" and text[i + 1 : i + 2] != "\n"):
            lines.append(text[start : i + 1])
            start = i + 1
        i += 1
    return [*lines, text[start:]]


def reference_units(text: str, encoding: str) -> int:
    if encoding == "utf-32":
        return len(text)
    if encoding == "utf-16":
        return sum(len(char.encode("utf-16-le", "surrogatepass")) // 2 for char in text)
    return len(text.encode("utf-8", "surrogatepass"))


def reference_offset(text: str, line: int, units: int, encoding: str) -> int:
    lines = reference_lines(text)
    if line >= len(lines):
        return len(text)
    body = re.sub(r"(\r\n|\r|\n)\Z", "", lines[line])
    fitting = [column for column in range(len(body) + 1) if reference_units(body[:column], encoding) <= units]
    return sum(map(len, lines[:line])) + max(fitting)


def reference_mended(text: str) -> str:
    text = re.sub(
        "([\ud800-\udbff])([\udc00-\udfff])",
        lambda pair: chr(0x10000 + ((ord(pair[1]) - 0xD800) << 10) + ord(pair[2]) - 0xDC00),
        text,
    )
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


PIECES = [
    "\n",
    "\r",
    "\r\n",
    "a",
    "b c",
    "é",
    "€",
    "😀",
    "\f",
    "\v",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\0",
    "\ufeff",
]
LONE = ["\ud83d", "\ude00"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=5).map("".join)
DAMAGED = st.lists(st.sampled_from(PIECES + LONE), min_size=1, max_size=5).map("".join)
PLACES = st.tuples(st.integers(0, 6), st.integers(0, 9))
PARTIAL = st.tuples(st.one_of(TEXTS, TEXTS, TEXTS, DAMAGED), PLACES, PLACES)


class Editing(RuleBasedStateMachine):
    """Any client, any encoding: after each notification the lines are those of the reference text."""

    steps = 0  # of all runs together

    @initialize(encoding=st.sampled_from(["utf-8", "utf-16", "utf-32"]), text=TEXTS)
    def start(self, encoding: str, text: str) -> None:
        self.documents = Documents()
        self.documents.encoding = self.encoding = encoding
        self.version = 0
        self.reopen(text)

    @rule(text=TEXTS)
    def reopen(self, text: str) -> None:
        self.documents.open(URI, "python", self.version, text)
        self.text = text

    @rule(edits=st.lists(PARTIAL, min_size=1, max_size=3))
    def edit(self, edits: list) -> None:
        self.send([change(text, *start, *end) for text, start, end in edits], edits)

    @rule(text=DAMAGED, edit=PARTIAL)
    def replace_and_edit(self, text: str, edit: tuple) -> None:
        self.send([change(text), change(edit[0], *edit[1], *edit[2])], [(text, None, None), edit])

    @precondition(lambda self: len(self.text) > 200)
    @rule(text=TEXTS)
    def empty(self, text: str) -> None:
        self.send([change(text, 0, 0, 9999, 0)], [(text, (0, 0), (9999, 0))])

    def send(self, changes: list, edits: list) -> None:
        Editing.steps += 1
        self.version += 1
        result = self.documents.change(URI, self.version, changes)
        assert result.status == "applied"
        for (text, start, end), told in zip(edits, result.edits, strict=True):
            first, last = (0, len(self.text)) if start is None else sorted(self.offset(p) for p in (start, end))
            assert (told.removed, told.inserted) == tuple(map(reference_mended, (self.text[first:last], text)))
            self.text = self.text[:first] + text + self.text[last:]
        snapshot = self.documents.get(URI)
        assert list(snapshot.lines) == [reference_mended(line) for line in reference_lines(self.text)]
        assert snapshot.version == self.version

    def offset(self, place: tuple[int, int]) -> int:
        return reference_offset(self.text, *place, self.encoding)


# Hypothesis ends many of its runs before the 50 steps they may have: 33 on average.
STEPS = 100 * settings().max_examples  # 10,000, and 100,000 nightly
TestEditing = Editing.TestCase
TestEditing.settings = settings(
    max_examples=max(1, STEPS // 28),  # which have 29 steps on average
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_so_many_steps_were_edits(record_property: Callable[[str, object], None]) -> None:
    if not Editing.steps:
        return  # this test was asked for alone
    record_property("row", "document sync: any edits, each encoding")
    record_property("tried", Editing.steps)
    assert Editing.steps > 0.75 * STEPS
