local money = require("shop.money")
local M = {}

--- Settles it.
-- @param cart
function M.pay(cart, amount)
  local sum = 0
  for _, item in ipairs(cart.items) do
    sum = sum + item.price
  end
  return money.round(sum, amount)
end

function M:close() end

local function helper(a) return M.pay(a) end
M.later = function(callback) callback(helper) end
LIMIT = 3
return M
