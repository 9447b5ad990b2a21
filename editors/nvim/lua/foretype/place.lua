--- A place in a text, and what was typed there since: how an answer is matched to a text that has moved on.
---
--- An answer may be applied only where the text still is the one it was computed for, plus characters typed at the
--- place itself. Everything here is in bytes and 0-based, as extmarks are; knows neither the server nor the screen.
local M = {}

---@class foretype.Place
---@field bufnr integer
---@field row integer
---@field col integer
---@field before string the line before the place
---@field after string the line after it
---@field lines integer how many lines the buffer had
---@field tick integer the buffer's changedtick
---@field foreign boolean true once something changed elsewhere in the buffer
---@field dead boolean true once nobody asks any more

---@return integer row, integer col
function M.cursor()
  local cursor = vim.api.nvim_win_get_cursor(0)
  return cursor[1] - 1, cursor[2]
end

---@param bufnr integer
---@param row integer
---@return string
local function line_at(bufnr, row)
  return vim.api.nvim_buf_get_lines(bufnr, row, row + 1, false)[1] or ""
end

--- The cursor's line, and what stands on it before and after the cursor.
---@return { row: integer, col: integer, before: string, after: string }
function M.where()
  local row, col = M.cursor()
  local line = line_at(vim.api.nvim_get_current_buf(), row)
  return { row = row, col = col, before = line:sub(1, col), after = line:sub(col + 1) }
end

--- The cursor's place in the current buffer. Changes of the buffer are watched until `forget`.
---@return foretype.Place
function M.here()
  local bufnr = vim.api.nvim_get_current_buf()
  local here = M.where()
  local row = here.row
  local place = {
    bufnr = bufnr,
    row = row,
    col = here.col,
    before = here.before,
    after = here.after,
    lines = vim.api.nvim_buf_line_count(bufnr),
    tick = vim.api.nvim_buf_get_changedtick(bufnr),
    foreign = false,
    dead = false,
  }
  local grown = 0 -- how many lines were added at the place
  vim.api.nvim_buf_attach(bufnr, false, {
    on_lines = function(_, _, _, first, last, new_last)
      if place.dead then
        return true
      end
      grown = grown + new_last - last
      if first < row or math.max(last, new_last) > row + 1 + math.max(grown, 0) then
        place.foreign = true
      end
    end,
    on_detach = function() -- the buffer was unloaded or read again
      place.foreign = true
    end,
  })
  return place
end

---@param place foretype.Place?
function M.forget(place)
  if place then
    place.dead = true
  end
end

--- What was typed at the place since, up to the cursor: "" where nothing was, nil where the text or the cursor moved
--- on in any other way.
---@param place foretype.Place
---@return string?
function M.typed(place)
  local bufnr = place.bufnr
  if place.foreign or vim.api.nvim_get_current_buf() ~= bufnr then
    return nil
  end
  local row, col = M.cursor()
  if row < place.row or (row == place.row and col < place.col) then
    return nil
  end
  if vim.api.nvim_buf_line_count(bufnr) - place.lines ~= row - place.row then
    return nil
  end
  if line_at(bufnr, place.row):sub(1, place.col) ~= place.before or line_at(bufnr, row):sub(col + 1) ~= place.after then
    return nil
  end
  return table.concat(vim.api.nvim_buf_get_text(bufnr, place.row, place.col, row, col, {}), "\n")
end

local V11 = vim.fn.has("nvim-0.11") == 1

--- The length of a text in the code units of an encoding.
---@param text string
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return integer
function M.units(text, encoding)
  if encoding == "utf-8" then
    return #text
  elseif V11 then
    return vim.str_utfindex(text, encoding)
  end
  local utf32, utf16 = vim.str_utfindex(text)
  return encoding == "utf-16" and utf16 or utf32
end

--- The byte column of a column in code units; past the end means the end.
---@param line string
---@param units integer
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return integer
function M.bytes(line, units, encoding)
  if units >= M.units(line, encoding) then
    return #line
  elseif encoding == "utf-8" then
    return units
  elseif V11 then
    return vim.str_byteindex(line, encoding, units, false)
  end
  return vim.str_byteindex(line, units, encoding == "utf-16")
end

return M
