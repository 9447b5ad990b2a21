--- Whether a completion menu is open: then keys belong to it, and nothing is drawn beside it.
local M = {}

-- Plugins that draw a menu of their own, and what they call "is it open".
local PLUGINS = { cmp = "visible", ["blink.cmp"] = "is_menu_visible" }

---@return boolean
function M.visible()
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
