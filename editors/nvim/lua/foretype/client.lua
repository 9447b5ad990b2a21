--- The server's life: finding it, starting it, attaching buffers, starting it again when it stops.
---
--- One server serves all buffers, because it holds a model in memory. Whatever goes wrong is said once, with what to
--- do, and typing goes on without ghost text.
local options = require("foretype.options")

local M = {}
local api = vim.api

local CONFIG = "foretype" -- the name of what a person sets with vim.lsp.config(), whatever the client is called
local MAX_RESTARTS = 3 -- in RESTART_WINDOW_S, each after twice the pause of the one before
local RESTART_WINDOW_S = 60
local STOP_PATIENCE_MS = 2000
local V11 = vim.fn.has("nvim-0.11") == 1

local id = nil ---@type integer? of the client that is running
local languages = {} ---@type table<integer, string> by buffer: what the server was told
local stops = {} ---@type number[] when it stopped by itself, in seconds
local stopping = false -- because we said so
local said = {} ---@type table<string, boolean>

M.RESTART_PAUSE_MS = 250
M.enabled = true
--- What the server last said of itself (`foretype/didChangeStatus`), or what we know of it.
M.status = { state = "off", message = "not started" }
--- Called when the server went away, and with each list of next edits.
M.on_gone = function() end
M.on_edits = function(_) end ---@type fun(params: { edits: foretype.NextEdit[] })

---@param message string
local function say_once(message)
  if not said[message] then
    said[message] = true
    vim.notify("foretype: " .. message, vim.log.levels.WARN)
  end
end

-- Neovim 0.10 has a client's methods as plain functions.
local function call(client, method, ...)
  if V11 then
    return client[method](client, ...)
  end
  return client[method](...)
end

--- The running client, whether or not it is initialized.
---@return vim.lsp.Client?
function M.get()
  return id and vim.lsp.get_client_by_id(id) or nil
end

---@return vim.lsp.Client?
local function ready()
  local client = M.get()
  return client and client.initialized and not call(client, "is_stopped") and client or nil
end

--- The server's command line, or nil and what is missing.
---@return string[]?, string?
function M.command()
  local cmd = options.current.cmd or { "foretype", "serve" }
  if vim.fn.executable(cmd[1]) == 1 then
    return cmd
  end
  local advice = options.current.cmd and "correct `cmd` in setup()"
    or 'install it (pip install foretype) or name it in setup{ cmd = { ".../foretype", "serve" } }'
  return nil, ("no program `%s` was found: %s"):format(cmd[1], advice)
end

--- Whether a buffer takes part: one that holds a file, so that it has a name of its own for the server.
---@param bufnr integer
---@return boolean
function M.wants(bufnr)
  if not api.nvim_buf_is_loaded(bufnr) or vim.bo[bufnr].buftype ~= "" or vim.b[bufnr].foretype == false then
    return false
  end
  local name = api.nvim_buf_get_name(bufnr)
  if name == "" or name:find("^%a[%w+.-]+://") then
    return false
  end
  local filter = options.current.filter
  return not filter or filter(bufnr) == true
end

---@return table?
local function init_options()
  local server = options.current.server
  if options.current.edits == false then
    server = vim.tbl_deep_extend("keep", server, { edits = { enabled = false } })
  end
  return next(server) and server or nil
end

---@return table
local function capabilities()
  local own = { textDocument = { inlineCompletion = { dynamicRegistration = false } } }
  if options.current.name:lower():find("copilot", 1, true) then
    -- copilot-lsp counts columns in UTF-16 whatever was agreed on.
    own.general = { positionEncodings = { "utf-16" } }
  end
  return vim.tbl_deep_extend("force", vim.lsp.protocol.make_client_capabilities(), own)
end

---@return integer?
local function start(bufnr)
  local cmd, missing = M.command()
  if not cmd then
    M.status = { state = "error", message = missing }
    say_once(missing --[[@as string]])
    return nil
  end
  local config = {
    cmd = cmd,
    root_dir = vim.fs.root(bufnr, { ".foretype.toml", ".git" }),
    init_options = init_options(),
    -- Neovim would hold changes back for 150 ms, and the server would count them as one.
    flags = { debounce_text_changes = 0 },
    capabilities = capabilities(),
    handlers = {
      ["foretype/didChangeStatus"] = function(_, status)
        M.status = status -- of an error it tells the person itself (window/showMessage)
      end,
      ["foretype/didFindNextEdits"] = function(_, params)
        M.on_edits(params)
      end,
    },
    on_init = function()
      M.ask_status(function() end)
    end,
    on_exit = function(_, _, client_id)
      vim.schedule(function()
        M._gone(client_id)
      end)
    end,
  }
  if V11 then -- what a person set with vim.lsp.config()
    config = vim.tbl_deep_extend("force", config, vim.lsp.config[CONFIG] or {})
  end
  config.name = options.current.name
  M.status = { state = "loading", message = "starting" }
  stopping = false
  return vim.lsp.start(config, {
    bufnr = bufnr,
    attach = false,
    reuse_client = function()
      return false
    end,
  })
