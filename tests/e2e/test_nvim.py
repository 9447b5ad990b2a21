"""The Neovim plugin in real Neovims, against the real server process; only the model is scripted."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nvim import get
from nvim.editor import Editor
from stub_openai import StubOpenAI

VERSIONS = list(get.PACKAGES)
SERVE = [sys.executable, "/tmp/ftE/serve.py"]


def program(version: str) -> Path:
    found = get.program(version)
    if found is None:
        pytest.skip(f"Neovim {version} is not there: run tests/e2e/nvim/get.py")
    return found


@pytest.fixture(scope="module")
def stub() -> Iterator[StubOpenAI]:
    with StubOpenAI() as stub:
        yield stub


def set_up(editor: Editor, stub: StubOpenAI, **options: object) -> None:
    """`require("foretype").setup` with the server of this working tree and the scripted model."""
    server = {
        "model": {"backend": "openai"},
        "openai": {"url": stub.url, "model": "scripted"},
        "completion": {"debounce_ms": 0, "mode": "multi"},
    }
    editor.lua("require('foretype').setup(...)", {"cmd": SERVE, "server": server, **options})


def wait_until_ready(editor: Editor) -> None:
    editor.wait(lambda: editor.lua("return require('foretype').status().state") == "ready", "the server to be ready")


@pytest.fixture(scope="module", params=VERSIONS)
def shared(request: pytest.FixtureRequest, stub: StubOpenAI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One editor with one server for all tests that do them no harm."""
    editor = Editor(program(request.param), tmp_path_factory.mktemp("nvim"))
    editor.nvim.command(f"edit {editor.home / 'first.py'}")
    set_up(editor, stub)
    editor.type("i")
    yield editor
    editor.close()


@pytest.fixture
def editor(shared: Editor, stub: StubOpenAI, request: pytest.FixtureRequest) -> Editor:
    """The shared editor in normal mode in an empty Python file of its own."""
    stub.reset()
    shared.type("<Esc>")
    shared.wait(lambda: shared.nvim.api.get_mode()["mode"] == "n", "normal mode")
    shared.nvim.command("%bwipeout!")
    shared.nvim.command(f"edit {shared.home / request.node.originalname}.py")
    shared.nvim.command("messages clear")
    wait_until_ready(shared)
    shared.screen.frames.clear()
    return shared


@pytest.fixture(params=VERSIONS)
def fresh(request: pytest.FixtureRequest, stub: StubOpenAI, tmp_path: Path) -> Iterator[Editor]:
    """An editor of its own, in a Python file, without `setup`."""
    stub.reset()
    editor = Editor(program(request.param), tmp_path / "home")
    editor.nvim.command(f"edit {tmp_path / 'fresh.py'}")
    yield editor
    editor.close()


def counts(editor: Editor) -> dict[str, int]:
    """What the server has counted, after everything that was sent to it before."""
    status = editor.lua(
        """
        local answer
        require('foretype.client').ask_status(function(status) answer = status or {} end)
        vim.wait(5000, function() return answer end, 5)
        return answer
        """
    )
    return dict(status["counts"])


def added(editor: Editor, before: dict[str, int]) -> dict[str, int]:
    """The counts that grew since."""
    now = counts(editor)
    return {name: now[name] - before.get(name, 0) for name in now if now[name] != before.get(name, 0)}


def finish(line: str, rest: str) -> Any:
    """A model that knows one line: it gives what is missing where the text ends in a part of it."""
    whole = line + rest

    def script(prompt: str, suffix: str) -> str:
        last = prompt.rsplit("\n", 1)[-1]
        return whole[len(last) :] if last and len(last) >= len(line) and whole.startswith(last) else ""

    return script


def test_tab_accepts(editor: Editor, stub: StubOpenAI) -> None:
    before = counts(editor)
    stub.script = finish("total = add(", "left, right)")
    editor.type("itotal = add(")
    editor.wait_for_ghost("left, right)")
    editor.wait_for_screen("total = add(left, right)")
    assert editor.lines() == ["total = add("]

    editor.type("<Tab>")
    editor.wait(lambda: editor.lines() == ["total = add(left, right)"], "the text to be inserted")
    assert editor.ghost() is None
    assert editor.nvim.current.window.cursor == (1, len("total = add(left, right)"))
    grown = added(editor, before)
    assert (grown["shown"], grown["accepted"]) == (1, 1)


