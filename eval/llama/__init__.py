"""The peer: llama.vim's policy against llama.cpp's server."""
