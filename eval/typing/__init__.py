"""Histories typed again: traces of keys, the developer who takes or leaves what is suggested, and the real server."""
