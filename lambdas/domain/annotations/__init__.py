"""Readers and writers of annotation formats: what a dataset says, image by image, without AWS.

They are the project's own because libraries stop at the first line that is wrong: these take the good lines
and report a problem, with its place, for each other one, from files of up to 768 MiB in a function's memory.
"""
