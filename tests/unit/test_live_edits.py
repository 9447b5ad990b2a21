"""The list of proposals beside documents that change, and files that do."""

from __future__ import annotations

import asyncio
import gc
import random
from pathlib import Path

import pytest
from test_rebase import Entry, Position, Range

from foretype.context.next_edit import EditedFile, NextEdit, Span, text_digest
from foretype.context.propagate import carry
from foretype.context.text import split_lines
from foretype.context.workspace import Workspace
from foretype.lsp.documents import Documents
from foretype.lsp.edits import live
from foretype.lsp.edits.live import LiveEdit, LiveEdits
from foretype.lsp.edits.present import Texts
from foretype.lsp.edits.rebase import applied
from foretype.lsp.events import Ledger
from foretype.lsp.host import Host
from foretype.lsp.options import Options, merge
from foretype.lsp.session import Session
from foretype.model.backend import Backend

TEXT = "log(1)\nx = log(log(2))\nlog(3)\n"


class Desk:
    def __init__(self, root: Path, text: str = TEXT) -> None:
        self.root, self.version = root, 1
        (root / "a.py").write_bytes(text.encode())
        (root / "b.py").write_bytes(b"log(4)\r\nlog(5)\r\n")
        self.documents = Documents(str(root))
        self.documents.encoding = "utf-32"
        self.uri = (root / "a.py").as_uri()
        self.documents.open(self.uri, "python", 1, text)
        self.offered: list[LiveEdit] = []
        self.live = LiveEdits(Texts(self.documents, root), self.offered.append)

    @property
    def lines(self) -> tuple[str, ...]:
        found = self.documents.get(self.uri)
        assert found
        return found.lines

    def edit(self, path: str, line: int, column: int, old: str = "log", new: str = "logger") -> NextEdit:
        lines = self.lines if path == "a.py" else split_lines((self.root / path).read_bytes().decode())
        assert lines[line][column:].startswith(old)
        digest = text_digest("".join(lines))
        return NextEdit(path, Span(line, column, line, column + len(old)), new, digest, "rule", "rename", "why", 1.0)

    def all(self) -> list[NextEdit]:
        places = [("a.py", 0, 0), ("a.py", 1, 4), ("a.py", 1, 8), ("a.py", 2, 0), ("b.py", 0, 0), ("b.py", 1, 0)]
        return [self.edit(*place) for place in places]

    def change(self, *changes: tuple[int, int, int, int, str]) -> tuple[LiveEdit, ...]:
        before = self.documents.get(self.uri)
        entries = [Entry(text, Range(Position(a, b), Position(c, d))) for a, b, c, d, text in changes]
        self.version += 1
        edits = self.documents.change(self.uri, self.version, entries).edits
        after = self.documents.get(self.uri)
        assert before and after
        return self.live.changed(before, edits, after)

    def places(self) -> list[tuple[str, int, int]]:
        return [
            (live.path, live.standing.span.start_line, live.standing.span.start_column)
            for live, _ in self.live.listing()
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_accepted_edit_leaves_the_others_on_its_line(desk: Desk) -> None:
    desk.live.begin()
    for edit in desk.all():
        assert isinstance(desk.live.add(edit), LiveEdit)
    done = desk.change((1, 7, 1, 7, "ger"))  # as a client that sends the smallest difference
    assert [live.standing.span for live in done] == [Span(1, 4, 1, 7)]
    assert desk.places() == [("a.py", 0, 0), ("a.py", 1, 11), ("a.py", 2, 0), ("b.py", 0, 0), ("b.py", 1, 0)]


def test_all_accepted_at_once_are_all_done(desk: Desk) -> None:
    for edit in desk.all():
        desk.live.add(edit)
    changes = [(2, 0, 2, 3, "logger"), (1, 8, 1, 11, "logger"), (1, 4, 1, 7, "logger"), (0, 0, 0, 3, "logger")]
    assert len(desk.change(*changes)) == 4
    assert "".join(desk.lines) == TEXT.replace("log", "logger")
    assert desk.places() == [("b.py", 0, 0), ("b.py", 1, 0)]


def test_what_was_computed_for_an_older_text_is_carried_on(desk: Desk) -> None:
    desk.live.begin()
    old = desk.all()
    desk.change((0, 0, 0, 0, "# first\n"))
    desk.change((3, 0, 3, 0, "# "))
    found = [desk.live.add(edit) for edit in old]
    assert [one if isinstance(one, str) else one.standing.span.start_line for one in found[:4]] == [1, 2, 2, "stale"]
    desk.live.begin()
    assert desk.live.add(old[0]) == "stale"


def test_a_proposal_keeps_its_id(desk: Desk) -> None:
    edits = desk.all()
    first = [live.id for live in map(desk.live.add, edits) if isinstance(live, LiveEdit)]
    assert desk.live.rank([edits[3], edits[0], edits[0]]) == {"overlap": 1}
    assert [live.id for live, _ in desk.live.listing()] == [first[3], first[0]]
    assert len(desk.offered) == 6


def test_edits_that_share_text_exclude_each_other(desk: Desk) -> None:
    desk.live.add(desk.edit("a.py", 1, 4))
    wide = desk.edit("a.py", 1, 0, "x = log(log(2))", "y")
    assert desk.live.add(wide) == "overlap"
    assert desk.live.add(desk.edit("a.py", 1, 8, "log", "log")) == "done"


def test_what_was_rejected_is_known_where_it_went(desk: Desk) -> None:
    (live,) = [desk.live.add(desk.edit("a.py", 2, 0))]
    assert isinstance(live, LiveEdit)
    desk.live.reject(live.id, now=10.0)
    desk.change((0, 0, 0, 0, "\n\n"))
    turned_down = desk.live.turned_down(since=100.0)
    assert turned_down(desk.edit("a.py", 4, 0)) and not turned_down(desk.edit("a.py", 2, 0))
    assert not turned_down(desk.edit("a.py", 4, 0, new="warn"))
    assert desk.live.turned_down(since=5.0)(desk.edit("a.py", 4, 0, new="warn"))
    assert desk.live.rejected_lines("a.py", 5.0) == {4} and desk.live.rejected_lines("a.py", 11.0) == set()
    desk.change((4, 0, 4, 3, "other"))
    desk.change((4, 0, 4, 5, "log"))
    assert not desk.live.turned_down(since=100.0)(desk.edit("a.py", 4, 0))


def test_files_on_disk(desk: Desk) -> None:
    for edit in desk.all():
        desk.live.add(edit)
    (desk.root / "b.py").write_bytes(b"log(4)\nlog(5)\n")
    assert desk.live.problems() == {"b.py": "has changed since"}
    assert len(desk.places()) == 4
    (desk.root / "b.py").unlink()
    gone = NextEdit("b.py", Span(0, 0, 0, 3), "x", "0" * 16, "rule", "rename", "why", 1.0)
    assert desk.live.add(gone) == "unavailable"


def test_cr_and_lf_that_join_end_what_cannot_be_placed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, "a\rlog(1)\rlog(2)\n")
    desk.live.add(desk.edit("a.py", 2, 0))
    desk.change((1, 0, 1, 0, "\n"))  # the CR before it becomes half of a CRLF: no line is added
    assert desk.places() == []


