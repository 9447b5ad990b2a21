--- Today's figures, as the server's event log has them: in words, and one figure for a status line.
---
--- The server reads a file for them, so they are asked for in the background, and for a status line at most once in
--- FRESH_MS, however often that is drawn.
local client = require("foretype.client")

local M = {}

M.FRESH_MS = 60000

local figure = "" -- what was last known for a status line
local asked_at = nil ---@type number? on the clock of vim.uv.now

---@class foretype.Figures
---@field opportunities integer? nil, as all others, where there is no log
---@field shown integer?
---@field accepted integer?
---@field accepted_characters integer?
---@field cpo number?

--- Ask for them; `handler` gets them, or nil and why there are none.
---@param handler fun(figures: foretype.Figures?, problem: string?)
function M.ask(handler)
  client.request("foretype/stats", nil, function(err, answer)
    if err or type(answer) ~= "table" then
      handler(nil, err and err.message or "the server gave no answer")
    else
      handler(answer)
    end
  end)
end

--- In words, for a person.
---@param figures foretype.Figures
---@return string
function M.told(figures)
  if not figures.opportunities then
    return "foretype: nothing is counted; `foretype telemetry status` says why"
  end
  if figures.opportunities == 0 then
    return "foretype: nothing was typed today"
  end
  return ("foretype today: opportunities %d, shown %d, accepted %d (%d characters), CPO %.2f"):format(
    figures.opportunities,
    figures.shown,
    figures.accepted,
    figures.accepted_characters,
    figures.cpo
  )
end

local function refresh()
  M.ask(function(figures)
    local known = figures and (figures.opportunities or 0) > 0
    local now = known and ("CPO %.2f"):format(figures.cpo) or ""
    if now ~= figure then
      figure = now
      vim.cmd.redrawstatus({ bang = true })
    end
  end)
end

--- Characters per opportunity today, such as "CPO 0.37"; "" while that is not known. Never waits.
---@return string
function M.figure()
  local now = vim.uv.now()
  if not asked_at or now - asked_at >= M.FRESH_MS then
    asked_at = now
    vim.schedule(refresh) -- a status line is no place to send from
  end
  return figure
end

return M
