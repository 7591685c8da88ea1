"""Readers and writers of annotation formats: what a dataset says, image by image, without AWS."""
