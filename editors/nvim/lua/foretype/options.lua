--- The options of `setup`, their defaults, and a plain answer where one of them is wrong.
---
--- What the server does (model, lengths, languages) is the server's own configuration: `server` is handed to it unread.
local M = {}

--- What `setup` takes; all of it may be left out. The help's page is generated from here.
---@class foretype.Options
---@field cmd? string[] the server's command line; nil: `foretype serve`, with `foretype` found on PATH
---@field server? table options of the server itself, as its TOML file would hold them
---@field ghost? "own"|"builtin" who draws: "own", or "builtin" for Neovim 0.12 itself (see |foretype-builtin|)
---@field name? string what the client is called (see |foretype-copilot|)
---@field debounce_ms? number milliseconds without a key before the server is asked, which has a debounce of its own
---@field filter? fun(bufnr: integer): boolean function(bufnr): false keeps a buffer out
---@field keymaps? boolean|foretype.Keymaps taken in insert mode while ghost text is visible; a key of false is not taken
---@field edits? boolean|foretype.EditOptions next edits; false: none

---@class foretype.Keymaps
---@field accept? string|false
---@field accept_word? string|false
---@field accept_line? string|false
---@field dismiss? string|false
---@field next? string|false
---@field previous? string|false

---@class foretype.EditOptions
---@field show? "own"|"none" who draws: "own", or "none" for another plugin
---@field keymaps? boolean|foretype.EditKeymaps taken in normal and insert mode while an edit or the hint of one is visible

---@class foretype.EditKeymaps
---@field accept? string|false
---@field skip? string|false
---@field dismiss? string|false

M.defaults = {
  cmd = nil,
  server = {},
  ghost = "own",
  name = "foretype",
  debounce_ms = 10,
  filter = nil,
  keymaps = {
    accept = "<Tab>",
    accept_word = "<M-Right>",
    accept_line = "<M-C-Right>",
    dismiss = "<C-]>",
    next = "<M-]>",
    previous = "<M-[>",
  },
  edits = {
    show = "own",
    keymaps = {
      accept = "<Tab>",
      skip = "<M-]>",
      dismiss = "<M-BS>",
    },
  },
}

M.current = vim.deepcopy(M.defaults) ---@type foretype.Options

local TYPES = {
  cmd = { "table" },
  server = { "table" },
  ghost = { "string" },
  name = { "string" },
  debounce_ms = { "number" },
  filter = { "function" },
  keymaps = { "table", "boolean" },
  edits = { "table", "boolean" },
}

---@param given table
---@return string[] problems one line each, saying what was expected
local function problems_of(given)
  local problems = {}
  local function bad(name, expected)
    problems[#problems + 1] = ("foretype: option `%s` must be %s"):format(name, expected)
  end
  for name, value in pairs(given) do
    local types = TYPES[name]
    if not types then
      problems[#problems + 1] = ("foretype: there is no option `%s` (:help foretype-options)"):format(name)
    elseif not vim.tbl_contains(types, type(value)) then
      bad(name, "a " .. table.concat(types, " or a "))
    end
  end
  if given.ghost ~= nil and given.ghost ~= "own" and given.ghost ~= "builtin" then
    bad("ghost", '"own" or "builtin"')
  end
  if type(given.cmd) == "table" and (#given.cmd == 0 or type(given.cmd[1]) ~= "string") then
    bad("cmd", 'a list of strings, such as { "foretype", "serve" }')
  end
  local function check_keys(prefix, keymaps, known)
    for action, key in pairs(type(keymaps) == "table" and keymaps or {}) do
      if known[action] == nil then
        problems[#problems + 1] = ("foretype: there is no action `%s` to map a key to"):format(action)
      elseif key ~= false and type(key) ~= "string" then
        bad(prefix .. action, "a key or false")
      end
    end
  end
  check_keys("keymaps.", given.keymaps, M.defaults.keymaps)
  local edits = type(given.edits) == "table" and given.edits or {}
  check_keys("edits.keymaps.", edits.keymaps, M.defaults.edits.keymaps)
  if edits.show ~= nil and edits.show ~= "own" and edits.show ~= "none" then
    bad("edits.show", '"own" or "none"')
  end
  return problems
end

--- Take over what was given; where anything is wrong, say it and keep the defaults.
---@param given foretype.Options?
function M.set(given)
  given = given or {}
  local problems = problems_of(given)
  if #problems > 0 then
    table.sort(problems)
    vim.notify(table.concat(problems, "\n"), vim.log.levels.ERROR)
    given = {}
  end
  M.current = vim.tbl_deep_extend("force", M.defaults, given)
  if M.current.keymaps == true then
    M.current.keymaps = M.defaults.keymaps
  end
  if M.current.edits == true then
    M.current.edits = M.defaults.edits
  end
end

return M
