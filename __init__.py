"""Foretype: ghost text and next edits from a language server on the user's own CPU.

Imports point one way: `context <- model <- lsp`, and `context, model <- mining <- eval`.
"""

__version__ = "0.1.0"
