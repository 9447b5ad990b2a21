-- Nothing is set here: `lua/foretype/client.lua` does that, and takes over what `vim.lsp.config("foretype", ...)` adds.
-- Without this file Neovim would log that the name is not configured.
return {}
