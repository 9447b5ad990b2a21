--- Takes keys while ghost text is visible and gives them back after.
---
--- A key is mapped in the buffer only for as long as it has something to do; at all other times it is what it was,
--- whoever mapped it and whenever. Should it be pressed with nothing to do after all (a completion menu opened), it is
--- given back first and then pressed again.
local M = {}

local api = vim.api
local MARK = "require('foretype.keys').press"

---@type table<integer, table<string, table|false>> by buffer and key: the buffer's own mapping that was there
local taken = {}
local standing = {} ---@type table<integer, boolean> buffers that keep the keys (the builtin path)

---@return table<string, string> key by action
local function keymaps()
  local maps = require("foretype.options").current.keymaps
  return maps or {}
end

---@param lhs string
local function mapping(lhs)
  return vim.fn.maparg(lhs, "i", false, true)
end

---@param bufnr integer
---@param keep boolean? keep them until `give_back`, whatever is visible
function M.take(bufnr, keep)
  standing[bufnr] = keep or nil
  if taken[bufnr] then
    return
  end
  taken[bufnr] = {}
  api.nvim_buf_call(bufnr, function()
    for action, lhs in pairs(keymaps()) do
      if lhs then
        local old = mapping(lhs)
        taken[bufnr][lhs] = old.buffer == 1 and old or false
        vim.keymap.set("i", lhs, ("<Cmd>lua %s(%q)<CR>"):format(MARK, action), {
          buffer = bufnr,
          nowait = true,
          silent = true,
          desc = "foretype: " .. action:gsub("_", " "),
        })
      end
    end
  end)
end

---@param bufnr integer
function M.give_back(bufnr)
  local olds = taken[bufnr]
  taken[bufnr], standing[bufnr] = nil, nil
  if not olds or not api.nvim_buf_is_valid(bufnr) then
    return
  end
  api.nvim_buf_call(bufnr, function()
    for lhs, old in pairs(olds) do
      local now = mapping(lhs)
      -- Somebody may have mapped the key over ours: then it is theirs.
      if now.buffer == 1 and (now.rhs or ""):find(MARK, 1, true) then
        vim.keymap.del("i", lhs, { buffer = bufnr })
        if old then
          vim.fn.mapset("i", false, old)
        end
      end
    end
  end)
end

--- What a taken key runs.
---@param action string
function M.press(action)
  if not require("foretype.menu").visible() and require("foretype")[action]() then
    return
  end
  local bufnr = api.nvim_get_current_buf()
  local keep = standing[bufnr]
  M.give_back(bufnr)
  local key = api.nvim_replace_termcodes(keymaps()[action], true, true, true)
  api.nvim_feedkeys(key, "mi", false)
  if keep then
    vim.schedule(function() -- after the key was handled
      if api.nvim_buf_is_valid(bufnr) then
        M.take(bufnr, true)
      end
    end)
  end
end

return M
