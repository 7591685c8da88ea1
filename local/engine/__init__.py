"""Amazon Rekognition Custom Labels with real training, mounted beside MiniStack on its port.

`server` speaks HTTP and asks MiniStack who may do what; `api` has one method for each operation; `store`
keeps what must survive; `training` and `endpoint` run the child processes that learn and predict.
"""
