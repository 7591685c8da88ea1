"""Attacks on a deployment in the embedded stack: what they cost, and what must never come of them."""
