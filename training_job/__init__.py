"""The training of the engine `serverless`: a script that SageMaker runs in AWS's own container for PyTorch.

It reads the folders and variables that the container has, and leaves the model and its evaluation where
SageMaker takes them from. So it knows no AWS, and runs in any folder that looks the same.
"""
