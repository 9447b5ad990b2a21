--- Tells the server what other servers and linters say of a buffer, a moment after it has changed.
local client = require("foretype.client")
local places = require("foretype.place")

local M = {}
local api = vim.api

local REST_MS = 200

local timers = {} ---@type table<integer, uv.uv_timer_t>

---@param bufnr integer
local function tell(bufnr)
  if not api.nvim_buf_is_valid(bufnr) or not client.serves(bufnr) then
    return
  end
  local encoding = client.encoding()
  local function position(row, col)
    local line = api.nvim_buf_get_lines(bufnr, row, row + 1, false)[1] or ""
    return { line = row, character = places.units(line:sub(1, col), encoding) }
  end
  local found = vim.tbl_map(function(one)
    local last, last_col = one.end_lnum or one.lnum, one.end_col or one.col
    return {
      range = { start = position(one.lnum, one.col), ["end"] = position(last, last_col) },
      message = one.message,
      severity = one.severity,
      source = one.source,
      code = one.code,
    }
  end, vim.diagnostic.get(bufnr))
  client.notify("foretype/didChangeDiagnostics", { uri = vim.uri_from_bufnr(bufnr), diagnostics = found })
end

---@param bufnr integer
function M.changed(bufnr)
  local timer = timers[bufnr] or assert(vim.uv.new_timer())
  timers[bufnr] = timer
  timer:start(REST_MS, 0, function()
    timer:close()
    timers[bufnr] = nil
    vim.schedule(function()
      tell(bufnr)
    end)
  end)
end

return M
