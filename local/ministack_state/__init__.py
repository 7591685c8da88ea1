"""MiniStack's state on disk: what it has acknowledged survives its death, however it dies."""
