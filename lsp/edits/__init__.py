"""Next edits in a session: when they are looked for, where they stand while the text changes, their messages."""
