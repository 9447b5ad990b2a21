"""What runs a model's code inside of `eval/sandbox.py`, and what tries to get out of it."""
