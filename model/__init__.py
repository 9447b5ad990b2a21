"""Models: on disk, in engines, as prompts, decoded. Does not know the protocol."""
