--- The compatibility path: Neovim's own `vim.lsp.inline_completion` (0.12) draws and accepts.
---
--- It runs an accepted item's command, so acceptances are counted; it has no event for shown or rejected, accepts whole
--- items only, and takes the text off the screen for 200 ms at every key.
local keys = require("foretype.keys").ghost

local M = {}

---@return boolean
function M.available()
  return vim.lsp.inline_completion ~= nil
end

---@param bufnr integer
function M.attach(bufnr)
  vim.lsp.inline_completion.enable(true, { bufnr = bufnr })
  keys:take(bufnr, true)
end

--- On or off in every buffer that takes part.
---@param on boolean
function M.switch(on)
  local running = require("foretype.client").get()
  for bufnr in pairs(running and running.attached_buffers or {}) do
    vim.lsp.inline_completion.enable(on, { bufnr = bufnr })
  end
end

---@return boolean done false where nothing is visible
function M.accept()
  return vim.lsp.inline_completion.get()
end

---@param step integer
---@return boolean done
function M.cycle(step)
  vim.lsp.inline_completion.select({ count = step })
  return true
end

return M
