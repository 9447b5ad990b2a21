--- `:checkhealth foretype`: what works, and what to do about what does not.
local client = require("foretype.client")
local options = require("foretype.options")

local M = {}

local START_PATIENCE_MS = 10000

local function check_neovim()
  local version = tostring(vim.version())
  if vim.fn.has("nvim-0.10") == 0 then
    vim.health.error(("Neovim %s is too old"):format(version), "install 0.10 or newer")
    return
  end
  vim.health.ok("Neovim " .. version)
  if options.current.ghost == "builtin" then
    vim.health.info("Neovim's own inline completion draws: no partial acceptance, no dismissal, some flicker")
  end
end

---@return boolean found
local function check_command()
  local cmd, missing = client.command()
  if not cmd then
    vim.health.error(missing --[[@as string]])
    return false
  end
  vim.health.ok(("command: %s (%s)"):format(table.concat(cmd, " "), vim.fn.exepath(cmd[1])))
  return true
end

---@return table? status
local function ask_status()
  local answered, status, problem = false, nil, nil
  local function got(value, why)
    answered, status, problem = true, value, why
  end
  local function initialized()
    local running = client.get()
    return running ~= nil and running.initialized == true
  end
  if not vim.wait(START_PATIENCE_MS, initialized, 20) then
    problem = "it did not answer `initialize`"
  else
    client.ask_status(got)
    vim.wait(START_PATIENCE_MS, function()
      return answered
    end, 20)
  end
  if not status then
    vim.health.error("the server is not well: " .. (problem or "no answer"), "see :LspLog, then :Foretype restart")
  end
  return status
end

---@return table? status
local function check_server()
  if not client.get() then
    vim.health.warn("the server is not running: no open buffer takes part", {
      "call require('foretype').setup() and open a file; buffers without a file name take no part",
      ":Foretype restart starts it after it stayed off",
    })
    return
  end
  local status = ask_status()
  if not status then
    return
  end
  local running = client.get()
  local info = running and running.server_info or { name = "foretype" } -- 0.10 does not keep it
  local server = vim.trim(("%s %s"):format(info.name, info.version or ""))
  vim.health.ok(("server: %s, positions in %s"):format(server, client.encoding()))
  local model = ("model %s: %s"):format(status.model or "?", status.state)
  local message = status.message ~= vim.NIL and status.message or nil
  if status.state == "ready" then
    vim.health.ok(model)
  elseif status.state == "loading" then
    vim.health.warn(model .. (message and ", " .. message or ""), "wait, and check again")
  else
    vim.health.error(model, message or "see :LspLog")
  end
  return status
end

---@param status table?
local function check_edits(status)
  local own = options.current.edits
  if not own then
    vim.health.info("no next edits (edits = false)")
  elseif status and status.edits and not status.edits.enabled then
    vim.health.warn("the server proposes no next edits: it has no workspace, or edits.enabled is false", {
      "open a file below a folder with .git or .foretype.toml, then :Foretype restart",
    })
  elseif own.show == "none" then
    vim.health.info("next edits are drawn by another plugin (edits.show = \"none\")")
  else
    for action, lhs in vim.spairs(own.keymaps or {}) do
      if lhs then
        vim.health.ok(("%s: %s, while a next edit or its hint is visible"):format(action, lhs))
      end
    end
  end
end

local function check_keys()
  local keymaps = options.current.keymaps
  if not keymaps then
    vim.health.info("no keys are taken (keymaps = false)")
    return
  end
  for action, lhs in vim.spairs(keymaps) do
    if lhs then
      local map = vim.fn.maparg(lhs, "i", false, true)
      local owner = next(map) and (map.desc or map.rhs or "a Lua function") or nil
      local before = owner and ("; else it does what it does now: " .. owner) or ""
      vim.health.ok(("%s: %s, while ghost text is visible%s"):format(action, lhs, before))
    end
  end
  -- Plugins that show text of their own and take Tab for it: two ghosts, one key.
  for name, label in pairs({ copilot = "copilot.lua", ["supermaven-nvim"] = "supermaven-nvim" }) do
    if package.loaded[name] then
      vim.health.warn(label .. " shows ghost text too", "turn one of them off, or give `accept` another key")
    end
  end
  if vim.g.loaded_copilot == 1 then
    vim.health.warn("copilot.vim shows ghost text too", "turn one of them off, or give `accept` another key")
  end
end

function M.check()
  vim.health.start("foretype")
  check_neovim()
  local status = check_command() and check_server() or nil
  check_edits(status)
  check_keys()
end

return M
