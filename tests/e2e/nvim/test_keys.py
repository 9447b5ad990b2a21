"""What keys do in Neovim while ghost text is visible, and that they are the person's own otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from nvim.editor import Editor
from nvim.plugin import added, counts, finish
from stub_openai import StubOpenAI


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