def test_a_client_that_lags_behind_never_changes_other_text(tmp_path: Path) -> None:
    """The client has the list of some earlier version, and accepts only what is for the version that it has."""
    rng = random.Random(3)
    accepted = 0
    for turn in range(1000):
        if turn % 20 == 0:
            desk = Desk(tmp_path)
            for edit in desk.all():
                desk.live.add(edit)
            sent = desk.live.listing()
        line = rng.randrange(len(desk.lines))
        if rng.random() < 0.5:
            desk.change((line, 0, line, 0, rng.choice(["#\n", "# ", "\n"])))
        if rng.random() < 0.7:
            sent = desk.live.listing()
        fits = [live for live, text in sent if text.version == desk.version]
        if fits and rng.random() < 0.5:
            live = rng.choice(fits)
            where, before = live.standing.span, desk.lines
            expected = applied(before, [live.standing])  # raises where the text is another
            desk.change((where.start_line, where.start_column, where.end_line, where.end_column, live.standing.new))
            assert "".join(desk.lines) == expected
            assert expected.count("logger") == "".join(before).count("logger") + 1
            accepted += 1
    assert accepted > 50


def test_a_closed_file_with_a_byte_order_mark_is_carried_along(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def extent():\n    return 1\n")
    (tmp_path / "b.py").write_bytes(b"\xef\xbb\xbffrom a import size\n\nsize()\n")
    workspace = Workspace.open(tmp_path, None)
    try:
        workspace.refresh(children=0)
        edited = EditedFile("a.py", "python", "def size():\n    return 1\n", "def extent():\n    return 1\n")
        edits = carry(workspace, [edited]).edits
        assert [edit.span for edit in edits] == [Span(0, 14, 0, 18), Span(2, 0, 2, 4)]  # as editors count
        live = LiveEdits(Texts(Documents(str(tmp_path)), tmp_path))
        assert not live.rank(edits) and len(live.listing()) == 2
    finally:
        workspace.close()


def test_typing_where_no_edits_are_looked_for_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("notes.md\n")

    async def typed() -> None:
        loop = asyncio.get_running_loop()
        host = Host(loop.call_soon_threadsafe, lambda state: None, lambda text: None, unavailable)
        session = Session(Options(), host, Ledger())
        session.documents.root = str(tmp_path)
        session.configure(merge(Options(), {"completion": {"enabled": False}, "edits": {"idle_ms": 5}}, "test").options)
        uri = (tmp_path / "notes.md").as_uri()
        session.open(uri, "markdown", 0, "hello\n" * 100)
        while session.project is None or session.project.workspace is None:
            await asyncio.sleep(0.01)
        for version in range(1, 41):
            place = Position(50, version - 1)
            session.change(uri, version, [Entry("x", Range(place, place))])
        assert sum(type(one) is live._Step for one in gc.get_objects()) <= 1
        session.project.stop()
        session.edits.stop(1)
        host.stop(1)

    asyncio.run(typed())


def unavailable(options: object, progress: object) -> Backend:
    raise RuntimeError
