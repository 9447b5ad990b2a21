"""Ghost text in Neovim: shown, typed through, dropped; only the model is scripted."""

from __future__ import annotations

from nvim.editor import Editor
from nvim.plugin import added, counts, finish, set_up, wait_until_ready
from stub_openai import StubOpenAI


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


def test_unicode_before_the_cursor(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("s = '𝄞é' + ", "t")
    editor.type("is = '𝄞é' + ")
    editor.wait_for_ghost("t")
    assert stub.requests[-1]["prompt"].endswith("s = '𝄞é' + ")
    editor.type("<Tab>")
    editor.wait(lambda: editor.line() == "s = '𝄞é' + t", "the text to be inserted")


def test_positions_in_utf_16(fresh: Editor, stub: StubOpenAI) -> None:
    """Neovim prefers UTF-8 since 0.11; where it is told otherwise, here as a configuration would, columns are right."""
    utf_16 = "{ capabilities = { general = { positionEncodings = { 'utf-16' } } } }"
    fresh.lua(f"if vim.lsp.config then vim.lsp.config('foretype', {utf_16}) end")
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


def test_lines_below_the_window_are_scrolled_into_it(editor: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("    if right:", "\n        left += 1\n        return left")
    editor.lua("vim.o.scrolloff = 0; vim.api.nvim_buf_set_lines(0, 0, -1, false, vim.fn['repeat']({ 'x = 1' }, 60))")
    editor.type("G$")
    editor.wait(lambda: editor.lua("return vim.fn.winline() == vim.fn.winheight(0)"), "the cursor to be at the bottom")
    editor.type("o    if right:")
    editor.wait_for_ghost("\n        left += 1\n        return left")
    assert editor.lua("return vim.fn.winline() + 2 == vim.fn.winheight(0)")
    editor.pump()
    assert any(row.startswith("        return left") for row in editor.shown(50))
