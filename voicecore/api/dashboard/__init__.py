"""Document 001: workspaces, their assistants and numbers, and what became of their calls."""
