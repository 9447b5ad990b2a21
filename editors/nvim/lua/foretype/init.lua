--- Foretype in Neovim: ghost text and next edits from the `foretype serve` language server.
---
--- This module is what a person's configuration meets: `setup` and the actions. `client` keeps the server, `request`
--- asks it, `suggestion` holds what is on the screen, `ghost` draws it, `keys` lends the keys. `edits` holds the next
--- edits, `edit_view` draws one, `edit_list` lists all.
local options = require("foretype.options")
local client = require("foretype.client")
local builtin = require("foretype.builtin")
local ghost = require("foretype.ghost")
local edits = require("foretype.edits")
local edit_view = require("foretype.edit_view")
local menu = require("foretype.menu")
local request = require("foretype.request")
local suggestion = require("foretype.suggestion")

local M = {}
local api = vim.api

local function draws_itself()
  return options.current.ghost == "own"
end

local function watch()
  local group = api.nvim_create_augroup("foretype", { clear = true })
  local function on(events, run, pattern)
    local function callback(event)
      run(event) -- and return nothing: an autocommand whose callback returns true is deleted
    end
    api.nvim_create_autocmd(events, { group = group, pattern = pattern, callback = callback })
  end

  -- Later in the loop, when the file's type is known.
  on({ "BufEnter", "BufReadPost", "BufNewFile", "BufFilePost", "FileType" }, function(event)
    vim.schedule(function()
      client.attach(event.buf)
    end)
  end)
  on("ColorScheme", ghost.define_highlight)
  on("ColorScheme", edit_view.define_highlights)
  on({ "CursorMoved", "BufEnter" }, request.moved)

  if options.current.edits then
    on("DiagnosticChanged", function(event)
      require("foretype.diagnostics").changed(event.buf)
    end)
    on({ "CursorMoved", "CursorMovedI", "BufEnter", "WinEnter", "WinScrolled", "ModeChanged" }, function()
      edits.update_soon()
    end)
  end

  if draws_itself() then
    -- CursorMovedI comes first and TextChangedI is held back while a menu is open; each is enough to keep up.
    on({ "InsertEnter", "TextChangedI", "TextChangedP", "CursorMovedI", "CompleteDone" }, request.changed)
    on("CompleteChanged", suggestion.update)
    on("User", request.changed, menu.EVENTS)
    menu.on_change = request.changed
    on({ "InsertLeave", "BufLeave", "WinLeave" }, request.leave)
    on("ModeChanged", request.leave, "i*:[^i]*")
  end
end

--- Start it, once; what it takes: |foretype-options|.
---@param given foretype.Options?
function M.setup(given)
  if vim.fn.has("nvim-0.10") == 0 then
    vim.notify("foretype: needs Neovim 0.10 or newer", vim.log.levels.ERROR)
    return
  end
  options.set(given)
  if not draws_itself() and not builtin.available() then
    vim.notify('foretype: ghost = "builtin" needs Neovim 0.12; drawing itself instead', vim.log.levels.WARN)
    options.current.ghost = "own"
  end
  client.on_gone = function()
    request.leave()
    edits.clear()
  end
  client.on_edits = edits.receive
  suggestion.on_visible = edits.ghost
  ghost.define_highlight()
  edit_view.define_highlights()
  watch()
  client.attach_all()
end

--- Insert the whole suggestion, as one step of undo. Where none is visible, this and the others for ghost text do nothing
--- and return false.
---@return boolean done
function M.accept()
  return (draws_itself() and suggestion or builtin).accept()
end

--- Insert its next word, with the space before it; the rest stays.
---@return boolean done
function M.accept_word()
  return suggestion.accept_part(function(rest)
    return vim.fn.matchstr(rest, [[^\_s*\%(\k\+\|\%(\k\@!\S\)\+\)]])
  end)
end

--- Insert it up to the end of the line; the rest stays.
---@return boolean done
function M.accept_line()
  return suggestion.accept_part(function(rest)
    return rest:match("^\n?[^\n]*")
  end)
end

--- Turn it down.
---@return boolean done
function M.dismiss()
  return suggestion.dismiss()
end

--- Show another alternative; with only one, it stays.
---@return boolean done
function M.next()
  return (draws_itself() and suggestion or builtin).cycle(1)
end

--- Show the alternative before.
---@return boolean done
function M.previous()
  return (draws_itself() and suggestion or builtin).cycle(-1)
end

--- Ask now.
function M.suggest()
  request.invoke()
end

--- The text that is visible, or nil.
---@return string?
function M.visible()
  return suggestion.text()
end

--- What the server last said of itself, for a status line: `state` is "loading", "ready", "error" or "off".
---@return { state: string, message: string? }
function M.status()
  return client.status
end

--- Characters per opportunity today, such as "CPO 0.37"; "" while that is not known. See |foretype-statusline|.
---@return string
function M.today()
  return require("foretype.stats").figure()
end

--- Go to the next edit; on its lines, apply it. Returns false, and does nothing, where none is visible.
---@return boolean done
function M.accept_edit()
  return edits.accept()
end

--- Turn the next edit down, and go on with the one after it.
---@return boolean done
function M.skip_edit()
  return edits.skip()
end

--- Turn all next edits down.
---@return boolean done
function M.dismiss_edits()
  return edits.dismiss()
end

--- Apply all next edits, or none where one of them cannot be: one step of undo in each file.
function M.accept_all()
  edits.accept_all()
end

--- Ask for next edits now, whether or not the last edit has settled.
function M.find_edits()
  edits.ask()
end

--- List the next edits in the quickfix window, with a preview.
function M.list_edits()
  require("foretype.edit_list").open()
end

local function switch(on)
  client.enabled = on
  if not draws_itself() then
    builtin.switch(on)
  end
end

--- Ghost text and next edits on.
function M.enable()
  switch(true)
  client.attach_all()
end

--- No more ghost text and no next edits; the server stays.
function M.disable()
  switch(false)
  request.leave()
  edits.clear()
end

--- On if they are off, else off.
function M.toggle()
  if client.enabled then
    M.disable()
  else
    M.enable()
  end
end

--- Stop the server and start it again.
function M.restart()
  client.restart()
end

return M
