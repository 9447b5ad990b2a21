--- The suggestion that is on the screen: which one, how much of it is typed already, and what becomes of it.
---
--- It lives for as long as the text agrees with it: typing its own characters shortens what is drawn in the same
--- redraw, any other change ends it. Whatever is inserted is first checked against the text as it is now.
local client = require("foretype.client")
local ghost = require("foretype.ghost")
local keys = require("foretype.keys").ghost
local menu = require("foretype.menu")
local places = require("foretype.place")

local M = {}
local api = vim.api

---@class foretype.Choice
---@field item table the server's item, as it came
---@field lead string what of its text stood before the cursor already
---@field text string what it would insert at the place; lines end in "\n"
---@field tail string what of the text after the place it replaces

---@class foretype.Live
---@field place foretype.Place
---@field choices foretype.Choice[]
---@field index integer
---@field told table<integer, boolean> the choices that the server was told were shown

--- Called before text is drawn (true), and after none is any more (false): nothing else is drawn beside it.
M.on_visible = function(_) end ---@type fun(visible: boolean)

local live = nil ---@type foretype.Live?
local visible = nil ---@type foretype.Choice? the choice that is drawn

---@param choice foretype.Choice
---@return any
local function suggestion_id(choice)
  local arguments = (choice.item.command or {}).arguments or {}
  return type(arguments[1]) == "table" and arguments[1].suggestionId or nil
end

---@param event string
---@param choice foretype.Choice
---@param text string
local function announce(event, choice, text)
  local data = { suggestion_id = suggestion_id(choice), text = text }
  api.nvim_exec_autocmds("User", { pattern = event, modeline = false, data = data })
end

