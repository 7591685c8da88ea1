"""Running model versions, each in a process of its own."""
