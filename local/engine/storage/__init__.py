"""What the engine keeps: one SQLite database."""
