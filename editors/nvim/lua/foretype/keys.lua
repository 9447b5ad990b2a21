--- Takes keys while something is visible that they are for, and gives them back after.
---
--- A key is mapped in the buffer only for as long as it has something to do; at all other times it is what it was,
--- whoever mapped it and whenever. Should it be pressed with nothing to do after all (a completion menu opened), it is
--- given back first and then pressed again.
local M = {}

local api = vim.api
local MARK = "require('foretype.keys').press"

---@class foretype.Loan one set of keys
---@field name string
---@field modes string[]
---@field keymaps fun(): table<string, string|false> key by action
---@field run fun(action: string): boolean
---@field taken table<integer, table<string, table>> by buffer, mode and key: the buffer's own mapping that was there
---@field standing table<integer, boolean> buffers that keep the keys (the builtin path)
local Loan = {}
Loan.__index = Loan

local loans = {} ---@type table<string, foretype.Loan>

--- A set of keys that is taken and given back together.
---@param name string
---@param modes string[]
---@param keymaps fun(): table<string, string|false>
---@param run fun(action: string): boolean false where there is nothing to do
---@return foretype.Loan
function M.loan(name, modes, keymaps, run)
  loans[name] = setmetatable(
    { name = name, modes = modes, keymaps = keymaps, run = run, taken = {}, standing = {} },
    Loan
  )
  return loans[name]
end

---@param visit fun(mode: string, lhs: string, action: string)
function Loan:each(visit)
  for action, lhs in pairs(self.keymaps()) do
    for _, mode in ipairs(lhs and self.modes or {}) do
      visit(mode, lhs --[[@as string]], action)
    end
  end
end

---@param bufnr integer
---@param keep boolean? keep them until `give_back`, whatever is visible
function Loan:take(bufnr, keep)
  self.standing[bufnr] = keep or nil
  if self.taken[bufnr] then
    return
  end
  local olds = {}
  self.taken[bufnr] = olds
  api.nvim_buf_call(bufnr, function()
    self:each(function(mode, lhs, action)
      local old = vim.fn.maparg(lhs, mode, false, true)
      olds[mode .. lhs] = { mode = mode, lhs = lhs, mapping = old.buffer == 1 and old or nil }
      vim.keymap.set(mode, lhs, ("<Cmd>lua %s(%q, %q)<CR>"):format(MARK, self.name, action), {
        buffer = bufnr,
        nowait = true,
        silent = true,
        desc = "foretype: " .. action:gsub("_", " "),
      })
    end)
  end)
end

---@param bufnr integer
function Loan:give_back(bufnr)
  local olds = self.taken[bufnr]
  self.taken[bufnr], self.standing[bufnr] = nil, nil
  if not olds or not api.nvim_buf_is_valid(bufnr) then
    return
  end
  local mark = ("%s(%q"):format(MARK, self.name)
  api.nvim_buf_call(bufnr, function()
    for _, old in pairs(olds) do
      local now = vim.fn.maparg(old.lhs, old.mode, false, true)
      -- Somebody may have mapped the key over ours: then it is theirs.
      if now.buffer == 1 and (now.rhs or ""):find(mark, 1, true) then
        vim.keymap.del(old.mode, old.lhs, { buffer = bufnr })
        if old.mapping then
          vim.fn.mapset(old.mode, false, old.mapping)
        end
      end
    end
  end)
end

--- Of ghost text.
M.ghost = M.loan("ghost", { "i" }, function()
  return require("foretype.options").current.keymaps or {}
end, function(action)
  return require("foretype")[action]()
end)

--- What a taken key runs.
---@param name string of the set
---@param action string
function M.press(name, action)
  local loan = loans[name]
  if not require("foretype.menu").visible() and loan.run(action) then
    return
  end
  local bufnr = api.nvim_get_current_buf()
  local keep = loan.standing[bufnr]
  loan:give_back(bufnr)
  local key = api.nvim_replace_termcodes(loan.keymaps()[action] --[[@as string]], true, true, true)
  api.nvim_feedkeys(key, "mi", false)
  if keep then
    vim.schedule(function() -- after the key was handled
      if api.nvim_buf_is_valid(bufnr) then
        loan:take(bufnr, true)
      end
    end)
  end
end

return M
