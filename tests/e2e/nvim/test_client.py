"""Buffers, the server's life, options, health, and Neovim's own inline completion."""

from __future__ import annotations

import sys

import pytest
from nvim.editor import Editor
from nvim.plugin import counts, finish, set_up, wait_until_ready
from stub_openai import StubOpenAI


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


@pytest.mark.parametrize("fresh", ["0.12"], indirect=True)
def test_builtin_inline_completion(fresh: Editor, stub: StubOpenAI) -> None:
    set_up(fresh, stub, ghost="builtin")
    wait_until_ready(fresh)
    stub.script = finish("value = ", "first")
    fresh.type("ia<Tab><C-u>value = ")
    fresh.wait_for_screen("value = first")
    assert fresh.line() == "value = "
    fresh.type("<Tab>")
    fresh.wait(lambda: fresh.line() == "value = first", "the text to be inserted")
    fresh.wait(lambda: counts(fresh)["accepted"] == 1, "the acceptance to be counted")
    fresh.nvim.command("setlocal noexpandtab")
    fresh.type("<CR><Tab>x")
    fresh.wait(lambda: fresh.lines() == ["value = first", "\tx"], "a tab")


def test_the_server_is_told_where_the_cursor_rests(editor: Editor) -> None:
    editor.nvim.current.buffer[:] = ["first = '𝄞'", "second", "third"]
    editor.lua(
        """
        local client = require('foretype.client')
        notify, moves = client.notify, {}
        client.notify = function(method, params)
          if method == 'foretype/didMoveCursor' then moves[#moves + 1] = params.position end
          notify(method, params)
        end
        """
    )
    for keys, line in (("G", 2), ("gg", 0), ("$", 0), ("j", 1)):
        editor.type(keys)
        editor.wait(lambda line=line: editor.lua("return (moves[#moves] or {}).line") == line, "the move")
    editor.lua("require('foretype.client').notify = notify")
    lines = [move["line"] for move in editor.lua("return moves")]
    assert lines[-3:] == [2, 0, 1]  # and nothing for a move on the line
