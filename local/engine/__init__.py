"""Amazon Rekognition Custom Labels with real training, answered beside MiniStack on its port.

`api` has one method for each operation; `access` asks MiniStack who may do what; `storage` keeps what must
survive; `training` and `serving` run the child processes that learn and predict.
"""
