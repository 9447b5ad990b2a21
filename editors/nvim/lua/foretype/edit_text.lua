--- One next edit and the text it is for: whether it still fits, what it makes of its lines, and putting it in.
---
--- An edit is applied only where the buffer is the version that it was computed for and holds, under its range, exactly
--- the text that the server said. Knows neither the list of edits nor the screen.
local client = require("foretype.client")
local places = require("foretype.place")

local M = {}
local api = vim.api

---@class foretype.NextEdit as the server sends it
---@field id string
---@field path string
---@field uri string
---@field version integer? of the document; nil or vim.NIL where it is not open
---@field range lsp.Range
---@field oldText string what has to be under the range
---@field text string
---@field why string
---@field reason string
---@field lane "rule"|"model"
---@field confidence number
---@field command { command: string, arguments: table[] }

---@class foretype.Hunk whole lines that give way to others; `row` is the first one, 0-based
---@field row integer
---@field old string[]
---@field new string[]

--- The buffer of an edit's file, if it is loaded.
---@param edit foretype.NextEdit
---@return integer?
function M.buffer(edit)
  local bufnr = vim.fn.bufnr(vim.uri_to_fname(edit.uri))
  return bufnr ~= -1 and api.nvim_buf_is_loaded(bufnr) and bufnr or nil
end

--- Whether the buffer is the version that the edit was computed for.
---@param edit foretype.NextEdit
---@param bufnr integer
---@return boolean
function M.is_current(edit, bufnr)
  return vim.lsp.util.buf_versions[bufnr] == edit.version
end

---@param bufnr integer
---@param position lsp.Position
---@return integer row, integer col in bytes; one line behind the last where the text ends in a line end
local function place(bufnr, position)
  local line = api.nvim_buf_get_lines(bufnr, position.line, position.line + 1, false)[1] or ""
  return position.line, places.bytes(line, position.character, client.encoding())
end

--- The lines of a buffer from `first` to `last`; behind the last line there is an empty one.
---@param bufnr integer
---@param first integer
---@param last integer inclusive
---@return string[]
local function lines_of(bufnr, first, last)
  local lines = api.nvim_buf_get_lines(bufnr, first, last + 1, false)
  if last == api.nvim_buf_line_count(bufnr) then
    lines[#lines + 1] = ""
  end
  return lines
end

---@param text string
---@return string[]
local function split(text)
  return vim.split(text:gsub("\r\n?", "\n"), "\n", { plain = true })
end

--- The lines that an edit is on, before and after it.
---@param edit foretype.NextEdit
---@param bufnr integer
---@return integer row, string[] old, string[] new
local function whole_lines(edit, bufnr)
  local row, col = place(bufnr, edit.range.start)
  local last, last_col = place(bufnr, edit.range["end"])
  local old = lines_of(bufnr, row, last)
  local new = split(edit.text)
  new[1] = (old[1] or ""):sub(1, col) .. new[1]
  new[#new] = new[#new] .. (old[#old] or ""):sub(last_col + 1)
  return row, old, new
end

--- Whether the text under the range is the one that the edit replaces.
---@param edit foretype.NextEdit
---@param bufnr integer
---@return boolean
function M.fits(edit, bufnr)
  local row, col = place(bufnr, edit.range.start)
  local last, last_col = place(bufnr, edit.range["end"])
  if last > api.nvim_buf_line_count(bufnr) then
    return false
  end
  local lines = lines_of(bufnr, row, last)
  lines[#lines] = lines[#lines]:sub(1, last_col)
  lines[1] = lines[1]:sub(col + 1)
  local text = table.concat(lines, "\n")
  return text == edit.oldText or text == edit.oldText:gsub("\r\n", "\n")
end

--- What changes, in lines.
---@param edit foretype.NextEdit
---@param bufnr integer
---@return foretype.Hunk[]
function M.hunks(edit, bufnr)
  local row, old, new = whole_lines(edit, bufnr)
  local diff = vim.text and vim.text.diff or vim.diff
  local found = diff(table.concat(old, "\n") .. "\n", table.concat(new, "\n") .. "\n", { result_type = "indices" })
  local hunks = {} ---@type foretype.Hunk[]
  for _, hunk in ipairs(found --[[@as integer[][] ]]) do
    local first, count, new_first, new_count = unpack(hunk)
    hunks[#hunks + 1] = {
      row = row + first - (count > 0 and 1 or 0),
      old = vim.list_slice(old, first, first + count - 1),
      new = vim.list_slice(new, new_first, new_first + new_count - 1),
    }
  end
  return hunks
end

--- Begin a new step of undo.
---@param bufnr integer
function M.close_undo_step(bufnr)
  vim.bo[bufnr].undolevels = vim.bo[bufnr].undolevels
end

--- Put it in, as one step of undo. The caller has checked that it fits.
---@param edit foretype.NextEdit
---@param bufnr integer
---@return integer row, integer col behind the new text
function M.apply(edit, bufnr)
  local row, col = place(bufnr, edit.range.start)
  M.close_undo_step(bufnr)
  vim.lsp.util.apply_text_edits({ { range = edit.range, newText = edit.text } }, bufnr, client.encoding())
  local lines = split(edit.text)
  return row + #lines - 1, #lines[#lines] + (#lines == 1 and col or 0)
end

return M
