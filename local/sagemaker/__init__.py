"""Amazon SageMaker where people are asked: the A2I runtime, its flow definitions, and labeling jobs."""
