--- `:Foretype WORD`.
local M = {}

---@param value table
local function inline(value)
  return vim.inspect(value, { newline = " ", indent = "" })
end

--- The server's status in lines for a person.
---@param status table the answer to `foretype/status`
---@return string[]
function M.lines(status)
  local lines = { ("foretype: %s"):format(status.state or "?") }
  local function add(label, value)
    if value ~= nil and value ~= vim.NIL and value ~= "" then
      lines[#lines + 1] = ("  %s: %s"):format(label, type(value) == "table" and inline(value) or value)
    end
  end
  add("message", status.message)
  add("model", status.model)
  local counts = {}
  for name, count in vim.spairs(type(status.counts) == "table" and status.counts or {}) do
    counts[#counts + 1] = ("%s %s"):format(name:gsub("_", " "), count)
  end
  add("counts", table.concat(counts, ", "))
  add("last", status.last)
  add("edits", status.edits)
  return lines
end

local COMMANDS = {
  status = function()
    local client = require("foretype.client")
    client.ask_status(function(status, problem)
      local known = status or { state = client.status.state, message = client.status.message or problem }
      vim.notify(table.concat(M.lines(known), "\n"))
    end)
  end,
  stats = function()
    local stats = require("foretype.stats")
    stats.ask(function(figures, problem)
      vim.notify(figures and stats.told(figures) or ("foretype: no figures: %s"):format(problem))
    end)
  end,
  edits = function()
    require("foretype").list_edits()
  end,
  ["next"] = function()
    require("foretype").find_edits()
  end,
  ["accept-all"] = function()
    require("foretype").accept_all()
  end,
  dismiss = function()
    require("foretype").dismiss_edits()
  end,
  enable = function()
    require("foretype").enable()
  end,
  disable = function()
    require("foretype").disable()
  end,
  toggle = function()
    require("foretype").toggle()
  end,
  restart = function()
    require("foretype").restart()
  end,
}

---@param word string
function M.run(word)
  local command = COMMANDS[word]
  if command then
    command()
  else
    local known = table.concat(M.complete(""), ", ")
    vim.notify(("foretype: `:Foretype %s` is not known; one of %s"):format(word, known), vim.log.levels.ERROR)
  end
end

---@param lead string
---@return string[]
function M.complete(lead)
  local words = vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, vim.tbl_keys(COMMANDS))
  table.sort(words)
  return words
end

return M
