"""Drafts of labels while there is no model: a head on frozen features; and which image to ask about next."""