end

--- Attach a buffer that wants to take part, and start the server for the first one.
---@param bufnr integer
function M.attach(bufnr)
  if not M.enabled or not api.nvim_buf_is_valid(bufnr) or not M.wants(bufnr) then
    return
  end
  local language = vim.bo[bufnr].filetype
  id = M.get() and id or start(bufnr)
  if not id then
    return
  end
  local attached = vim.lsp.buf_is_attached(bufnr, id)
  if attached and ready() and languages[bufnr] ~= language then -- the language is told at opening only
    vim.lsp.buf_detach_client(bufnr, id)
    attached = false
  end
  if not attached then
    vim.lsp.buf_attach_client(bufnr, id)
    languages[bufnr] = language
    if options.current.ghost == "builtin" then
      require("foretype.builtin").attach(bufnr)
    end
  end
end

function M.attach_all()
  for _, bufnr in ipairs(api.nvim_list_bufs()) do
    M.attach(bufnr)
  end
end

--- The server ended: start it again, unless it was told to end or keeps ending.
---@param client_id integer
function M._gone(client_id)
  if client_id ~= id then
    return
  end
  id = nil
  languages = {}
  M.status = { state = "off", message = "stopped" }
  M.on_gone()
  if stopping or vim.v.exiting ~= vim.NIL then
    return
  end
  local now = vim.uv.hrtime() / 1e9
  stops = vim.tbl_filter(function(at)
    return now - at < RESTART_WINDOW_S
  end, stops)
  stops[#stops + 1] = now
  if #stops > MAX_RESTARTS then
    M.status = { state = "error", message = "the server keeps stopping" }
    M.enabled = false
    say_once(("the server stopped %d times and stays off; see :LspLog, then :Foretype restart"):format(#stops))
    return
  end
  vim.defer_fn(M.attach_all, M.RESTART_PAUSE_MS * 2 ^ #stops)
end

--- Stop the server; `after` is called when it is gone.
---@param after fun()?
function M.stop(after)
  local client = M.get()
  if not client then
    if after then
      after()
    end
    return
  end
  stopping = true
  local gone = M.on_gone
  M.on_gone = function()
    M.on_gone = gone
    gone()
    if after then
      after()
    end
  end
  call(client, "stop")
  vim.defer_fn(function()
    if not call(client, "is_stopped") then
      call(client, "stop", true)
    end
  end, STOP_PATIENCE_MS)
end

function M.restart()
  stops, said, M.enabled = {}, {}, true
  M.stop(M.attach_all)
end

--- Whether the buffer can be asked about now.
---@param bufnr integer
---@return boolean
function M.serves(bufnr)
  return M.enabled and vim.b[bufnr].foretype ~= false and ready() ~= nil and vim.lsp.buf_is_attached(bufnr, id)
end

---@return "utf-8"|"utf-16"|"utf-32"
function M.encoding()
  local client = M.get()
  return client and client.offset_encoding or "utf-16"
end

---@param method string
---@param params table?
---@param handler fun(err: table?, result: any)
---@param bufnr integer?
---@return integer? request its number, for `cancel`
function M.request(method, params, handler, bufnr)
  local client = ready()
  if not client then
    handler({ message = M.status.message }, nil)
    return nil
  end
  local _, request = call(client, "request", method, params, handler, bufnr or 0)
  return request
end

---@param request integer
function M.cancel(request)
  local client = ready()
  -- Answered meanwhile: there is nothing to cancel, and Neovim would log an error.
  if client and client.requests[request] then
    call(client, "cancel_request", request)
  end
end

---@param method string
---@param params table
function M.notify(method, params)
  local client = ready()
  if client then
    call(client, "notify", method, params)
  end
end

--- Ask the server how it is; `handler` gets its answer, or nil and why there is none.
---@param handler fun(status: table?, problem: string?)
function M.ask_status(handler)
  M.request("foretype/status", nil, function(err, status)
    if err or type(status) ~= "table" then
      handler(nil, err and err.message or "the server gave no answer")
      return
    end
    M.status = { state = status.state, message = status.message }
    handler(status)
  end)
end

--- Run a server's command, as an accepted item asks for.
---@param command { command: string, arguments: any[]? }
function M.execute(command)
  local params = { command = command.command, arguments = command.arguments }
  M.request("workspace/executeCommand", params, function() end)
end

return M