def test_an_acceptance_is_one_step_of_undo(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("total = add(", "left, right)")
    editor.type("itotal = add(")
    editor.wait_for_ghost("left, right)")
    editor.type("<Tab>")
    editor.wait(lambda: editor.line().endswith(")"), "the text to be inserted")
    editor.type(" + 1<Esc>")
    editor.wait(lambda: editor.line().endswith(" + 1"), "more text")
    undone = []
    for _ in range(3):
        editor.nvim.command("undo")
        undone.append(editor.line())
    assert undone == ["total = add(left, right)", "total = add(", ""]


def test_typing_through_never_flickers(editor: Editor, stub: StubOpenAI) -> None:
    before = counts(editor)
    stub.script = finish("    ret", "urn left + right")
    editor.type("i    ret")
    editor.wait_for_ghost("urn left + right")
    editor.wait_for_screen("    return left + right")
    asked = len(stub.requests)
    del editor.screen.frames[:-1]

    typed = "    ret"
    for key in "urn left":
        editor.type(key)
        typed += key
        editor.wait_for_ghost("    return left + right"[len(typed) :])
        assert editor.line() == typed
    editor.type("<BS>")
    editor.wait_for_ghost("t + right")
    editor.pump()

    shown = {frame[0] for frame in editor.screen.frames}
    assert shown == {"    return left + right"}
    assert len(editor.screen.frames) >= len("urn left")
    assert len(stub.requests) == asked
    editor.type("<Tab>")
    editor.wait(lambda: editor.line() == "    return left + right", "the rest to be inserted")
    assert added(editor, before)["shown"] == 1


def test_other_text_ends_it(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("value = ", "first")
    editor.type("ivalue = ")
    editor.wait_for_ghost("first")
    editor.type("s")
    editor.wait_for_ghost(None)
    assert editor.line() == "value = s"


def test_leaving_insert_mode_ends_it(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("value = ", "first")
    editor.type("ivalue = ")
    editor.wait_for_ghost("first")
    editor.type("<Esc>")
    editor.wait_for_ghost(None)
    assert editor.nvim.funcs.maparg("<Tab>", "i", False, True).get("buffer", 0) == 0


def test_a_change_elsewhere_ends_it(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("value = ", "first")
    editor.type("ione<CR>two<CR>value = ")
    editor.wait_for_ghost("first")
    editor.lua("vim.api.nvim_buf_set_lines(0, 0, 1, false, { 'uno' })")
    assert editor.lua("return require('foretype').accept()") is False
    assert editor.lines() == ["uno", "two", "value = "]


def test_dismiss_reaches_the_server(editor: Editor, stub: StubOpenAI) -> None:
    before = counts(editor)
    stub.script = finish("value = ", "first")
    editor.type("ivalue = ")
    editor.wait_for_ghost("first")
    editor.type("<C-]>")
    editor.wait_for_ghost(None)
    assert editor.line() == "value = "
    assert added(editor, before)["rejected"] == 1


@pytest.fixture
def lengths(editor: Editor) -> Iterator[Callable[[], list[int]]]:
    """The accepted lengths that the client reports from here on."""
    editor.lua(
        """
        local client = require('foretype.client')
        notify, lengths = client.notify, {}
        client.notify = function(method, params)
          lengths[#lengths + 1] = params.acceptedLength
          notify(method, params)
        end
        """
    )
    yield lambda: editor.lua("return lengths")
    editor.lua("require('foretype.client').notify = notify")


def test_accept_word(editor: Editor, stub: StubOpenAI, lengths: Callable[[], list[int]]) -> None:
    before = counts(editor)
    stub.script = finish("value = ", "'𝄞é' + other")
    editor.type("ivalue = ")
    editor.wait_for_ghost("'𝄞é' + other")
    for line in ("value = '𝄞", "value = '𝄞é", "value = '𝄞é'", "value = '𝄞é' +"):
        editor.type("<M-Right>")
        editor.wait(lambda: editor.line() == line, f"{line!r} to be accepted")  # noqa: B023
    assert editor.ghost() == " other"
    assert added(editor, before).get("accepted", 0) == 0
    editor.type("<M-Right>")
    editor.wait(lambda: editor.line() == "value = '𝄞é' + other", "the last word to be accepted")
    assert lengths() == [3, 4, 5, 7]
    grown = added(editor, before)
    assert (grown["shown"], grown["partially_accepted"], grown["accepted"]) == (1, 1, 1)


def test_accept_line(editor: Editor, stub: StubOpenAI, lengths: Callable[[], list[int]]) -> None:
    before = counts(editor)
    stub.script = finish("def add(a, b):", "\n    total = a + b\n    return total")
    editor.type("idef add(a, b):")
    editor.wait_for_ghost("\n    total = a + b\n    return total")
    editor.type("<M-C-Right>")
    editor.wait(lambda: editor.lines() == ["def add(a, b):", "    total = a + b"], "a line to be accepted")
    assert editor.ghost() == "\n    return total"
    assert lengths() == [len("\n    total = a + b")]
    editor.type("<M-C-Right>")
    editor.wait(lambda: editor.lines()[2:] == ["    return total"], "the last line to be accepted")
    assert editor.nvim.current.window.cursor == (3, len("    return total"))
    grown = added(editor, before)
    assert (grown["shown"], grown["partially_accepted"], grown["accepted"]) == (1, 1, 1)


def test_tab_without_ghost_is_a_tab(editor: Editor) -> None:
    editor.nvim.command("setlocal noexpandtab")
    editor.type("ia<Tab>b")
    editor.wait(lambda: editor.line() == "a\tb", "a tab")


MAPPINGS = {
    "global": "vim.keymap.set('i', '<Tab>', 'GLOBAL')",
    "expr": "vim.keymap.set('i', '<Tab>', function() return 'EXPR' end, { expr = true })",
    "buffer": "vim.keymap.set('i', '<Tab>', 'BUFFER', { buffer = true })",
    "callback": "vim.keymap.set('i', '<Tab>', function() vim.api.nvim_put({ 'CALLBACK' }, 'c', false, true) end, "
    "{ buffer = true })",
}


@pytest.mark.parametrize("kind", MAPPINGS)
def test_tab_is_given_back_to_its_mapping(editor: Editor, stub: StubOpenAI, kind: str) -> None:
    editor.lua("saved = vim.fn.maparg('<Tab>', 'i', false, true)")
    editor.lua(MAPPINGS[kind])
    try:
        stub.script = finish("a = ", "b")
        editor.type("ia = ")
        editor.wait_for_ghost("b")
        editor.type("<Tab>")
        editor.wait(lambda: editor.line() == "a = b", "the ghost text to be accepted")
        editor.type("<Tab>")
        editor.wait(lambda: editor.line() == f"a = b{kind.upper()}", "the mapping to run")
    finally:
        editor.lua("pcall(vim.keymap.del, 'i', '<Tab>'); if saved.lhs then vim.fn.mapset('i', false, saved) end")


def test_an_open_menu_keeps_its_keys(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("apple apricot ap", "ple")
    editor.nvim.command("set completeopt=menuone,noselect")
    editor.type("iapple apricot ap")
    editor.wait_for_ghost("ple")
    editor.type("<C-n>")
    editor.wait(lambda: editor.nvim.funcs.pumvisible(), "the menu")
    editor.wait_for_ghost(None)
    editor.type("<Tab>")
    editor.wait(lambda: editor.line().endswith(("\t", "  ")), "a tab")
    assert "apple apricot apple" not in editor.line()


def test_multi_line(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("def add(a, b):", "\n    total = a + b\n    return total")
    editor.type("idef add(a, b):")
    editor.wait_for_ghost("\n    total = a + b\n    return total")
    editor.wait_for_screen("def add(a, b):", "    total = a + b", "    return total")
    editor.nvim.command("setlocal autoindent indentexpr=")
    editor.type("<CR>    to")
    editor.wait_for_ghost("tal = a + b\n    return total")
    editor.type("<Tab>")
    editor.wait(lambda: len(editor.lines()) == 3, "the text to be inserted")
    assert editor.lines() == ["def add(a, b):", "    total = a + b", "    return total"]
    assert editor.nvim.current.window.cursor == (3, len("    return total"))


def test_unicode_before_the_cursor(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("s = '𝄞é' + ", "t")
    editor.type("is = '𝄞é' + ")
    editor.wait_for_ghost("t")
    assert stub.requests[-1]["prompt"].endswith("s = '𝄞é' + ")
    editor.type("<Tab>")
    editor.wait(lambda: editor.line() == "s = '𝄞é' + t", "the text to be inserted")


def test_positions_in_utf_16(fresh: Editor, stub: StubOpenAI) -> None:
    """Neovim prefers UTF-8; where it is told otherwise (here as a configuration would), columns are still right."""
    fresh.lua(
        "vim.lsp.config('foretype', { capabilities = { general = { positionEncodings = { 'utf-16' } } } })",
    )
    set_up(fresh, stub)
    wait_until_ready(fresh)
    assert fresh.lua("return require('foretype.client').encoding()") == "utf-16"
    stub.script = finish("(s + '𝄞é' + ", "t")
    fresh.type("i(s + '𝄞é' + )<Left>")
    fresh.wait_for_ghost("t")
    assert (stub.requests[-1]["prompt"], stub.requests[-1]["suffix"]) == ("(s + '𝄞é' + ", ")\n")
    fresh.type("<Tab>")
    fresh.wait(lambda: fresh.line() == "(s + '𝄞é' + t)", "the text to be inserted")


def test_line_ends_of_the_file(editor: Editor, stub: StubOpenAI) -> None:
    editor.nvim.command("setlocal fileformat=dos")
    stub.answers.append("\r\n    pass\r\n    done")
    editor.type("iif x:")
    editor.wait(lambda: (editor.ghost() or "").startswith("\n    pass"), "ghost text")
    editor.type("<Tab>")
    editor.wait(lambda: len(editor.lines()) > 1, "the text to be inserted")
    assert editor.lines() == ["if x:", "    pass", "    done"]


def test_a_stale_answer_is_dropped_and_a_late_one_that_agrees_is_not(editor: Editor) -> None:
    """The server withdraws answers to older texts by itself, so here they are held back in the client."""
    editor.lua(
        """
        local client = require('foretype.client')
        real = client.request
        client.request = function(method, params, handler) late, position = handler, params.position end
        """
    )
    answer = """
        local range = { start = position, ['end'] = position }
        late(nil, { items = { { insertText = 'first', range = range } } })
    """
    try:
        editor.lua("require('foretype.options').current.debounce_ms = 0; late = nil")
        editor.type("ivalue = ")
        editor.wait(lambda: editor.lua("return late ~= nil and position.character == 8"), "the request")
        editor.lua("require('foretype.options').current.debounce_ms = 60000")
        editor.type("fi")
        editor.wait(lambda: editor.line() == "value = fi", "more text")
        editor.lua(answer)
        assert editor.ghost() == "rst"

        editor.lua("require('foretype.options').current.debounce_ms = 0; late = nil")
        editor.type("<Esc>ccvalue = ")
        editor.wait(lambda: editor.lua("return late ~= nil and position.character == 8"), "the request")
        editor.lua("require('foretype.options').current.debounce_ms = 60000")
        editor.type("so")
        editor.wait(lambda: editor.line() == "value = so", "more text")
        editor.lua(answer)
        assert editor.ghost() is None
    finally:
        editor.lua("require('foretype.client').request = real; require('foretype.options').current.debounce_ms = 10")


def test_what_follows_the_cursor(editor: Editor) -> None:
    """Text that an item replaces stays on the screen where the item contains it, and is replaced at acceptance."""
    offer = """
        local text, from, to = ...
        local place = require('foretype.place').here()
        local function at(c) return { line = place.row, character = c } end
        local item = { insertText = text, range = { start = at(from), ['end'] = at(to) } }
        require('foretype.suggestion').offer({ item }, place, 'utf-8')
    """
    editor.type("iprint(x)<Left>")
    editor.wait(lambda: editor.nvim.current.window.cursor == (1, 7), "the cursor")
    editor.lua(offer, "x, y).z", 6, 8)
    editor.wait_for_screen("print(x, y).z")
    assert editor.line() == "print(x)"
    editor.type("<Tab>")
    editor.wait(lambda: editor.line() == "print(x, y).z", "the text to be inserted")

    editor.type("<Esc>ccf(a)<Left>")
    editor.wait(lambda: editor.line() == "f(a)" and editor.nvim.current.window.cursor == (1, 3), "the new line")
    editor.lua(offer, ",\n  b", 3, 3)
    editor.wait_for_screen("f(a,", "  b)")
    editor.type("<Tab>")
    editor.wait(lambda: editor.lines() == ["f(a,", "  b)"], "the text to be inserted")


def test_alternatives(editor: Editor) -> None:
    before = counts(editor)
    editor.type("ix")
    editor.wait(lambda: editor.line() == "x", "text")
    editor.lua(
        """
        require('foretype.suggestion').offer({ { insertText = 'aa' }, { insertText = 'ab' }, { insertText = 'c' } },
          require('foretype.place').here(), 'utf-8')
        """
    )
    shown = [editor.ghost()]
    for key in ("<M-]>", "<M-]>", "<M-]>", "<M-[>"):
        editor.type(key)
        last = shown[-1]
        editor.wait(lambda: editor.ghost() != last, "another alternative")  # noqa: B023
        shown.append(editor.ghost())
    assert shown == ["aa", "ab", "c", "aa", "c"]
    editor.type("a")
    editor.wait_for_ghost("a")
    editor.type("<M-]>")
    editor.wait_for_ghost("b")
    editor.type("<M-]>")
    editor.wait_for_ghost("a")
    assert added(editor, before).get("accepted", 0) == 0


def test_a_buffer_without_a_name_takes_no_part_until_it_has_one(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("value = ", "first")
    editor.nvim.command("enew")
    editor.type("ivalue = <Tab><Esc>")
    editor.wait(lambda: editor.line().startswith("value = ") and len(editor.line()) > 8, "a tab")
    assert not [request for request in stub.requests if request["prompt"].startswith("value")]
    editor.nvim.command(f"file {editor.home / 'named.py'}")
    editor.wait(lambda: editor.lua("return require('foretype.client').serves(0)"), "the buffer to be attached")
    editor.type("ccvalue = ")
    editor.wait_for_ghost("first")
    assert editor.messages().strip() == ""


def test_two_buffers(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("value = ", "first")
    first = editor.nvim.current.buffer
    editor.type("ivalue = ")
    editor.wait_for_ghost("first")
    editor.nvim.command(f"split {editor.home / 'second.py'}")
    marks = "return #vim.api.nvim_buf_get_extmarks(..., require('foretype.ghost').namespace, 0, -1, {})"
    editor.wait(lambda: editor.lua(marks, first.number) == 0, "the other buffer's ghost text to go")
    editor.wait(lambda: editor.lua("return require('foretype.client').serves(0)"), "the buffer to be attached")
    editor.type("<Esc>ivalue = ")
    editor.wait_for_ghost("first")
    assert first[:] == ["value = "]
    assert editor.lua("return #vim.lsp.get_clients({ name = 'foretype' })") == 1


def test_disable_and_enable(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("value = ", "first")
    editor.type("ivalue = ")
    editor.wait_for_ghost("first")
    editor.nvim.command("Foretype disable")
    editor.wait_for_ghost(None)
    editor.nvim.command("Foretype toggle")
    editor.type("<BS> ")
    editor.wait_for_ghost("first")


def test_events_for_configurations(editor: Editor, stub: StubOpenAI) -> None:
    editor.lua(
        """
        events = {}
        vim.api.nvim_create_autocmd('User', { pattern = 'Foretype*', callback = function(event)
          events[#events + 1] = event.match .. ' ' .. event.data.text
        end })
        """
    )
    stub.script = finish("value = ", "first")
    editor.type("ivalue = ")
    editor.wait_for_ghost("first")
    editor.type("f<Tab>")
    editor.wait(lambda: editor.line() == "value = first", "the text to be inserted")
    assert editor.lua("return events") == ["ForetypeShown first", "ForetypeAccepted irst"]


def test_status_and_health(editor: Editor) -> None:
    editor.nvim.command("Foretype status")
    editor.wait(lambda: "foretype: ready" in editor.messages(), "the status")
    editor.nvim.command("checkhealth foretype")
    report = "\n".join(editor.lines())
    assert "ERROR" not in report, report
    for part in ("OK Neovim", "OK command:", "OK server: foretype", "scripted: ready", "accept: <Tab>"):
        assert part in report, report


def test_health_names_what_is_missing(fresh: Editor) -> None:
    fresh.lua("require('foretype').setup({ cmd = { 'no-such-foretype', 'serve' } })")
    fresh.wait(lambda: "no program `no-such-foretype` was found" in fresh.messages(), "the complaint")
    fresh.nvim.command("edit another.py")
    fresh.type("ia<Tab>b<Esc>")
    fresh.wait(lambda: fresh.line().startswith("a") and fresh.line().endswith("b"), "typing to go on")
    assert fresh.messages().count("no-such-foretype") == 1
    fresh.nvim.command("checkhealth foretype")
    report = "\n".join(fresh.lines())
    assert "ERROR no program `no-such-foretype` was found" in report


def test_a_wrong_option_is_named(fresh: Editor) -> None:
    fresh.lua("require('foretype').setup({ cmd = { 'no-such-foretype' }, debounce = 3, ghost = 'pale' })")
    said = fresh.messages()
    assert "there is no option `debounce`" in said
    assert 'option `ghost` must be "own" or "builtin"' in said


def test_the_server_is_started_again(fresh: Editor, stub: StubOpenAI) -> None:
    fresh.lua("require('foretype.client').RESTART_PAUSE_MS = 1")
    set_up(fresh, stub)
    wait_until_ready(fresh)
    stub.script = finish("value = ", "first")
    fresh.type("ivalue = ")
    fresh.wait_for_ghost("first")
    crash = "vim.lsp.get_clients({ name = 'foretype' })[1].rpc.terminate()"
    fresh.lua(crash)
    fresh.wait_for_ghost(None)
    fresh.wait(lambda: fresh.lua("return require('foretype').status().state") != "ready", "the server to be gone")
    wait_until_ready(fresh)
    fresh.type("<BS> ")
    fresh.wait_for_ghost("first")
    fresh.nvim.command("Foretype restart")
    fresh.wait_for_ghost(None)
    wait_until_ready(fresh)
    fresh.type("<BS> ")
    fresh.wait_for_ghost("first")


def test_a_server_that_cannot_run_is_given_up(fresh: Editor) -> None:
    fresh.lua("require('foretype.client').RESTART_PAUSE_MS = 1")
    fresh.lua("require('foretype').setup({ cmd = ... })", [sys.executable, "-c", "raise SystemExit(3)"])
    fresh.wait(lambda: "stays off" in fresh.messages(), "the end of trying")
    assert fresh.messages().count("stays off") == 1
    fresh.type("ia<Tab>b")
    fresh.wait(lambda: fresh.line().endswith("b"), "typing to go on")


@pytest.mark.parametrize("version", [version for version in VERSIONS if version != "0.11"])
def test_builtin_inline_completion(version: str, stub: StubOpenAI, tmp_path: Path) -> None:
    stub.reset()
    editor = Editor(program(version), tmp_path / "home")
    try:
        editor.nvim.command(f"edit {tmp_path / 'builtin.py'}")
        set_up(editor, stub, ghost="builtin")
        wait_until_ready(editor)
        stub.script = finish("value = ", "first")
        editor.type("ia<Tab><C-u>value = ")
        editor.wait_for_screen("value = first")
        assert editor.line() == "value = "
        editor.type("<Tab>")
        editor.wait(lambda: editor.line() == "value = first", "the text to be inserted")
        editor.wait(lambda: counts(editor)["accepted"] == 1, "the acceptance to be counted")
        editor.type("<CR><Tab>x")
        editor.wait(lambda: len(editor.lines()) == 2 and editor.line().endswith("x"), "the next line")
        assert editor.line() in ("\tx", "        x", "    x")
    finally:
        editor.close()
