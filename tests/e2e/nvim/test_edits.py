"""Next edits in Neovim: drawn, walked through, listed, applied at once; only the search is scripted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nvim.conftest import VERSIONS, program
from nvim.editor import Editor
from stub_openai import StubOpenAI

SERVE = [sys.executable, str(Path(__file__).parents[1] / "stand_in_edits.py")]

LIB = "def log(text):\n    print(text)\n\n\nlog('here')\n"
MAIN = "from lib import log\n\n\ndef main():\n    log('a')\n    log('b')\n"


@pytest.fixture(scope="module", params=VERSIONS)
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    """One editor for all tests of a version, in a workspace of its own."""
    home = tmp_path_factory.mktemp("desk")
    editor = Editor(program(request.param), home, {"FORETYPE_CACHE": str(home / "cache")})
    (home / "work" / ".git").mkdir(parents=True)
    yield editor
    editor.close()


Start = Callable[..., None]

FORGET = """
    local client = require('foretype.client')
    client.notify('workspace/didChangeConfiguration', { settings = { edits = { enabled = false } } })
    client.notify('workspace/didChangeConfiguration', { settings = { edits = { enabled = true } } })
"""


@pytest.fixture
def start(desk: Editor, stub: StubOpenAI) -> Iterator[Start]:
    """Opens `lib.py` of the workspace. The server is the one of the test before, without its memory, where the options
    are the same."""

    def start(**given: Any) -> None:
        stub.reset()
        desk.type("<Esc>")
        desk.wait(lambda: desk.nvim.api.get_mode()["mode"] == "n", "normal mode")
        desk.nvim.command("%bwipeout!")
        work = desk.home / "work"
        for name, text in (("lib.py", LIB), ("main.py", MAIN)):
            (work / name).write_text(text)
        desk.nvim.command(f"cd {work}")
        server = {
            "model": {"backend": "openai"},
            "openai": {"url": stub.url, "model": "scripted"},
            "completion": {"debounce_ms": 0},
            "edits": {"idle_ms": 20, "mid_word": True},
        }
        if given == getattr(desk, "given", None):
            desk.lua(FORGET)
            desk.wait(lambda: count(desk) == 0, "the server to forget")
        else:
            desk.lua("stopped = false; require('foretype.client').stop(function() stopped = true end)")
            desk.wait(lambda: desk.lua("return stopped"), "the server before to be gone")
            desk.lua("require('foretype').setup(...)", {"cmd": SERVE, "server": server, **given})
            desk.given = given
        desk.nvim.command(f"edit {work / 'lib.py'}")
        desk.wait(lambda: desk.lua("return require('foretype').status().state") == "ready", "the server")
        desk.wait(lambda: desk.lua("return require('foretype.client').serves(0)"), "the buffer to be attached")
        desk.forget_messages()
        desk.screen.frames.clear()

    with desk.bounded():
        yield start


def rename(desk: Editor) -> None:
    """`log` becomes `logger` where it is defined."""
    desk.type("gg0f(iger<Esc>")
    desk.wait(lambda: desk.nvim.current.buffer[0] == "def logger(text):", "the new name")


def shown(desk: Editor) -> list[str]:
    desk.pump()
    return desk.screen.frames[-1] if desk.screen.frames else []


def wait_for_row(desk: Editor, *parts: str) -> None:
    def there() -> bool:
        return any(all(part in row for part in parts) for row in shown(desk))

    desk.wait(there, f"a row with {parts}")


def count(desk: Editor) -> int:
    return desk.lua("return #(require('foretype.edits').list())")


def marks(desk: Editor) -> list[Any]:
    return desk.lua(
        "return vim.api.nvim_buf_get_extmarks(0, require('foretype.edit_view').namespace, 0, -1, { details = true })"
    )


def file_lines(desk: Editor, name: str) -> list[str]:
    return desk.lua(
        "return vim.api.nvim_buf_get_lines(vim.fn.bufnr(...), 0, -1, false)", str(desk.home / "work" / name)
    )


def test_tab_walks_through_all_places(desk: Editor, start: Start) -> None:
    start()
    rename(desk)
    wait_for_row(desk, "logger('here')")
    assert desk.lines()[4] == "log('here')"
    desk.type("<Tab>")
    desk.wait(lambda: desk.nvim.current.window.cursor == (5, 0), "the jump")
    assert desk.lines()[4] == "log('here')"
    desk.type("<Tab>")
    desk.wait(lambda: desk.lines()[4] == "logger('here')", "the edit")
    wait_for_row(desk, "logger('here')", "main.py:1 log is now logger (3 places)")
    desk.type("<Tab>")
    desk.wait(lambda: desk.nvim.current.buffer.name.endswith("main.py"), "the other file")
    wait_for_row(desk, "from lib import logger")
    for line, text in ((1, "from lib import logger"), (5, "    logger('a')"), (6, "    logger('b')")):
        desk.wait(lambda: bool(marks(desk)), "the edit to be drawn")
        if desk.nvim.current.window.cursor[0] != line:
            desk.type("<Tab>")
            desk.wait(lambda line=line: desk.nvim.current.window.cursor[0] == line, "the jump")
        desk.type("<Tab>")
        desk.wait(lambda line=line, text=text: desk.lines()[line - 1] == text, "the edit")
    desk.wait(lambda: count(desk) == 0, "the end")
    assert marks(desk) == []
    assert desk.nvim.funcs.maparg("<Tab>", "n") == ""


def test_what_goes_is_struck_through(desk: Editor, start: Start) -> None:
    start()
    desk.type("gg0f(cblock<Esc>")
    desk.wait(lambda: desk.nvim.current.buffer[0] == "def lock(text):", "the new name")
    desk.wait(lambda: len(marks(desk)) == 2, "the edit to be drawn")
    gone, come = (mark[3] for mark in marks(desk))
    assert (gone["hl_group"], gone["end_col"]) == ("ForetypeDeleted", 3)
    assert come["virt_text"] == [["lock", "ForetypeInserted"]]
    assert desk.lua("return vim.api.nvim_get_hl(0, { name = 'ForetypeDeleted' }).strikethrough")
    wait_for_row(desk, "loglock('here')")


def test_one_undo_takes_an_edit_back(desk: Editor, start: Start) -> None:
    start()
    rename(desk)
    desk.wait(lambda: bool(marks(desk)), "the edit to be drawn")
    desk.type("<Tab><Tab>")
    desk.wait(lambda: desk.lines()[4] == "logger('here')", "the edit")
    desk.type("u")
    desk.wait(lambda: desk.lines()[4] == "log('here')", "the undo")
    assert desk.lines()[0] == "def logger(text):"


def test_accept_all(desk: Editor, start: Start) -> None:
    start()
    rename(desk)
    desk.wait(lambda: count(desk) == 4, "all places")
    desk.nvim.command("Foretype accept-all")
    desk.wait(lambda: "4 edits in 2 files" in desk.messages(), "the end")
    assert desk.lines() == LIB.replace("log(", "logger(").splitlines()
    assert file_lines(desk, "main.py") == MAIN.replace("log", "logger").splitlines()
    assert (desk.home / "work" / "main.py").read_text() == MAIN  # not written: that is the user's to do
    desk.nvim.command("undo")
    assert desk.lines()[4] == "log('here')"
    desk.nvim.command("buffer main.py")
    desk.nvim.command("undo")
    assert desk.lines() == MAIN.splitlines()


def test_nothing_is_applied_where_one_file_has_changed(desk: Editor, start: Start) -> None:
    start()
    rename(desk)
    desk.wait(lambda: count(desk) == 4, "all places")
    (desk.home / "work" / "main.py").write_text("# somebody else's\n" + MAIN)
    desk.nvim.command("Foretype accept-all")
    desk.wait(lambda: "nothing was applied: main.py has changed since" in desk.messages(), "the reason")
    assert desk.lines()[4] == "log('here')"
    desk.wait(lambda: count(desk) == 1, "the rest")
    desk.nvim.command("Foretype accept-all")
    desk.wait(lambda: desk.lines()[4] == "logger('here')", "the rest to be applied")


def test_the_quickfix_list_previews_each_place(desk: Editor, start: Start) -> None:
    start()
    rename(desk)
    desk.wait(lambda: count(desk) == 4, "all places")
    desk.nvim.command("Foretype edits")
    entries = desk.nvim.funcs.getqflist()
    assert [(entry["lnum"], entry["text"]) for entry in entries] == [
        (line, "log is now logger: log -> logger") for line in (5, 1, 5, 6)
    ]
    wait_for_row(desk, "-log('here')")
    desk.type("jj")
    wait_for_row(desk, "-    log('a')")
    wait_for_row(desk, "+    logger('a')")
    desk.nvim.command("cclose")
    desk.wait(lambda: desk.lua("return #vim.api.nvim_list_wins()") == 1, "the preview to go")


def test_dismiss_and_skip(desk: Editor, start: Start) -> None:
    start()
    rename(desk)
    desk.wait(lambda: bool(marks(desk)), "the edit to be drawn")
    desk.type("<M-]>")
    desk.wait(lambda: count(desk) == 3, "the first one to go")
    wait_for_row(desk, "main.py:1")
    desk.nvim.command("Foretype dismiss")
    desk.wait(lambda: count(desk) == 0 and not marks(desk), "all to go")
    assert desk.nvim.funcs.maparg("<Tab>", "n") == ""
    desk.nvim.command("Foretype next")
    desk.wait(lambda: "call for nothing else" in desk.messages(), "the answer")


def test_never_beside_ghost_text(desk: Editor, start: Start, stub: StubOpenAI) -> None:
    start()
    rename(desk)
    desk.wait(lambda: bool(marks(desk)), "the edit to be drawn")
    stub.script = lambda prompt, suffix: "ghost()" if prompt.endswith("value = ") else ""
    desk.type("ovalue = ")
    desk.wait_for_ghost("ghost()")
    assert marks(desk) == []
    desk.type("<Tab>")
    desk.wait(lambda: desk.line() == "value = ghost()", "the ghost text to be inserted")
    desk.type("<Esc>")
    desk.wait(lambda: bool(marks(desk)), "the edit to be drawn again")
    desk.type("<Tab>")
    desk.wait(lambda: desk.nvim.current.window.cursor == (6, 0), "the jump")


GIVEN = """
    local first, last, old, new = ...
    local uri = vim.uri_from_bufnr(0)
    local function at(place) return { line = place[1], character = place[2] } end
    require('foretype.edits').receive({ edits = { {
      id = 'x', path = 'lib.py', uri = uri, version = vim.lsp.util.buf_versions[vim.api.nvim_get_current_buf()],
      range = { start = at(first), ['end'] = at(last) }, oldText = old, text = new, why = 'why',
      command = { command = 'foretype.acceptEdit' },
    } } })
