"""A scripted session in Neovim: the event log has the rows that were scripted, each with its end, and no others."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from nvim.conftest import VERSIONS, program
from nvim.editor import HEIGHT, Editor
from nvim.plugin import set_up, wait_until_ready
from stub_openai import StubOpenAI

from foretype.lsp.log.inference import READ_S
from foretype.lsp.log.store import StoreError, reader, today

# What the model knows: by the line before the cursor, what comes next.
ANSWERS = {
    "a = ": "bc + d",
    "e = ": "first + f",
    "if g:": "\n    h = 1\n    i = 2",
    "j = ": "other",
    "k = ": "mno",
    "p = ": "right",
    "q = ": "left",
    "r = ": "one",
}
_WRITTEN_S = 30.0


class Row(NamedTuple):
    """Columns of a row, as they are where a key is typed and the model has nothing to say."""

    origin: str = "typed"
    typed: int = 1
    attempted: int = 1
    response: str = "empty"
    recalled: int = 0
    shown: int = 0
    ending: str = "none"
    part: str = ""
    characters: int = 0
    accepted_characters: int = 0


UNPROMPTED = Row("unprompted", typed=0)
AGREES = Row(response="ready", recalled=1)


def taken(characters: int) -> Row:
    """The change of the text that an acceptance is."""
    return Row("accepted", characters, attempted=0, response="")


class Typist:
    """Presses one key after the other, each when the one before is through, and notes the rows that are due."""

    def __init__(self, editor: Editor) -> None:
        self.editor = editor
        self.due: list[Row] = []
        self._asked = self._status()["counts"]["requests"]

    def begin(self, keys: str) -> None:
        """Keys that enter insert mode, where something is asked for at once."""
        self.editor.type(keys)
        self._wait_for_answer()

    def type(self, text: str) -> None:
        """Keys to which the model has no answer."""
        for key in text:
            self._press(key)
            self._wait_for_answer()
            self.due.append(Row())

    def type_through(self, text: str) -> None:
        """Keys that are on the screen: nothing is asked for."""
        for key in text:
            ghost = self.editor.ghost() or ""
            self._press(key)
            self.editor.wait_for_ghost(ghost[1:])
            self.due.append(AGREES)

    def meet(self, line: str, ending: str, part: str = "", accepted: int = 0) -> None:
        """Types a line to which the model has an answer, which is shown, and will end so."""
        self.type(line[:-1])
        self._press(line[-1])
        self.editor.wait_for_ghost(ANSWERS[line])
        self._wait_for_answer()
        self.due.append(
            Row(
                response="ready",
                shown=1,
                ending=ending,
                part=part,
                characters=len(ANSWERS[line]),
                accepted_characters=accepted,
            )
        )

    def accept(self, key: str, text: str) -> None:
        """A key that takes this text."""
        before = self._text()
        self.editor.type(key)
        self.editor.wait(lambda: self._text() == before + text, f"{text!r} to be accepted")
        self.due.append(taken(len(text)))

    def rest(self) -> None:
        """What comes of an acceptance of all that was left: the client asks what is next."""
        self._wait_for_answer()
        self.due.append(UNPROMPTED)

    def _press(self, key: str) -> None:
        before = self._text()
        self.editor.type("<CR>" if key == "\n" else key)
        self.editor.wait(lambda: self._text() == before + key, f"{key!r} to be typed")

    def _text(self) -> str:
        return "\n".join(self.editor.lines())

    def _wait_for_answer(self) -> None:
        self._asked += 1

        def answered() -> bool:
            status = self._status()
            done = status["counts"]["answered"] + sum(dict(status["reasons"]).values())
            return status["counts"]["requests"] == done == self._asked

        self.editor.wait(answered, f"{self._asked} requests to be answered, not {self._status()}")

    def _status(self) -> Any:
        return self.editor.lua(
            """
            local answer
            require('foretype.client').ask_status(function(status) answer = status or {} end)
            vim.wait(10000, function() return answer end, 5)
            answer.reasons = next(answer.reasons) and answer.reasons or nil
            return { counts = answer.counts, reasons = answer.reasons or vim.empty_dict() }
            """
        )


@pytest.fixture(params=VERSIONS)
def typist(request: pytest.FixtureRequest, stub: StubOpenAI, tmp_path: Path) -> Iterator[Typist]:
    """In an empty file, with a log of its own."""
    stub.reset()
    stub.script = lambda prompt, suffix: ANSWERS.get(prompt.rsplit("\n", 1)[-1], "")
    editor = Editor(program(request.param), tmp_path / "home", {"FORETYPE_DATA": str(tmp_path / "data")})
    try:
        editor.nvim.command(f"edit {tmp_path / 'session.py'}")
        editor.nvim.command("setlocal noautoindent")
        set_up(editor, stub, edits=False)
        wait_until_ready(editor)
        yield Typist(editor)
    finally:
        editor.close()


def rows(log: Path, columns: tuple[str, ...], where: str = "true") -> list[tuple[Any, ...]]:
    connection = reader(log)
    try:
        return connection.execute(f"SELECT {', '.join(columns)} FROM events WHERE {where} ORDER BY seq").fetchall()
    finally:
        connection.close()


def until(true: Callable[[], bool]) -> None:
    """Waits for what another process writes, for a while."""
    give_up_at = time.monotonic() + _WRITTEN_S
    while time.monotonic() < give_up_at:
        try:
            if true():
                return
        except StoreError:
            pass
        time.sleep(0.02)


def test_the_log_has_what_was_scripted(typist: Typist, tmp_path: Path) -> None:
    typist.begin("i")
    typist.due.append(UNPROMPTED)

    typist.meet("a = ", "accepted", "all", accepted=6)
    typist.accept("<Tab>", "bc + d")
    typist.rest()

    typist.type("\n")
    typist.meet("e = ", "accepted", "words", accepted=7)
    typist.accept("<M-Right>", "first")
    typist.accept("<M-Right>", " +")

    typist.type("\n")
    typist.meet("if g:", "accepted", "lines", accepted=10)
    typist.accept("<M-C-Right>", "\n    h = 1")
    typist.type("0")

    typist.type("\n")
    typist.meet("j = ", "rejected")
    typist.editor.type("<C-]>")
    typist.editor.wait_for_ghost(None)

    typist.type("\n")
    typist.meet("k = ", "typed_through")
    typist.type_through("mn")
    typist.type("o")

    typist.type("\n")
    typist.meet("p = ", "superseded")
    typist.type("x")

    typist.type("\n")
    typist.meet("q = ", "ignored")
    time.sleep(READ_S + 0.05)  # it is looked at for so long
    typist.editor.type("<Esc>gg")
    typist.editor.wait(lambda: typist.editor.nvim.current.window.cursor[0] == 1, "the cursor in the first line")

    typist.editor.type("G")
    typist.editor.wait(lambda: typist.editor.nvim.current.window.cursor[0] > 1, "the cursor in the last line")
    typist.begin("o")
    typist.due.append(Row())
    typist.meet("r = ", "expired")
    typist.editor.lua("require('foretype.client').stop()")

    log = tmp_path / "data" / "events.sqlite3"
    until(lambda: rows(log, Row._fields) == typist.due)
    assert [Row(*row) for row in rows(log, Row._fields)] == typist.due
    assert today(log) == {
        "opportunities": 4 + 5 + 6 + 6 + 8 + 6 + 5 + 5,
        "shown": 8,
        "accepted": 3,
        "accepted_characters": 23,
        "cpo": pytest.approx(23 / 45),
    }
    (seen,) = rows(log, ("visible_us",), "ending = 'ignored'")[0]
    assert seen >= READ_S * 1e6
    assert set(rows(log, ("kind", "language", "inferred", "model", "engine"))) == {
        ("completion", "python", "", "scripted", "openai")
    }


def test_the_days_figures_are_told_and_in_a_status_line(typist: Typist) -> None:
    editor = typist.editor
    typist.begin("i")
    editor.nvim.command("Foretype stats")
    editor.wait(lambda: "foretype: nothing was typed today" in editor.messages(), "that nothing was typed")
    typist.meet("a = ", "accepted")
    typist.accept("<Tab>", "bc + d")
    told = "foretype today: opportunities 4, shown 1, accepted 1 (6 characters), CPO 1.50"

    def is_told() -> bool:  # once the log was written
        editor.nvim.command("Foretype stats")
        return told in editor.messages()

    editor.wait(is_told, told)
    editor.lua(
        """
        asked, real = 0, require('foretype.client').request
        require('foretype.client').request = function(...) asked = asked + 1; return real(...) end
        vim.o.laststatus, vim.o.statusline = 2, "%{v:lua.require'foretype'.today()}"
        """
    )
    editor.wait(lambda: "CPO 1.50" in editor.shown(HEIGHT)[-2], "the figure in the status line")
    assert [editor.lua("return require('foretype').today()") for _ in range(5)] == ["CPO 1.50"] * 5
    assert editor.lua("return asked") == 1
    editor.nvim.command("redrawstatus!")
    assert editor.lua("return require('foretype.stats').told({})").startswith("foretype: nothing is counted")
