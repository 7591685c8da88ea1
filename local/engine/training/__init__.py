"""Trainings, each in a process of its own, and the files they leave."""
