--- The next edits that the server proposes: which one is in turn, when it is drawn, and what becomes of it.
---
--- The server keeps the list true while the text changes and sends it anew; an edit is drawn and applied only for the
--- version that it was sent for. Nothing is drawn while ghost text or a menu is visible.
local client = require("foretype.client")
local keys = require("foretype.keys")
local menu = require("foretype.menu")
local options = require("foretype.options")
local suggestion = require("foretype.suggestion")
local texts = require("foretype.edit_text")
local view = require("foretype.edit_view")

local M = {}
local api = vim.api

-- LSP 3.18, InlineCompletionTriggerKind
local INVOKED, AUTOMATIC = 1, 2
-- After ghost text went, more of it usually comes: milliseconds before something else is drawn.
local AFTER_GHOST_MS = 300

local list = {} ---@type foretype.NextEdit[] best first
local capped = 0 -- how many more there were
local turn = nil ---@type string? the id of the one that is in turn
local drawn = nil ---@type { id: string, bufnr: integer, inline: boolean }?
local told = {} ---@type table<string, boolean> ids that the server was told were shown
local lent = nil ---@type integer? the buffer whose keys are taken
local timer = nil ---@type uv.uv_timer_t?

local loan = keys.loan("edits", { "n", "i" }, function()
  local own = options.current.edits
  return own and own.keymaps or {}
end, function(action)
  return M[action]()
end)

---@return boolean
local function own()
  return options.current.edits and options.current.edits.show == "own"
end

---@return foretype.NextEdit?, integer? index
local function current()
  for i, edit in ipairs(list) do
    if edit.id == turn then
      return edit, i
    end
  end
  return list[1], 1
end

local function hide()
  if drawn then
    drawn = nil
    view.hide()
  end
  if lent then
    loan:give_back(lent)
    lent = nil
  end
end

---@param edit foretype.NextEdit
local function announce(event, edit)
  local data = { suggestion_id = edit.id, text = edit.text, path = edit.path }
  api.nvim_exec_autocmds("User", { pattern = event, modeline = false, data = data })
end

--- The window of this tab page in which the lines of an edit are to be seen, the current one first.
---@param edit foretype.NextEdit
---@param bufnr integer
---@return integer?
local function window(edit, bufnr)
  local windows = { api.nvim_get_current_win(), unpack(api.nvim_tabpage_list_wins(0)) }
  for _, win in ipairs(windows) do
    if api.nvim_win_get_buf(win) == bufnr then
      local first, last = vim.fn.line("w0", win) - 1, vim.fn.line("w$", win) - 1
      if edit.range.start.line <= last and edit.range["end"].line >= first then
        return win
      end
    end
  end
end

---@return boolean
local function quiet()
  local mode = api.nvim_get_mode().mode
  if mode == "i" and options.current.ghost == "builtin" then
    return true -- nobody tells whether it shows ghost text
  end
  local busy = (mode ~= "n" and mode ~= "i") or menu.visible() or suggestion.text() ~= nil
  return busy or not own() or not client.serves(api.nvim_get_current_buf())
end

---@param edit foretype.NextEdit
---@return string
local function hint(edit)
  local key = (loan.keymaps() or {}).accept
  local more = capped > 0 and (", %d more"):format(capped) or ""
  local others = #list > 1 and (" (%d places%s)"):format(#list, more) or ""
  return ("%s%s:%d %s%s"):format(key and key .. " " or "", edit.path, edit.range.start.line + 1, edit.why, others)
end

--- Draw what is in turn as the screen is now.
function M.update()
  local edit = current()
  if not edit or quiet() then
    return hide()
  end
  local bufnr = type(edit.version) == "number" and texts.buffer(edit) or nil
  local win = bufnr and window(edit, bufnr)
  if bufnr and win then
    if not texts.is_current(edit, bufnr) then
      return -- the list for this version is on its way; what is drawn moves with the text until then
    end
    view.show(edit, bufnr)
    if not told[edit.id] then
      told[edit.id] = true
      client.notify("textDocument/didShowInlineEdit", { item = { command = edit.command } })
      announce("ForetypeEditShown", edit)
    end
  else
    view.hint(hint(edit))
  end
  drawn = { id = edit.id, bufnr = bufnr or -1, inline = win ~= nil }
  local here = api.nvim_get_current_buf()
  if lent ~= here then
    if lent then
      loan:give_back(lent)
    end
    lent = here
    loan:take(here)
  end
end

--- Draw soon, and once for all that happens until then.
---@param after_ms integer?
function M.update_soon(after_ms)
  if #list == 0 and not drawn then
    return
  end
  timer = timer or assert(vim.uv.new_timer())
  timer:start(after_ms or 0, 0, vim.schedule_wrap(M.update))
end

--- Ghost text comes, or has gone.
---@param visible boolean
function M.ghost(visible)
  if visible then
    hide()
  else
    M.update_soon(AFTER_GHOST_MS)
  end
end

--- Take over what the server proposes.
---@param params { edits: foretype.NextEdit[], capped: integer? }
function M.receive(params)
  list, capped = params.edits, params.capped or 0
  if #list == 0 then
    turn, told = nil, {}
    hide()
  end
  require("foretype.edit_list").refresh(list)
  M.update()
end

--- The proposals, best first, and the one in turn.
---@return foretype.NextEdit[], foretype.NextEdit?
function M.list()
  return list, current()
end

