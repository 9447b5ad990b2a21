"""The event log: the lives of opportunities, the file that keeps them, and the commands about it."""
