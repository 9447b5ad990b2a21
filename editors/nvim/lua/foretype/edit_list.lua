--- All next edits in the quickfix list, each with a preview while the cursor is on it.
local texts = require("foretype.edit_text")

local M = {}
local api = vim.api

local TITLE = "Foretype: next edits"
local CONTEXT = 2 -- lines around a change in the preview

local float = nil ---@type integer? the preview's window

---@param text string
---@return string
local function one_line(text)
  return (vim.trim(text):gsub("%s*\n%s*", " ⏎ "))
end

---@param edits foretype.NextEdit[]
---@return table[]
local function items(edits)
  return vim.tbl_map(function(edit)
    local first, last = edit.range.start, edit.range["end"]
    return {
      filename = vim.uri_to_fname(edit.uri),
      lnum = first.line + 1,
      col = first.character + 1,
      end_lnum = last.line + 1,
      end_col = last.character + 1,
      text = ("%s: %s -> %s"):format(edit.why, one_line(edit.oldText), one_line(edit.text)),
      user_data = edit.id,
    }
  end, edits)
end

local function close()
  if float and api.nvim_win_is_valid(float) then
    api.nvim_win_close(float, true)
  end
  float = nil
end

--- The edit as lines of a unified difference.
---@param edit foretype.NextEdit
---@return string[]
local function difference(edit)
  local bufnr = vim.uri_to_bufnr(edit.uri)
  if not pcall(vim.fn.bufload, bufnr) or not texts.fits(edit, bufnr) then
    return { edit.path .. " has changed since" }
  end
  local lines = {}
  for _, hunk in ipairs(texts.hunks(edit, bufnr)) do
    local behind = hunk.row + #hunk.old
    local function add(mark, some)
      for _, line in ipairs(some) do
        lines[#lines + 1] = mark .. line
      end
    end
    lines[#lines + 1] = ("@@ %s:%d @@"):format(edit.path, hunk.row + 1)
    add(" ", api.nvim_buf_get_lines(bufnr, math.max(0, hunk.row - CONTEXT), hunk.row, false))
    add("-", hunk.old)
    add("+", hunk.new)
    add(" ", api.nvim_buf_get_lines(bufnr, behind, behind + CONTEXT, false))
  end
  return lines
end

local function preview()
  close()
  local win = api.nvim_get_current_win()
  local what = vim.fn.getqflist({ title = 0, idx = 0, items = 0 })
  local item = what.title == TITLE and what.items[api.nvim_win_get_cursor(win)[1]]
  local edits = require("foretype.edits").list()
  for _, edit in ipairs(item and edits or {}) do
    if edit.id == item.user_data then
      local lines = difference(edit)
      local bufnr = api.nvim_create_buf(false, true)
      api.nvim_buf_set_lines(bufnr, 0, -1, false, lines)
      vim.bo[bufnr].filetype, vim.bo[bufnr].bufhidden = "diff", "wipe"
      local room = math.max(1, api.nvim_win_get_position(win)[1] - 3)
      float = api.nvim_open_win(bufnr, false, {
        relative = "win",
        win = win,
        anchor = "SW",
        row = -1,
        col = 0,
        width = math.max(20, api.nvim_win_get_width(win) - 2),
        height = math.min(#lines, room),
        style = "minimal",
        border = "single",
        focusable = false,
      })
    end
  end
end

--- Open the list of the edits.
function M.open()
  local edits, turn = require("foretype.edits").list()
  if #edits == 0 then
    vim.notify("foretype: there are no next edits")
    return
  end
  local at = 1
  for i, edit in ipairs(edits) do
    at = turn and edit.id == turn.id and i or at
  end
  vim.fn.setqflist({}, " ", { title = TITLE, items = items(edits), idx = at })
  vim.cmd("botright copen")
  local bufnr = api.nvim_get_current_buf()
  local group = api.nvim_create_augroup("foretype.list", { clear = true })
  api.nvim_create_autocmd("CursorMoved", { group = group, buffer = bufnr, callback = preview })
  local leaving = { "BufLeave", "BufWinLeave", "WinLeave" }
  api.nvim_create_autocmd(leaving, { group = group, buffer = bufnr, callback = close })
  preview()
end

--- The edits are others now.
---@param edits foretype.NextEdit[]
function M.refresh(edits)
  local shown = vim.fn.getqflist({ title = 0, winid = 0, idx = 0 })
  if shown.title == TITLE and shown.winid ~= 0 then
    vim.fn.setqflist({}, "r", { title = TITLE, items = items(edits), idx = math.min(shown.idx, math.max(#edits, 1)) })
    if api.nvim_get_current_win() == shown.winid then
      preview()
    end
  end
end

return M
