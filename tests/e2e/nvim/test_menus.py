"""Ghost text and the menus of completion plugins: never both, whichever of them comes later.

The plugins are not on any package index, so that stand-ins speak for them: functions that answer whether the menu is
open, and the events that tell of it, as nvim-cmp and blink.cmp have them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from nvim.editor import Editor
from nvim.plugin import finish
from stub_openai import StubOpenAI

NVIM_CMP = """
local open, listeners = false, { menu_opened = {}, menu_closed = {} }
package.loaded.cmp = {
  visible = function() return open end,
  event = { on = function(_, name, callback) table.insert(listeners[name], callback) end },
}
function set_menu(state)
  open = state
  for _, callback in ipairs(listeners[state and "menu_opened" or "menu_closed"]) do callback({ window = {} }) end
end
"""
BLINK = """
local open = false
package.loaded["blink.cmp"] = { is_menu_visible = function() return open end }
function set_menu(state)
  open = state
  local event = state and "BlinkCmpMenuOpen" or "BlinkCmpMenuClose"
  vim.api.nvim_exec_autocmds("User", { pattern = event, modeline = false })
end
"""


@pytest.fixture(params=[NVIM_CMP, BLINK], ids=["nvim-cmp", "blink.cmp"])
def beside(editor: Editor, request: pytest.FixtureRequest) -> Iterator[Editor]:
    """The editor with such a plugin; the Lua function `set_menu` opens and closes its menu."""
    editor.lua(request.param)
    yield editor
    editor.lua("package.loaded.cmp, package.loaded['blink.cmp'] = nil, nil")


def test_a_menu_that_opens_takes_the_place_and_gives_it_back(beside: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("value = ", "first")
    beside.type("ivalue = ")
    beside.wait_for_ghost("first")
    beside.lua("set_menu(true)")
    assert beside.ghost() is None
    beside.lua("set_menu(false)")
    assert beside.ghost() == "first"


def test_an_open_menu_keeps_its_keys_and_its_place(beside: Editor, stub: StubOpenAI) -> None:
    stub.script = finish("value = ", "first")
    beside.lua("set_menu(true)")
    beside.type("ivalue = <Tab>")
    beside.wait(lambda: len(beside.line()) > len("value = "), "a tab")
    assert not [request for request in stub.requests if request["prompt"].endswith("value = ")]
    beside.type("<BS>")
    beside.wait(lambda: beside.line() == "value = ", "the tab to be gone")
    assert beside.ghost() is None
    beside.lua("set_menu(false)")
    beside.wait_for_ghost("first")
