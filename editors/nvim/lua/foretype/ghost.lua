--- Draws text that is not there yet, as extmarks: the same on every Neovim since 0.10.
---
--- Knows nothing of suggestions. It shows what an acceptance would do: text that will stand after the inserted lines is
--- drawn after them. An extmark is moved, never removed and set again, so that no redraw can fall in between.
local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace("foretype.ghost")
local HIGHLIGHT = "ForetypeGhost"

M.namespace = namespace

function M.define_highlight()
  api.nvim_set_hl(0, HIGHLIGHT, { link = "Comment", default = true })
end

--- Control characters as Neovim would print them, tabs as wide as they will be.
---@param text string one line
---@param column integer the screen column where it begins
---@param tabstop integer
function M.printable(text, column, tabstop)
  local out = {}
  for piece, tab in text:gmatch("([^\t]*)(\t?)") do
    piece = vim.fn.strtrans(piece)
    column = column + api.nvim_strwidth(piece)
    out[#out + 1] = piece
    if tab ~= "" then
      local width = tabstop - column % tabstop
      column = column + width
      out[#out + 1] = (" "):rep(width)
    end
  end
  return table.concat(out)
end

--- Where each part of `text` goes among the characters of `tail`, which it replaces: `tail` stays on the screen, and
--- the parts stand between its characters. One part at the cursor where `tail` is not contained in `text`.
---@param text string
---@param tail string
---@return { offset: integer, text: string }[]
local function interleave(text, tail)
  local parts, from = {}, 1
  for offset = 1, #tail do
    local at = text:find(tail:sub(offset, offset), from, true)
    if not at then
      return { { offset = 0, text = text } }
    end
    if at > from then
      parts[#parts + 1] = { offset = offset - 1, text = text:sub(from, at - 1) }
    end
    from = at + 1
  end
  if from <= #text then
    parts[#parts + 1] = { offset = #tail, text = text:sub(from) }
  end
  return parts
end

--- Scroll so that `count` lines from the cursor's on are in the window, as far as it is high enough: Neovim does not
--- scroll for virtual lines, and nobody should accept what nobody sees.
---@param row integer the cursor's line, 0-based
---@param count integer
function M.make_room(row, count)
  local below = vim.fn.winline() + count - 1 - api.nvim_win_get_height(0)
  if count > 1 and below > 0 then
    local view = vim.fn.winsaveview()
    vim.fn.winrestview({ topline = math.min(view.topline + below, row + 1) })
  end
end

--- Show `text` at the cursor of the current window.
---@param bufnr integer
---@param row integer
---@param col integer
---@param text string what would be inserted
---@param tail string the text after the cursor that would be replaced
function M.show(bufnr, row, col, text, tail)
  local lines = vim.split(text, "\n", { plain = true })
  local after = api.nvim_buf_get_lines(bufnr, row, row + 1, false)[1]:sub(col + 1)
  local tabstop = vim.bo[bufnr].tabstop
  local column = vim.fn.virtcol({ row + 1, col }) -- 0 at the line's begin: the columns up to the cursor
  local marks = {} ---@type { col: integer, opts: table }[]

  if #lines == 1 then
    for _, part in ipairs(interleave(text, tail)) do
      marks[#marks + 1] = {
        col = col + part.offset,
        opts = { virt_text = { { M.printable(part.text, column, tabstop), HIGHLIGHT } }, virt_text_pos = "inline" },
      }
    end
  else
    local virt_lines = {}
    for i = 2, #lines do
      virt_lines[i - 1] = { { M.printable(lines[i], 0, tabstop), HIGHLIGHT } }
    end
    local first = M.printable(lines[1], column, tabstop)
    local position = "inline"
    if after ~= "" then -- what follows the cursor will follow the last line: cover it here, show it there
      position = "overlay"
      local covered = api.nvim_strwidth(M.printable(after, column, tabstop))
      first = first .. (" "):rep(covered - api.nvim_strwidth(first))
      local stays = after:sub(#tail + 1)
      table.insert(virt_lines[#virt_lines], { M.printable(stays, 0, tabstop) })
    end
    marks[1] = {
      col = col,
      opts = { virt_text = { { first, HIGHLIGHT } }, virt_text_pos = position, virt_lines = virt_lines },
    }
  end

  M.make_room(row, #lines)
  for id, mark in ipairs(marks) do
    local opts = vim.tbl_extend("error", mark.opts, { id = id, hl_mode = "combine", strict = false })
    api.nvim_buf_set_extmark(bufnr, namespace, row, mark.col, opts)
  end
  for _, old in ipairs(api.nvim_buf_get_extmarks(bufnr, namespace, 0, -1, {})) do
    if old[1] > #marks then
      api.nvim_buf_del_extmark(bufnr, namespace, old[1])
    end
  end
end

---@param bufnr integer
function M.hide(bufnr)
  if api.nvim_buf_is_valid(bufnr) then
    api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
  end
end

return M
