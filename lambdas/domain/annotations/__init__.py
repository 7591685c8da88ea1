"""Readers and writers of annotation formats: what a data set says, image by image, without AWS."""
