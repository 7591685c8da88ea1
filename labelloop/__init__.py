"""The detection API for Python programs: `from labelloop.client import Client`. It needs no AWS SDK."""