---@param kind integer
---@param after fun(answer: table)?
local function ask(kind, after)
  local bufnr = api.nvim_get_current_buf()
  local params = vim.lsp.util.make_position_params(0, client.encoding())
  params.context = { triggerKind = kind }
  client.request("foretype/nextEdits", params, function(err, answer)
    if not err and answer then
      M.receive(answer)
      if after then
        after(answer)
      end
    end
  end, bufnr)
end

--- Ask now, whether or not the last edit has settled.
function M.ask()
  ask(INVOKED, function(answer)
    if #list == 0 then
      local note = answer.note ~= "" and (" (%s)"):format(answer.note) or ""
      vim.notify("foretype: the last edits call for nothing else" .. note)
    end
  end)
end

---@param edit foretype.NextEdit
---@param bufnr integer
---@return boolean
local function under_cursor(edit, bufnr)
  local row = api.nvim_win_get_cursor(0)[1] - 1
  local first, last = edit.range.start.line, edit.range["end"].line
  return api.nvim_get_current_buf() == bufnr and row >= first and row <= last
end

---@param edit foretype.NextEdit
local function jump(edit)
  local location = { uri = edit.uri, range = edit.range }
  local how = { focus = true, reuse_win = true }
  local shown, problem = pcall(vim.lsp.util.show_document, location, client.encoding(), how)
  if not shown then
    vim.notify("foretype: " .. tostring(problem), vim.log.levels.WARN)
  end
  M.update_soon()
end

---@param edit foretype.NextEdit
---@param bufnr integer
local function apply(edit, bufnr)
  local _, index = current()
  hide()
  local row, col = texts.apply(edit, bufnr)
  if api.nvim_get_current_buf() == bufnr then
    pcall(api.nvim_win_set_cursor, 0, { row + 1, col })
  end
  table.remove(list, index)
  turn = list[index] and list[index].id or nil
  client.execute(edit.command)
  announce("ForetypeEditAccepted", edit)
  M.update_soon()
end

--- Go to the edit in turn; where the cursor is on its lines already, apply it.
---@return boolean done false where nothing is drawn
function M.accept()
  local edit = current()
  if not edit or not drawn or quiet() then
    return false
  end
  turn = edit.id
  local bufnr = texts.buffer(edit)
  if not bufnr or not under_cursor(edit, bufnr) then
    jump(edit)
  elseif texts.is_current(edit, bufnr) and texts.fits(edit, bufnr) then
    apply(edit, bufnr)
  else -- the text moved on: what the server makes of it decides
    ask(AUTOMATIC)
  end
  return true
end

--- Turn down all of them.
---@return boolean done
function M.dismiss()
  if not drawn then
    return false
  end
  for _, edit in ipairs(list) do
    client.notify("foretype/didReject", { suggestionId = edit.id })
  end
  M.receive({ edits = {} })
  return true
end

--- Turn down the one in turn, and go on with the next.
---@return boolean done
function M.skip()
  local edit, index = current()
  if not edit or not drawn then
    return false
  end
  client.notify("foretype/didReject", { suggestionId = edit.id })
  table.remove(list, index)
  turn = list[index] and list[index].id or nil
  M.update()
  return true
end

--- Draw nothing, and forget the list: the server went away, or was switched off.
function M.clear()
  list, turn = {}, nil
  hide()
end

---@param answer table of `foretype/applyAll`
---@return string? problem
local function check(answer)
  for _, edit in ipairs(answer.edits) do
    local bufnr = vim.uri_to_bufnr(edit.uri)
    local loaded, problem = pcall(vim.fn.bufload, bufnr)
    if not loaded then
      return ("%s: %s"):format(edit.path, problem)
    end
    local open = type(edit.version) == "number"
    if (open and not texts.is_current(edit, bufnr)) or not texts.fits(edit, bufnr) then
      return edit.path .. " has changed since"
    elseif not vim.bo[bufnr].modifiable then
      return edit.path .. " is not modifiable"
    end
  end
end

--- Apply all of them, or none: one step of undo in each file.
function M.accept_all()
  local ids = vim.tbl_map(function(edit)
    return edit.id
  end, list)
  if #ids == 0 then
    vim.notify("foretype: there is nothing to apply")
    return
  end
  local more = capped
  client.request("foretype/applyAll", { suggestionIds = ids }, function(err, answer)
    local problem = err and err.message or answer.message
    if not problem or problem == "" then
      local found = check(answer)
      problem = found and "nothing was applied: " .. found or nil
    end
    if problem and problem ~= "" then
      vim.notify("foretype: " .. problem, vim.log.levels.WARN)
      return
    end
    hide()
    local files = {}
    for _, change in ipairs(answer.edit.documentChanges) do
      local bufnr = vim.uri_to_bufnr(change.textDocument.uri)
      files[bufnr] = true
      vim.bo[bufnr].buflisted = true
      texts.close_undo_step(bufnr)
      local plain = vim.tbl_map(function(edit) -- without annotations: each of them would be a message
        return { range = edit.range, newText = edit.newText }
      end, change.edits)
      vim.lsp.util.apply_text_edits(plain, bufnr, client.encoding())
    end
    client.execute(answer.command)
    M.clear()
    local count = vim.tbl_count(files)
    local left = more > 0 and ("; %d more were too many at once"):format(more) or ""
    vim.notify(("foretype: %d edits in %d %s%s"):format(#answer.edits, count, count == 1 and "file" or "files", left))
  end)
end

return M
