"""The language server: protocol, documents, when to suggest. Does not know how a model works."""
