--- `:Foretype WORD`.
local M = {}

--- `name value` by name, what is inside of a table in parentheses; "" for what is empty.
---@param value any
---@return string
local function told(value)
  if value == nil or value == vim.NIL then
    return ""
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  for name, each in vim.spairs(value) do
    local text = told(each)
    if text ~= "" then
      local form = type(each) == "table" and "%s (%s)" or "%s %s"
      parts[#parts + 1] = form:format((tostring(name):gsub("_", " ")), text)
    end
  end
  return table.concat(parts, ", ")
end

--- The server's status in lines for a person.
---@param status table the answer to `foretype/status`
---@return string[]
function M.lines(status)
  local lines = { ("foretype: %s"):format(status.state or "?") }
  for _, label in ipairs({ "message", "model", "counts", "last", "edits" }) do
    local text = told(status[label])
    if text ~= "" then
      lines[#lines + 1] = ("  %s: %s"):format(label, text)
    end
  end
  return lines
end

local COMMANDS = {
  --- how the server is: state, model, counts
  status = function()
    local client = require("foretype.client")
    client.ask_status(function(status, problem)
      local known = status or { state = client.status.state, message = client.status.message or problem }
      vim.notify(table.concat(M.lines(known), "\n"))
    end)
  end,
  --- today's figures: opportunities, suggestions shown and accepted, characters per opportunity
  stats = function()
    local stats = require("foretype.stats")
    stats.ask(function(figures, problem)
      vim.notify(figures and stats.told(figures) or ("foretype: no figures: %s"):format(problem))
    end)
  end,
  --- the next edits in the quickfix list, with a preview
  edits = function()
    require("foretype").list_edits()
  end,
  --- look for next edits now
  ["next"] = function()
    require("foretype").find_edits()
  end,
  --- apply all next edits, or none where a file has changed meanwhile, is gone or read-only
  ["accept-all"] = function()
    require("foretype").accept_all()
  end,
  --- turn all next edits down
  dismiss = function()
    require("foretype").dismiss_edits()
  end,
  --- ghost text and next edits on
  enable = function()
    require("foretype").enable()
  end,
  --- both off; the server stays
  disable = function()
    require("foretype").disable()
  end,
  --- on if they are off, else off
  toggle = function()
    require("foretype").toggle()
  end,
  --- stop the server and start it again
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
