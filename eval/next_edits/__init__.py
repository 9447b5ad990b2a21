"""What `foretype eval edits` runs on: cases, archives, mined rows, commits; and how answers are measured."""