--- What an item would do at a place; nil where it cannot be shown there (a snippet, another line, other text before
--- the cursor than its own).
---@param item table
---@param place foretype.Place
---@param encoding string
---@return foretype.Choice?
local function choice_of(item, place, encoding)
  if type(item.insertText) ~= "string" then
    return nil
  end
  local text = item.insertText:gsub("\r\n?", "\n")
  local from, to = place.col, place.col
  if type(item.range) == "table" then
    local line = place.before .. place.after
    local first, last = item.range.start, item.range["end"]
    if first.line ~= place.row or last.line ~= place.row then
      return nil
    end
    from, to = places.bytes(line, first.character, encoding), places.bytes(line, last.character, encoding)
  end
  local lead = place.before:sub(from + 1)
  if from > place.col or to < place.col or not vim.startswith(text, lead) or #text == #lead then
    return nil
  end
  return { item = item, lead = lead, text = text:sub(#lead + 1), tail = place.after:sub(1, to - place.col) }
end

---@param choice foretype.Choice
---@param typed string
local function agrees(choice, typed)
  return #typed < #choice.text and vim.startswith(choice.text, typed)
end

local function hide()
  if live and visible then
    visible = nil
    ghost.hide(live.place.bufnr)
    keys:give_back(live.place.bufnr)
    M.on_visible(false)
  end
end

--- Forget the suggestion.
function M.clear()
  hide()
  if live then
    places.forget(live.place)
    live = nil
  end
end

---@param typed string
local function draw(typed)
  local choice = live.choices[live.index]
  local row, col = places.cursor()
  M.on_visible(true)
  ghost.show(live.place.bufnr, row, col, choice.text:sub(#typed + 1), choice.tail)
  visible = choice
  keys:take(live.place.bufnr)
  if not live.told[live.index] then
    live.told[live.index] = true
    client.notify("textDocument/didShowCompletion", { item = choice.item })
    announce("ForetypeShown", choice, choice.text)
  end
end

--- Bring the screen in line with the text as it is now. To be called in the event of a change, before the redraw.
---@return boolean lives whether there is a suggestion that agrees with the text
---@return string? typed what of it was typed already
function M.update()
  local typed = live and places.typed(live.place)
  if not live or not typed or api.nvim_get_mode().mode:sub(1, 1) ~= "i" then
    M.clear()
    return false
  end
  for step = 0, #live.choices - 1 do -- another alternative may agree where this one does not
    local index = (live.index + step - 1) % #live.choices + 1
    if agrees(live.choices[index], typed) then
      live.index = index
      if menu.visible() then
        hide()
      else
        draw(typed)
      end
      return true, typed
    end
  end
  M.clear()
  return false
end

--- Show the server's items, which were computed for `place`, where the text still agrees with one of them.
---@param items table[]
---@param place foretype.Place
---@param encoding string
function M.offer(items, place, encoding)
  M.clear()
  local choices = {}
  for _, item in ipairs(items) do
    choices[#choices + 1] = choice_of(item, place, encoding)
  end
  live = { place = place, choices = choices, index = 1, told = {} }
  M.update()
end

--- Insert at the cursor as one step of undo, and leave the cursor at its end.
---@param text string
---@param tail string what it replaces after the cursor
local function insert(text, tail)
  local bufnr = api.nvim_get_current_buf()
  local row, col = places.cursor()
  local lines = vim.split(text, "\n", { plain = true })
  vim.bo[bufnr].undolevels = vim.bo[bufnr].undolevels -- closes the undo step of what was typed before
  api.nvim_buf_set_text(bufnr, row, col, row, col + #tail, lines)
  api.nvim_win_set_cursor(0, { row + #lines, (#lines == 1 and col or 0) + #lines[#lines] })
  local close = api.nvim_replace_termcodes("<C-g>u", true, true, true) -- and what is typed after begins a new one
  api.nvim_feedkeys(close, "ni", false)
end

--- The visible choice and what of it was typed, once more checked against the text.
---@return foretype.Choice?, string
local function acceptable()
  local lives, typed = M.update()
  if lives and visible then
    return visible, typed or ""
  end
  return nil, ""
end

---@return boolean done false where nothing is visible
function M.accept()
  local choice, typed = acceptable()
  if not choice then
    return false
  end
  M.clear()
  local rest = choice.text:sub(#typed + 1)
  if choice.item.command then -- before the text comes in, which the server would else have to guess the origin of
    client.execute(choice.item.command)
  end
  insert(rest, choice.tail)
  announce("ForetypeAccepted", choice, rest)
  return true
end

--- Accept the first part of what is drawn: `split` returns it.
---@param split fun(rest: string): string
---@return boolean done false where nothing is visible
function M.accept_part(split)
  local choice, typed = acceptable()
  if not choice then
    return false
  end
  local rest = choice.text:sub(#typed + 1)
  local part = split(rest)
  if #part == 0 or #part == #rest then
    return M.accept()
  end
  -- Counted from the begin of the item's text, in its own line ends.
  local accepted = choice.lead .. typed .. part
  if choice.item.insertText:find("\r\n", 1, true) then
    accepted = accepted:gsub("\n", "\r\n")
  end
  local length = places.units(accepted, "utf-16")
  client.notify("textDocument/didPartiallyAcceptCompletion", { item = choice.item, acceptedLength = length })
  insert(part, "")
  announce("ForetypeAccepted", choice, part)
  M.update()
  return true
end

--- Turn it down.
---@return boolean done false where nothing is visible
function M.dismiss()
  local choice = acceptable()
  if not choice then
    return false
  end
  M.clear()
  client.notify("foretype/didReject", { suggestionId = suggestion_id(choice) })
  return true
end

--- Show another alternative; with only one, it stays.
---@param step integer
---@return boolean done false where nothing is visible
function M.cycle(step)
  local choice, typed = acceptable()
  if not choice or not live then
    return false
  end
  local index = live.index
  repeat
    index = (index + step - 1) % #live.choices + 1
  until agrees(live.choices[index], typed)
  live.index = index
  draw(typed)
  return true
end

--- The text that is drawn, or nil.
---@return string?
function M.text()
  local typed = visible and live and places.typed(live.place)
  return typed and visible.text:sub(#typed + 1) or nil
end

return M
