"""Training jobs: their operations, and the child process that stands for their container."""
