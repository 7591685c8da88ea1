"""Amazon SageMaker Ground Truth: labeling jobs of the built-in image task types."""
