"""How the symbol graph (`context/graph.py`) is made, kept and refreshed."""
