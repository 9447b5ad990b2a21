--- Draws a next edit: as a difference in its lines, or as a hint beside the cursor where its lines are not in view.
---
--- What would go is struck through, what would come is virtual text, so the buffer stays what it is.
local ghost = require("foretype.ghost")
local texts = require("foretype.edit_text")

local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace("foretype.edit")

M.namespace = namespace

function M.define_highlights()
  local function define(name, value)
    value.default = true
    api.nvim_set_hl(0, name, value)
  end
  define("ForetypeInserted", { link = "DiffAdd" })
  define("ForetypeHint", { link = "Comment" })
  local gone = api.nvim_get_hl(0, { name = "DiffDelete", link = false })
  define("ForetypeDeleted", { strikethrough = true, ctermfg = gone.ctermfg, fg = gone.fg, bg = gone.bg })
end

--- How many bytes two lines have in common at their starts, and in what is left at their ends; whole characters.
---@param old string
---@param new string
---@return integer head, integer tail
local function shared(old, new)
  local shorter = math.min(#old, #new)
  local head = 0
  while head < shorter and old:byte(head + 1) == new:byte(head + 1) do
    head = head + 1
  end
  local tail = 0
  while tail < shorter - head and old:byte(#old - tail) == new:byte(#new - tail) do
    tail = tail + 1
  end
  local function inside(line, at) -- between two bytes of one character
    local byte = line:byte(at + 1)
    return byte ~= nil and byte >= 0x80 and byte < 0xc0
  end
  while head > 0 and (inside(old, head) or inside(new, head)) do
    head = head - 1
  end
  while tail > 0 and (inside(old, #old - tail) or inside(new, #new - tail)) do
    tail = tail - 1
  end
  return head, tail
end

--- The same, but where text is both removed and inserted, words are not torn apart.
---@param old string
---@param new string
---@return integer head, integer tail
local function kept(old, new)
  local head, tail = shared(old, new)
  if #old > head + tail and #new > head + tail then
    head = head - #old:sub(1, head):match("[%w_\128-\255]*$")
    tail = tail - #old:sub(#old - tail + 1):match("^[%w_\128-\255]*")
  end
  return head, tail
end

---@param bufnr integer
---@param row integer
---@param old string
---@param new string
local function draw_line(bufnr, row, old, new)
  local head, tail = kept(old, new)
  local come = new:sub(head + 1, #new - tail)
  if #old - tail > head then
    api.nvim_buf_set_extmark(bufnr, namespace, row, head, { end_col = #old - tail, hl_group = "ForetypeDeleted" })
  end
  if come ~= "" then
    local column = api.nvim_strwidth(old:sub(1, #old - tail))
    api.nvim_buf_set_extmark(bufnr, namespace, row, #old - tail, {
      virt_text = { { ghost.printable(come, column, vim.bo[bufnr].tabstop), "ForetypeInserted" } },
      virt_text_pos = "inline",
    })
  end
end

---@param bufnr integer
---@param hunk foretype.Hunk
local function draw_lines(bufnr, hunk)
  for i, line in ipairs(hunk.old) do
    api.nvim_buf_set_extmark(bufnr, namespace, hunk.row + i - 1, 0, { end_col = #line, hl_group = "ForetypeDeleted" })
  end
  local below = {}
  for i, line in ipairs(hunk.new) do
    below[i] = { { ghost.printable(line, 0, vim.bo[bufnr].tabstop), "ForetypeInserted" } }
  end
  if #below > 0 then
    local last = hunk.row + #hunk.old - 1
    local above = last < 0
    api.nvim_buf_set_extmark(bufnr, namespace, math.max(last, 0), 0, { virt_lines = below, virt_lines_above = above })
    if above and api.nvim_get_current_buf() == bufnr and vim.fn.line("w0") == 1 then
      vim.fn.winrestview({ topline = 1, topfill = #below }) -- Neovim does not scroll to them by itself
    end
  end
end

--- Draw an edit in its buffer, in place of what was drawn before.
---@param edit foretype.NextEdit
---@param bufnr integer
function M.show(edit, bufnr)
  M.hide()
  for _, hunk in ipairs(texts.hunks(edit, bufnr)) do
    if #hunk.old == #hunk.new then
      for i, line in ipairs(hunk.old) do
        draw_line(bufnr, hunk.row + i - 1, line, hunk.new[i])
      end
    else
      draw_lines(bufnr, hunk)
    end
  end
end

--- Draw one line of text behind the cursor's.
---@param text string
function M.hint(text)
  M.hide()
  local row = api.nvim_win_get_cursor(0)[1] - 1
  api.nvim_buf_set_extmark(0, namespace, row, 0, {
    virt_text = { { "  " .. ghost.printable(text, 0, 8), "ForetypeHint" } },
    virt_text_pos = "eol",
    hl_mode = "combine",
  })
end

function M.hide()
  for _, bufnr in ipairs(api.nvim_list_bufs()) do
    if api.nvim_buf_is_loaded(bufnr) then
      api.nvim_buf_clear_namespace(bufnr, namespace, 0, -1)
    end
  end
end

return M
