"""Site data: what an administrator edits, its rules and what follows from it."""