"""


@pytest.mark.parametrize(
    ("where", "old", "new", "rows", "after"),
    [
        (  # more lines than before
            ((4, 0), (4, 11)),
            "log('here')",
            "if x:\n\tlog('é')",
            ["def log(text):", "    print(text)", "", "", "log('here')", "if x:", "        log('é')"],
            ["def log(text):", "    print(text)", "", "", "if x:", "\tlog('é')"],
        ),
        (  # lines above the first one
            ((0, 0), (0, 0)),
            "",
            "import os\n\n",
            ["import os", "", "def log(text):", "    print(text)", "", "", "log('here')"],
            ["import os", "", "def log(text):", "    print(text)", "", "", "log('here')"],
        ),
        (  # the end of the text
            ((3, 0), (5, 0)),
            "\nlog('here')\n",
            "",
            ["def log(text):", "    print(text)", "", "", "log('here')"],
            ["def log(text):", "    print(text)", ""],
        ),
        (  # as many lines as before: only what differs in each
            ((0, 4), (1, 9)),
            "log(text):\n    print",
            "log(texts):\n    emit",
            ["def log(texts):", "    printemit(text)", "", "", "log('here')"],
            ["def log(texts):", "    emit(text)", "", "", "log('here')"],
        ),
    ],
)
def test_edits_of_several_lines(
    desk: Editor, start: Start, where: Any, old: str, new: str, rows: list[str], after: list[str]
) -> None:
    start()
    desk.lua("vim.api.nvim_win_set_cursor(0, ...)", [where[0][0] + 1, 0])
    desk.lua(GIVEN, *where, old, new)
    desk.wait(lambda: bool(marks(desk)), "the edit to be drawn")
    desk.wait(lambda: shown(desk)[: len(rows)] == rows, f"the screen to show {rows}")
    desk.type("<Tab>")
    desk.wait(lambda: desk.lines() == after, f"the lines {after}")
    desk.type("u")
    desk.wait(lambda: desk.lines() == LIB.splitlines(), "the undo")


def test_an_edit_is_not_applied_to_a_text_that_moved_on(desk: Editor, start: Start) -> None:
    start()
    rename(desk)
    desk.wait(lambda: bool(marks(desk)), "the edit to be drawn")
    desk.type("<Tab>")
    desk.wait(lambda: desk.nvim.current.window.cursor == (5, 0), "the jump")
    desk.lua("vim.api.nvim_buf_set_text(0, 4, 0, 4, 1, { 'b' }); require('foretype').accept_edit()")
    desk.wait(lambda: count(desk) == 3, "the edit to go")
    assert desk.lines() == LIB.replace("log('", "bog('").replace("log(", "logger(").splitlines()


def test_diagnostics_reach_the_server(desk: Editor, start: Start) -> None:
    start()
    rename(desk)
    desk.wait(lambda: bool(marks(desk)), "the edit to be drawn")
    desk.lua(
        """
        local space = vim.api.nvim_create_namespace('a linter')
        vim.diagnostic.set(space, 0, { { lnum = 4, col = 0, end_col = 3, message = 'log is not defined', code = 7 } })
        """
    )
    status = "return select(2, next(vim.lsp.buf_request_sync(0, 'foretype/status', nil, 5000))).result.edits.last.cause"
    desk.wait(lambda: desk.lua(status) == "diagnostic", "the diagnostic to settle the edit")


COPILOT = """
    -- What sidekick.nvim and copilot-lsp send, and how they apply the answer.
    local client = vim.lsp.get_clients({ bufnr = 0, name = 'copilot_foretype' })[1]
    assert(client.name:lower():find('copilot'))
    local buf = vim.api.nvim_get_current_buf()
    client:notify('textDocument/didFocus', { textDocument = { uri = vim.uri_from_bufnr(buf) } })
    local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
    params.textDocument.version = vim.lsp.util.buf_versions[buf]
    params.context = { triggerKind = 2 }
    client:request('textDocument/copilotInlineEdit', params, function(err, result)
      assert(not err, vim.inspect(err))
      answer = result
      local edits = vim.tbl_filter(function(edit)
        return vim.fn.bufnr(vim.uri_to_fname(edit.textDocument.uri)) == buf
          and edit.textDocument.version == vim.lsp.util.buf_versions[buf]
      end, result.edits)
      client:notify('textDocument/didShowInlineEdit', { item = { command = edits[1].command } })
      vim.lsp.util.apply_text_edits(vim.tbl_map(function(edit)
        return { range = edit.range, newText = edit.text }
      end, edits), buf, client.offset_encoding)
      vim.schedule(function()
        for _, edit in ipairs(edits) do client:exec_cmd(edit.command, { bufnr = buf }) end
        done = true
      end)
    end)
"""


# Those plugins want 0.11 and newer.
@pytest.mark.parametrize("desk", [version for version in VERSIONS if version != "0.10"], indirect=True)
def test_plugins_for_copilot_are_served(desk: Editor, start: Start) -> None:
    start(name="copilot_foretype", edits={"show": "none"})
    rename(desk)
    desk.lua("done = nil")
    desk.lua(COPILOT)
    desk.wait(lambda: desk.lua("return done"), "the edits to be applied")
    assert desk.lines()[4] == "logger('here')"
    assert marks(desk) == []
    assert desk.lua("return vim.lsp.get_clients({ name = 'copilot_foretype' })[1].offset_encoding") == "utf-16"
    status = "return select(2, next(vim.lsp.buf_request_sync(0, 'foretype/status', nil, 5000))).result.edits.counts"
    counted = desk.lua(status)
    assert (counted["shown"], counted["accepted"]) == (1, 1)
