--- Whether a completion menu is open: then keys belong to it, and nothing is drawn beside it.
local M = {}

-- Plugins that draw a menu of their own, and what they call "is it open".
local PLUGINS = { cmp = "visible", ["blink.cmp"] = "is_menu_visible" }

--- The autocommands of those that have some for their menu's opening and closing.
M.EVENTS = { "BlinkCmpMenuOpen", "BlinkCmpMenuClose" }

--- Called when a menu opens or closes that has no autocommands: that is between two keys, and nothing else tells of it.
M.on_change = function() end

local heard = setmetatable({}, { __mode = "k" }) ---@type table<table, boolean> the instances of nvim-cmp that tell us

local function hear()
  local cmp = package.loaded.cmp
  if type(cmp) ~= "table" or heard[cmp] or type(cmp.event) ~= "table" then
    return
  end
  heard[cmp] = true
  for _, event in ipairs({ "menu_opened", "menu_closed" }) do
    pcall(cmp.event.on, cmp.event, event, function()
      M.on_change()
    end)
  end
end

---@return boolean
function M.visible()
  hear()
  if vim.fn.pumvisible() == 1 then
    return true
  end
  for name, method in pairs(PLUGINS) do
    local plugin = package.loaded[name]
    if type(plugin) == "table" and type(plugin[method]) == "function" then
      local ok, open = pcall(plugin[method])
      if ok and open then
        return true
      end
    end
  end
  return false
end

return M
