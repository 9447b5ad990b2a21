--- When the server is asked, and which of its answers still count.
---
--- At most one request is under way: a newer one cancels the older. Whether an answer fits a text that has moved on is
--- decided in `suggestion`, by the place that it was asked for.
local client = require("foretype.client")
local menu = require("foretype.menu")
local options = require("foretype.options")
local places = require("foretype.place")
local suggestion = require("foretype.suggestion")

local M = {}

-- LSP 3.18, InlineCompletionTriggerKind
local INVOKED, AUTOMATIC = 1, 2

local timer = nil ---@type uv.uv_timer_t?
local pending = nil ---@type { number: integer, id: integer?, place: foretype.Place }?
local number = 0

--- Withdraw the request that is waiting or under way.
function M.cancel()
  if timer then
    timer:stop()
  end
  if pending then
    local old = pending
    pending = nil
    places.forget(old.place)
    if old.id then
      client.cancel(old.id)
    end
  end
end

---@param kind integer
local function ask(kind)
  if kind == AUTOMATIC and pending and places.typed(pending.place) == "" then
    return -- the same question is under way
  end
  M.cancel()
  local bufnr = vim.api.nvim_get_current_buf()
  if vim.api.nvim_get_mode().mode:sub(1, 1) ~= "i" or menu.visible() or not client.serves(bufnr) then
    return
  end
  local encoding = client.encoding()
  local place = places.here()
  number = number + 1
  local mine = number
  pending = { number = mine, place = place }
  local params = {
    textDocument = { uri = vim.uri_from_bufnr(bufnr) },
    position = { line = place.row, character = places.units(place.before, encoding) },
    context = { triggerKind = kind },
  }
  local id = client.request("textDocument/inlineCompletion", params, function(err, result)
    if not pending or pending.number ~= mine then
      return
    end
    pending = nil
    local items = not err and type(result) == "table" and (result.items or result) or {}
    -- What is on the screen and agrees with the text stays: nothing may change under the eye.
    if not suggestion.update() and #items > 0 then
      suggestion.offer(items, place, encoding)
    else
      places.forget(place)
    end
  end, bufnr)
  if pending then
    pending.id = id
  end
end

--- The text or the cursor changed: draw at once, and ask soon where nothing is shown that agrees with the text.
function M.changed()
  if suggestion.update() or not client.serves(vim.api.nvim_get_current_buf()) then
    return
  end
  timer = timer or assert(vim.uv.new_timer())
  timer:start(options.current.debounce_ms, 0, function()
    vim.schedule(function()
      ask(AUTOMATIC)
    end)
  end)
end

local looked_at = nil ---@type string? the line that the server was last told of

--- The cursor went to another line without typing: the server may read what is around it before it is asked.
function M.moved()
  local bufnr = vim.api.nvim_get_current_buf()
  if not client.serves(bufnr) then
    return
  end
  local place = places.where()
  local line = ("%d:%d"):format(bufnr, place.row)
  if line ~= looked_at then
    looked_at = line
    client.notify("foretype/didMoveCursor", {
      textDocument = { uri = vim.uri_from_bufnr(bufnr) },
      position = { line = place.row, character = places.units(place.before, client.encoding()) },
    })
  end
end

--- Ask now because the person wants it, in place of what is shown.
function M.invoke()
  suggestion.clear()
  ask(INVOKED)
end

--- Insert mode or the buffer was left, or the server went away.
function M.leave()
  M.cancel()
  suggestion.clear()
end

return M
