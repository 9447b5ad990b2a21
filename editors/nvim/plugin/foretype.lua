if vim.g.loaded_foretype then
  return
end
vim.g.loaded_foretype = true

vim.api.nvim_create_user_command("Foretype", function(args)
  require("foretype.command").run(args.fargs[1] or "status")
end, {
  nargs = "?",
  desc = "Ghost text and next edits: status, edits, next, accept-all, dismiss, enable, disable, toggle, restart",
  complete = function(lead)
    return require("foretype.command").complete(lead)
  end,
})
