"""From git history to training pairs. Does not know the protocol or the engines."""
