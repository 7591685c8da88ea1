"""Amazon Augmented AI: human loops, and the flow definitions that they are started with."""
