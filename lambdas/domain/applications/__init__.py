"""Detection for applications: who they are, what they ask, and what they were answered."""
