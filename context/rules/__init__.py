"""How the rule lane of next edits knows: the scopes and uses of names, and a rule for each kind of change."""
