"""Real packages of the package index, tasks made from them, and their own tests as judges."""
